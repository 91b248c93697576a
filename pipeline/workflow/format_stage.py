"""The stage that writes the formats from the float model, and audits each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import limits
from pipeline.files import write_bytes
from pipeline.quantization.format_check import audit
from pipeline.quantization.keep import BASE, INT8
from pipeline.recipe import Format, IoType, Keep
from pipeline.versions import versions
from pipeline.workflow.context import RunContext, calibration_inputs
from pipeline.workflow.provenance import with_metadata
from pipeline.workflow.run_folder import CALIBRATION, MIXED_RANGES, PREPARED, RANGES, Run, key_of

if TYPE_CHECKING:
    from pipeline.quantization.lstm_choice import LstmChoice
    from pipeline.quantization.ptq import Quantizer


def formats(
    context: RunContext, wanted: Sequence[Format], io_type: IoType = "int8", keep: Sequence[Keep] = ()
) -> dict[Format, Path]:
    """Write the formats and audit each: the file must be what its name and the keep rules promise.

    Returns:
        The files by format.

    Raises:
        InputError: a keep rule matches no operator, or asks for what the operator does not come in.
        PipelineError: the writer refuses the model, or the audit breaks the promise (the file is left for a look).
    """
    run = context.run
    parent = run.manifest["stages"]["flatbuffers"]["outputs"]
    said = [context.recipe.name, context.recipe.description, list(context.data.class_names)]
    reason = _lstms(run).reason
    if reason and not INT8.isdisjoint(wanted):
        context.say(reason)
    written: dict[Format, Path] = {}
    promised: dict[Format, Sequence[Keep]] = {}
    quantizer: Quantizer | None = None
    for target in wanted:
        name = f"{target}.tflite" if target != "float32" else PREPARED
        written[target] = run.path(name)
        rules = (*own_rules(run, target), *keep) if target in BASE else ()
        promised[target] = rules
        kept = [str(rule) for rule in rules]
        key = key_of("format", target, io_type, kept, parent, said, versions())
        if target == "float32" or run.has(target, key):
            continue
        run.check_intact("flatbuffers")
        started = time.time()
        quantizer = quantizer or open_quantizer(context)
        content, corrected = quantizer(target, io_type, rules)
        described = with_metadata(
            context.recipe,
            context.data,
            content,
            target,
            quantizer.prepared.ranges.method,
            rules,
            quantizer.how,
            mixed_ranges=mixed_tensors(run) if rules else (),
            outputs_changed=run.manifest["stages"]["flatbuffers"].get("outputs_changed") or (),
            task=context.task,
            io=io_type if target in BASE else None,
        )
        write_bytes(run.path(name), described)
        changes = [change.to_json() for change in corrected.changes] if corrected else []
        run.record(target, key, [name], started, io=io_type, keep=kept, corrected=changes)
    for target, path in written.items():
        audit({target: path}, io_type, promised[target], run.path(PREPARED))
    return written


def mixed_tensors(run: Run) -> tuple[str, ...]:
    """Names of the tensors that join parts of very different ranges, for which :func:`own_rules` has rules."""
    found = run.manifest["stages"]["flatbuffers"].get(MIXED_RANGES) or {}
    return tuple(found.get("found", ())) if found.get("keep") else ()


def own_rules(run: Run, target: Format = "int8") -> tuple[Keep, ...]:
    """What measurements keep out of a format with integer activations; these rules stand before the recipe's.

    Tensors that join parts of very different ranges, and LSTMs that are of no use in int8.
    """
    from pipeline.quantization.keep import parse

    mixed = run.manifest["stages"]["flatbuffers"].get(MIXED_RANGES) or {}
    lstms = _lstms(run).rules if target in INT8 else ()
    return (*(parse(rule) for rule in mixed.get("keep", ())), *lstms)


def _lstms(run: Run) -> LstmChoice:
    from pipeline.quantization.lstm_choice import LstmChoice

    return LstmChoice.from_json(run.manifest["stages"]["flatbuffers"].get("kept", {}))


def open_quantizer(context: RunContext) -> Quantizer:
    """What writes the run's formats: corrected as calibration chose, not at all after QAT."""
    from pipeline.quantization.ptq import AFTER_QAT, FloatModel, Quantizer, Settings
    from pipeline.quantization.ranges import Ranges

    run = context.run
    settings = AFTER_QAT
    if CALIBRATION in run.manifest["stages"]["flatbuffers"]["outputs"]:
        settings = Settings(**limits.json_file(run.path(CALIBRATION))["settings"])
    prepared = FloatModel(run.path(PREPARED).read_bytes(), Ranges.load(run.path(RANGES)))
    return Quantizer(prepared, lambda: calibration_inputs(context), settings, track=context.track)
