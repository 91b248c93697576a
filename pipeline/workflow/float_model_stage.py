"""The stage in which every source becomes one float model: a flatbuffer and the ranges of its activations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.files import write_bytes, write_text
from pipeline.progress import Track, quiet
from pipeline.recipe import MixedRanges, Quantize
from pipeline.versions import versions
from pipeline.workflow import origins
from pipeline.workflow.context import EVALUATION_CHUNK, RunContext, StageResult, calibration_inputs, silent
from pipeline.workflow.provenance import with_metadata
from pipeline.workflow.run_folder import (
    CALIBRATION,
    FLOAT,
    FLOAT_KERAS,
    MIXED_RANGES,
    PREPARED,
    QAT,
    QAT_KERAS,
    RANGES,
    key_of,
)

if TYPE_CHECKING:
    from pipeline.quantization.auto import Choice
    from pipeline.quantization.lstm_choice import LstmChoice
    from pipeline.quantization.mends import Mended
    from pipeline.quantization.outputs_apart import Change
    from pipeline.quantization.ptq import FloatModel, Quantizer, Settings
    from pipeline.quantization.ranges import Ranges
    from pipeline.quantization.tap import Inputs
    from pipeline.tasks.task import Task


def flatbuffers(context: RunContext, *, with_qat: bool) -> StageResult:
    """Convert to float flatbuffers and bring the activation ranges together.

    Writes `float.tflite`, `prepared.tflite` (the float model that every format is made from) and `ranges.json`; with
    QAT also `qat.tflite`, which computes what QAT computed. QAT's ranges win, calibration fills the gaps.
    """
    recipe, run = context.recipe, context.run
    stages = run.manifest["stages"]
    parent = stages["qat" if with_qat else "train"]["outputs"]
    key = key_of(
        "flatbuffers", stages["train"]["outputs"], parent, origins.of_float_model(context), with_qat, versions()
    )
    if run.has("flatbuffers", key):
        context.say(f"float flatbuffer and ranges: as made before ({PREPARED}, {RANGES})")
        return _result(context, key, repeated=True)
    run.check_intact("train", *(["qat"] if with_qat else []))
    started = time.time()
    from pipeline.conversion.import_float import converted
    from pipeline.conversion.qat_int8 import same_answers
    from pipeline.models.load import load_file
    from pipeline.tflite.signature import named_as
    from pipeline.workflow.open_dimensions import converted_for_data

    outputs, facts = [FLOAT], dict[str, Any]()
    content, sizes = converted_for_data(context, run.path(FLOAT_KERAS), trusted=True)
    content, facts["outputs_changed"] = _apart(context, content, with_qat=with_qat)
    _write_float(context, content, facts["outputs_changed"])
    if with_qat:
        from pipeline.training.qat import custom_configs

        custom_configs.load(recipe.qat.configs if recipe.qat else {})  # Keras must know them to load the model
        trained = load_file(run.path(QAT_KERAS), trusted=True)
        content = named_as(converted(trained, sizes=sizes), content)
        same = same_answers(trained, content, context.data, "test", context.task, EVALUATION_CHUNK)
        context.say(
            f"converted fake-quant model: its first {EVALUATION_CHUNK} answers are Keras's to {100 * same:.1f} %"
        )
        facts["answers_as_keras"] = same
        write_bytes(
            run.path(QAT),
            with_metadata(context.recipe, context.data, content, "float32 with fake-quant", task=context.task),
        )
        outputs.append(QAT)
    else:
        run.path(QAT).unlink(missing_ok=True)  # of an earlier run with QAT in this folder
    return _finish(context, key, content, outputs, started, facts)


def take_file(context: RunContext, path: Path) -> StageResult:
    """Start from a model as it is, a float .tflite, a SavedModel or a Keras file, instead of a trained Keras model.

    Writes what `flatbuffers` writes.

    Raises:
        InputError: no float model, or as :func:`pipeline.conversion.import_float.import_float`.
    """
    return taken_before(context, path) or _take(context, path, path)


def take_built(context: RunContext, function: str, model: Any) -> StageResult:
    """As `take_file`, for the Keras 3 model that a function (`module:function`) gave."""
    return _take(context, function, model)


def taken_before(context: RunContext, origin: Path | str) -> StageResult | None:
    """What `take_file` or `take_built` left of the same model, recipe and data; None where there is nothing."""
    key = key_of("flatbuffers", origins.of_taken(context, origin), versions())
    if not context.run.has("flatbuffers", key):
        return None
    origins.describe(context)
    context.say(f"float flatbuffer and ranges: as made before ({PREPARED}, {RANGES})")
    return _result(context, key, repeated=True)


def _take(context: RunContext, origin: Path | str, source: Path | Any) -> StageResult:
    from pipeline.workflow.open_dimensions import converted_for_data

    started, run, made_from = time.time(), context.run, origins.of_taken(context, origin)
    content, _ = converted_for_data(context, source, context.recipe.model.signature, trusted=context.recipe.model.trust)
    run.forget("train", "qat")  # whatever was trained here before is another model
    run.path(QAT).unlink(missing_ok=True)
    content, changed = _apart(context, content)
    _write_float(context, content, changed)
    facts: dict[str, Any] = {"made_from": made_from, "outputs_changed": changed}
    if isinstance(origin, Path):
        facts["source"] = str(origin)
    about = origins.description(context)
    return _finish(context, key_of("flatbuffers", made_from, versions()), content, [FLOAT], started, facts, about)


def _apart(context: RunContext, content: bytes, *, with_qat: bool = False) -> tuple[bytes, list[dict[str, Any]]]:
    """The model with its outputs changed where the recipe asks for that, and what was changed, as JSON.

    Raises:
        InputError: as :func:`apart`.
    """
    if with_qat and context.recipe.quantize.mixed_ranges in APART:
        raise InputError(
            f"quantize.mixed_ranges: {context.recipe.quantize.mixed_ranges} changes the float model's outputs, and QAT "
            "trained it with those that it has. Take auto or float, or quantize without QAT: --ptq."
        )
    content, changes = apart(content, context.recipe.quantize.mixed_ranges, lambda: calibration_inputs(context))
    for change in changes:
        context.say(f"mixed ranges: {change}")
    return content, [change.to_json() for change in changes]


def apart(content: bytes, way: MixedRanges, inputs: Inputs) -> tuple[bytes, tuple[Change, ...]]:
    """A float model with the outputs changed that join parts of very different ranges, where that is asked for.

    Args:
        content: A float .tflite file's content.
        way: The recipe's `quantize.mixed_ranges`; nothing is done for ways that leave the outputs as they are.
        inputs: The calibration examples.

    Raises:
        InputError: as `pipeline.quantization.outputs_apart.outputs_apart`.
    """
    from pipeline.quantization.outputs_apart import outputs_apart
    from pipeline.tflite import metadata

    if way != "split" and way != "normalize":
        return content, ()
    plain, described = metadata.take_out(content)
    changed, changes = outputs_apart(plain, inputs, way)
    return (metadata.write(changed, described) if described else changed), changes


def _write_float(context: RunContext, content: bytes, changed: Sequence[Mapping[str, Any]]) -> None:
    """`float.tflite`: the model as it was converted, without fake-quantization where a file brought it."""
    from pipeline.tflite.metadata import without

    plain = without(content)
    task = context.task_of_model(plain)
    described = with_metadata(context.recipe, context.data, plain, "float32", outputs_changed=changed, task=task)
    write_bytes(context.run.path(FLOAT), described)


def _finish(
    context: RunContext,
    key: str,
    content: bytes,
    outputs: list[str],
    started: float,
    facts: dict[str, Any],
    about: Mapping[str, Any] | None = None,
) -> StageResult:
    from pipeline.conversion.import_float import as_float_model

    imported = as_float_model(content)
    measured, files = _write(context, imported.content, imported.ranges)
    context.run.record("flatbuffers", key, [*outputs, *files], started, about, **measured, **facts)
    context.say(f"float flatbuffer and ranges ({measured['ranges']}), {time.time() - started:.0f} s")
    return _result(context, key)


def _result(context: RunContext, key: str, *, repeated: bool = False) -> StageResult:
    outputs = context.run.manifest["stages"]["flatbuffers"]["outputs"]
    return StageResult("flatbuffers", key, tuple(context.run.path(name) for name in outputs), repeated)


APART: frozenset[MixedRanges] = frozenset({"split", "normalize"})
"""Ways that change what the outputs are; what :func:`apart` does."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A float model that formats can be written from, and how they are."""

    model: FloatModel
    settings: Settings
    """How PTQ corrects weights; after QAT, which trained against rounding already, not at all."""
    choice: Choice | None
    """What was tried, where the settings were chosen by measurement."""
    learned: bool
    """Whether QAT's ranges are in it."""
    lstms: LstmChoice
    """Which LSTMs stay in float."""
    mended: Mended
    """What is done about tensors that join parts of very different ranges."""

    def quantizer(self, inputs: Inputs, track: Track = quiet) -> Quantizer:
        """What writes the formats; `inputs` goes through the calibration examples once a call."""
        from pipeline.quantization.ptq import Quantizer

        return Quantizer(self.model, inputs, self.settings, track=track)


