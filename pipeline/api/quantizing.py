"""`pipeline.quantize`: a model and representative examples in, an int8 model out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from pipeline.api.model import Model, files, load, task_of
from pipeline.errors import InputError, did_you_mean
from pipeline.progress import Track, quiet
from pipeline.quantization.keep import BASE, INT8, kept_in_float
from pipeline.recipe import Calibration, Format, IoType, Keep, Quantize
from pipeline.tensors import Batch, Tensors, bind, first_examples
from pipeline.text_table import decibels, size, text_table
from pipeline.workflow.context import EVALUATION_CHUNK
from pipeline.workflow.export_judgement import EXAMPLES
from pipeline.workflow.given_data import DataSource, GivenData

if TYPE_CHECKING:
    from pipeline.evaluation.comparison import Comparison
    from pipeline.evaluation.evaluator import Evaluation
    from pipeline.finding import Finding
    from pipeline.quantization.auto import Choice
    from pipeline.quantization.mends import Mended
    from pipeline.quantization.outputs_apart import Change
    from pipeline.quantization.ptq import Settings
    from pipeline.quantization.ranges import Ranges
    from pipeline.tasks.task import Task
    from pipeline.tflite.inspect import Inspection


@dataclass(frozen=True, eq=False)
class Quantized:
    """A model that was written, and how."""

    content: bytes = field(repr=False)
    """The .tflite."""
    format: Format
    name: str
    float_content: bytes = field(repr=False)
    """The float .tflite that it was written from, for `pipeline.evaluate(…, reference=…)`."""
    settings: Settings | None
    """How weights and activations were quantized; None where nothing was calibrated."""
    choice: Choice | None
    """What was tried and why the settings were kept, where `calibration` is `auto`."""
    ranges: Ranges | None = field(repr=False)
    """Of the activations; None where they stay float."""
    measured: Evaluation | None = field(default=None, repr=False)
    """Against the float model, on the first examples that were given; None where there were none."""
    findings: tuple[Finding, ...] = ()
    """Why it is far from the float model, where it is."""
    kept: str = ""
    """Which LSTMs stay in float, and why; empty where none does of its own accord."""
    mended: Mended | None = None
    """What is done about tensors that join parts of very different ranges, boxes and scores."""
    changes: tuple[Change, ...] = ()
    """What `mixed_ranges="split"` or `"normalize"` changed of the outputs: the app must know."""

    @cached_property
    def model(self) -> Model:
        """Opened, to be asked and to be given to the other functions."""
        return Model(self.content, self.name)

    @property
    def inspection(self) -> Inspection:
        """What the file is, operator by operator."""
        return self.model.inspection

    def save(self, path: str | Path) -> Path:
        """Write the .tflite, whole or not at all.

        Raises:
            PipelineError: it cannot be written.
        """
        return self.model.save(path)

    def to_json(self) -> dict[str, Any]:
        found = self.inspection
        return {
            "format": self.format,
            "size_bytes": len(self.content),
            "float_size_bytes": len(self.float_content),
            "verdict": found.verdict.text,
            "per_channel": found.per_channel,
            "settings": self.settings.to_json() if self.settings else None,
            "calibration": self.choice.to_json() if self.choice else None,
            "ranges": self.ranges.method if self.ranges else None,
            "measured": self.measured.to_json() if self.measured else None,
            "findings": [finding.to_json() for finding in self.findings],
            "kept": self.kept or None,
            "mixed_ranges": self.mended.to_json() if self.mended else None,
            "outputs_changed": [change.to_json() for change in self.changes],
        }

    def __str__(self) -> str:
        rows = [("float", size(len(self.float_content)), "float32")]
        rows.append((self.format, size(len(self.content)), self.inspection.verdict.text))
        lines = [text_table(["model", "size", "what it is"], rows)]
        if self.settings is not None:
            why = f": {self.choice.reason}" if self.choice else ""
            lines.append(f"calibration: {self.settings}{why}")
        if self.kept:
            lines.append(self.kept)
        if self.mended is not None and self.mended.mixed:
            lines.append(str(self.mended))
        lines += [f"mixed ranges: {change}" for change in self.changes]
        if self.measured is not None and self.measured.compared is not None:
            lines.append(_shown(self.measured, self.measured.compared))
        lines += map(str, self.findings)
        return "\n".join(lines)


def quantize(
    model: Any,
    data: Any = None,
    *,
    format: Format = "int8",
    io: IoType = "int8",
    calibration: Calibration = "auto",
    keep: Sequence[str | Keep] = (),
    task: str | dict[str, Any] = "auto",
    track: Track = quiet,
    **settings: Any,
) -> Quantized:
    """Quantize a float model after training.

    By default (`calibration="auto"`) range estimators, channel equalization and learned rounding are tried on a part of
    the examples that is held out, and what answers most like the float model is kept; bias correction is always on.

    Args:
        model: A Keras model or file, a SavedModel, a float .tflite or its bytes. A model that QAT trained keeps the
            ranges that it learned.
        data: Representative examples, preprocessed as the model takes them: an array [N, …], a mapping of arrays by
            input name, a pair (inputs, labels), a function that gives batches, or a data set of `load_data` (its
            calibration split). Labels are not needed; some hundred examples do. None: for formats that
            compute in float.
        format: `int8`, `int8_per_tensor`, `int16x8`, `dynamic`, `weight_only`, `float16` or `float32`.
        io: Type of the inputs and outputs of the integer formats.
        calibration: `auto`, or a range estimator: `min_max`, `moving_average`, `percentile`, `mse`, `entropy`.
        keep: Operators that stay out of int8, as `pipeline export --keep` takes them: `"conv_1*=float32"`.
        task: What counts as the same answer; `auto` reads it off the model.
        track: Progress, for example `pipeline.progress.bar`.
        settings: Further keys of a recipe's `quantize` section: `percentile`, `equalize`, `rounding`, `work`, ….

    Raises:
        InputError: no such model, a quantized one, no data for a format that needs it, examples that the model does not
            take, or an unknown setting.
        PipelineError: the model cannot be written, or is not what was asked for.

    Example:
        >>> result = quantize("model.keras", x_calibration)  # doctest: +SKIP
        >>> result.save("model_int8.tflite")  # doctest: +SKIP
    """
    from pipeline.conversion.import_float import import_float
    from pipeline.diagnosis.checks.joined_ranges import in_int8, of_ranges
    from pipeline.quantization.formats import NEEDS_RANGES, write
    from pipeline.quantization.mends import unmeasured_rules
    from pipeline.workflow.float_model_stage import APART, apart, prepare_float_model

    if format not in get_args(Format):
        raise InputError(f"There is no format '{format}'.{did_you_mean(format, get_args(Format))}")
    section = _section(io, calibration, keep, settings)
    source = load(model)
    imported = import_float(source.content)
    content, learned = imported.content, imported.ranges
    choice, how, ranges, measured, mended = None, None, None, None, None
    rules, kept = section.keep, ""
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    if data is None:
        if format in NEEDS_RANGES and not learned:
            raise InputError(
                f"{format} computes in integers and needs representative examples to measure the activations' ranges "
                "on: quantize(model, data). Some hundred examples do, without labels."
            )
        if learned and format in NEEDS_RANGES:
            rules = (*unmeasured_rules(content, learned, section.mixed_ranges, section.keep), *section.keep)
        written = write(content, format, learned or None, io, rules)
    else:
        examples = data if hasattr(data, "batches") else GivenData(data)
        read = _Calibration(source, examples)
        if section.mixed_ranges in APART and format in NEEDS_RANGES:
            content, changes = apart(content, section.mixed_ranges, read)
            judged = task_of(task, Model(content, source.name), examples).task
        else:
            judged = task_of(task, source, examples).task
        float_content = content
        prepared = prepare_float_model(content, learned, section, read, read.size, judged, track=track)
        mended = prepared.mended
        rules = (*mended.rules, *(prepared.lstms.rules if format in INT8 else ()), *section.keep)
        written, _ = prepared.quantizer(read, track)(format, io, rules)
        content, choice = prepared.model.content, prepared.choice
        kept = prepared.lstms.reason if format in INT8 else ""
        how, ranges = prepared.settings, prepared.model.ranges
        if format != "float32":
            joined = in_int8(of_ranges(content, ranges, kept_in_float(content, rules))) if format in BASE else []
            measured, findings = _judged(float_content, written, format, examples, judged, joined, track)
    _audit(written, format, io, rules, content)
    for finding in findings:
        warnings.warn(f"The {format} model is far from the float one. {finding}", stacklevel=2)
    name = f"{source.name}_{format}"
    return Quantized(written, format, name, content, how, choice, ranges, measured, findings, kept, mended, changes)


def _judged(
    float_content: bytes,
    written: bytes,
    format: Format,
    data: DataSource,
    task: Task,
    joined: list[Finding],
    track: Track,
) -> tuple[Evaluation, tuple[Finding, ...]]:
    """How near a model is to the float one on the examples that calibrated it, and why where it is not."""
    from pipeline.diagnosis.weak_int8 import first_cause, statistics_over
    from pipeline.evaluation.comparison import is_weak
    from pipeline.evaluation.evaluator import evaluate
    from pipeline.tflite.kernels import open_runner

    def some() -> Iterator[Batch]:
        return first_examples(iter(data.batches("calibration", EVALUATION_CHUNK)), EXAMPLES)

    found = evaluate({"float": float_content, format: written}, some(), task, "float", track=track)[format]
    if format not in BASE or found.compared is None or not is_weak(found.compared):
        return found, tuple(joined)
    described = {name: preprocessor.describe() for name, preprocessor in data.preprocessors.items()}
    statistics = statistics_over(data.inputs, described, data.batches("calibration", EVALUATION_CHUNK))
    models = open_runner(float_content, "xnnpack", 1), open_runner(written, "xnnpack", 1)
    return found, (first_cause(statistics, {}, *models, some(), joined),)


def _shown(measured: Evaluation, compared: Comparison) -> str:
    noise = ", ".join(f"'{name}' {decibels(one.sqnr_db)}" for name, one in compared.fidelity.items())
    value = measured.values.get(measured.metric or "")
    metric = f", {measured.metric} {value:.4g}" if value is not None else ""
    return (
        f"against float: {100 * compared.agreement:.1f} % agreement, {noise}{metric}, on {compared.n} of the "
        "calibration examples"
    )


def _audit(written: bytes, format: Format, io: IoType, keep: Sequence[Keep], float_content: bytes) -> None:
    from pipeline.quantization.format_check import audit

    with files({"written": Model(written), "float": Model(float_content)}) as paths:
        audit({format: paths["written"]}, io, keep, paths["float"])


class _Calibration:
    """Goes through the calibration examples, under the model's names and in its types."""

    def __init__(self, model: Model, data: DataSource) -> None:
        self._model, self._data = model, data
        self.size = data.size("calibration")

    def __call__(self) -> Iterator[Tensors]:
        specs = self._model.signature.inputs
        for batch in self._data.batches("calibration", EVALUATION_CHUNK):
            bound = bind(batch.inputs, specs)
            yield {spec.name: spec.quantize(bound[spec.name]) for spec in specs}


def _section(io: str, calibration: str, keep: Sequence[str | Keep], settings: dict[str, Any]) -> Quantize:
    from pipeline.quantization.keep import parse

    known = {*Quantize.model_fields, "budget"} - {"formats", "io", "keep", "calibration"}
    for name in settings:
        if name not in known:
            raise InputError(f"quantize knows no setting '{name}'.{did_you_mean(name, known)}")
    rules = tuple(parse(rule) if isinstance(rule, str) else rule for rule in keep)
    try:
        return Quantize.model_validate({"io": io, "calibration": calibration, "keep": rules, **settings})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "quantize"
        raise InputError(
            f"{where}: {problem['msg'].removeprefix('Value error, ')}, not {problem['input']!r}."
        ) from None