def prepare_float_model(
    content: bytes,
    learned: Ranges,
    section: Quantize,
    inputs: Inputs,
    examples: int,
    task: Task,
    *,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
) -> Prepared:
    """Bring a float flatbuffer and its activation ranges together: what QAT learned, and what calibration measures.

    Args:
        content: A float flatbuffer, as :func:`pipeline.conversion.import_float.import_float` gives it.
        learned: The ranges that it gives too; empty where it is no QAT model.
        section: How to calibrate; with `calibration: auto`, the settings are chosen by measurement.
        inputs: Goes through the calibration examples once a call.
        examples: How many they are.
        task: What counts as the same answer.
        track: Progress.
        say: Told what was chosen, and why.

    Raises:
        InputError: a quantized model, examples that it does not take, ranges of another model, or settings of PTQ for a
            model that QAT trained.
    """
    from pipeline.quantization.auto import choose
    from pipeline.quantization.lstm_choice import keep_inaccurate
    from pipeline.quantization.mends import mend_on_examples
    from pipeline.quantization.ptq import AFTER_QAT, Quantizer, Settings, prepare
    from pipeline.quantization.ranges import Ranges

    settings, choice = Settings.of(section), None
    given = None if section.ranges is None else Ranges.load(section.ranges)
    if learned:
        if given is not None or section.activations != "asymmetric":
            raise InputError(
                "quantize.ranges and quantize.activations are for post-training quantization: QAT trained the network "
                "with the ranges that it learned. Leave them out, or quantize with --ptq."
            )
        settings, given = AFTER_QAT, learned
    mended = mend_on_examples(content, inputs, settings, section, given, task=task, track=track)
    if mended.mixed:
        say(str(mended))
    if not learned and given is None and section.calibration == "auto":
        choice = choose(
            content,
            inputs,
            examples,
            task=task,
            base=settings,
            equalizing=section.equalize is None,
            learning=section.rounding is None,
            budget=section.work,
            keep=(*mended.rules, *section.keep) if mended.rules else (),
            parts=mended.parts,
            track=track,
        )
        settings = choice.settings
        say(f"calibration: {settings}; {choice.reason}")
    model = prepare(content, inputs, settings, given=given, examples=examples, track=track)
    rules = (*mended.rules, *section.keep)
    lstms = keep_inaccurate(Quantizer(model, inputs, settings, track=track), inputs, task, rules)
    return Prepared(model, settings, choice, bool(learned), lstms, mended)


def _write(context: RunContext, content: bytes, learned: Ranges) -> tuple[dict[str, Any], list[str]]:
    """Prepare the float model and write it with its ranges, and how PTQ was done.

    Returns:
        How the ranges came about and what was chosen to compute in another type, and the names of the files.
    """
    run = context.run
    prepared = prepare_float_model(
        content,
        learned,
        context.recipe.quantize,
        lambda: calibration_inputs(context),
        context.data.size("calibration"),
        context.task,
        track=context.track,
        say=context.say,
    )
    model = prepared.model
    write_bytes(run.path(PREPARED), model.content)
    model.ranges.save(run.path(RANGES))
    facts = {
        "ranges": model.ranges.method,
        "kept": prepared.lstms.to_json(),
        MIXED_RANGES: prepared.mended.to_json(),
    }
    if prepared.learned:
        run.path(CALIBRATION).unlink(missing_ok=True)
        return facts, [PREPARED, RANGES]
    report = prepared.choice.to_json() if prepared.choice else {}
    report |= {"settings": prepared.settings.to_json(), "equalized": [pair.to_json() for pair in model.equalized]}
    write_text(run.path(CALIBRATION), json.dumps(report, indent=1) + "\n")
    return facts, [PREPARED, RANGES, CALIBRATION]
