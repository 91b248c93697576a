"""Examine calibration data with the model that it is for: all checks, in their order.

One pass over the calibration split and one over the evaluation split see every example; the model is asked about some
of them. Memory does not grow with their number: of a calibration example a digest and a thumbnail are kept, of the
others nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.data import Dataset, load
from pipeline.diagnosis import answers as asking
from pipeline.diagnosis import scalings
from pipeline.diagnosis.checks import (
    classes,
    duplicates,
    flat_inputs,
    label_fit,
    metadata_agreement,
    normalisation,
    range_coverage,
    readable,
    sample_size,
)
from pipeline.diagnosis.input_statistics import InputKind, InputStatistics
from pipeline.diagnosis.measured_ranges import FloatActivations, Measured, measure, outside, tap
from pipeline.diagnosis.split_statistics import SplitStatistics, collect
from pipeline.diagnosis.stream import sample
from pipeline.errors import InputError
from pipeline.finding import Diagnosis, Finding, worst_first
from pipeline.progress import Track, quiet
from pipeline.recipe import Data
from pipeline.tasks.classification import Classification
from pipeline.tasks.task import Task
from pipeline.tensors import OPEN, TensorSpec, bind, show_shape
from pipeline.tflite.kernels import open_runner
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner

CALIBRATION, EVALUATION = "calibration", ("test", "validation")
MEASURED = 500
"""Calibration examples whose activations are measured."""


def diagnose(
    model: bytes,
    data: Data,
    described: Metadata | None = None,
    *,
    task: Task | None = None,
    trains: bool = True,
    threads: int = 2,
    track: Track = quiet,
) -> Diagnosis:
    """Say what is wrong with the calibration split for a model, and what it will do to the int8 model.

    Args:
        model: A .tflite file's content: float, so that activations can be measured. Of a quantized one its answers
            and its inputs' ranges are looked at.
        data: A recipe's section. Broken examples are left out and reported, whatever `on_corrupt` says.
        described: The model's metadata.
        task: How the model's outputs are read. A classifier of images is asked on which scale it answers best; of
            other tasks, and where it is None, the answers are not looked at.
        trains: Whether a model is trained on the data (`pipeline.data.load`).
        threads: Interpreter threads.
        track: Follows the passes over the data.

    Raises:
        InputError: there is no calibration split, none of it can be read, or the model takes other inputs than the
            recipe gives.
    """
    dataset = load(data.model_copy(update={"on_corrupt": "skip"}), trains=trains)
    examined = _Examined(open_runner(model, "xnnpack", 1, threads=threads), dataset, described, task, track)
    mine = collect(dataset, examined.kinds, CALIBRATION, None, track)
    apart = [name for name in EVALUATION if name in dataset.splits and name not in dataset.calibrating]
    split = next(iter(apart), None)
    other = collect(dataset, examined.kinds, split, mine, track) if split is not None else None
    notes = _Notes()
    if other is None:
        why = "its examples calibrate too" if dataset.calibrating else "the data has none"
        notes.left_out.append(f"classes, ranges and copies against an evaluation split: {why}")

    # Causes stand before their consequences: of the same severity, findings keep this order.
    findings = readable.readable(mine.broken, CALIBRATION, len(mine.examples), data.on_corrupt)
    if other is not None:
        findings += readable.readable(other.broken, other.split, len(other.examples), data.on_corrupt)
    scale = _scale(examined, mine, notes)
    findings += readable.noted(dataset.remarks())
    findings += scale
    if not _wrong(scale):  # on the wrong scale answers mean nothing
        findings += _label_fit(examined, split or CALIBRATION, notes)
    findings += _copies(mine, other, notes)
    measured, tapped = None, tap(model)
    if tapped is None:
        notes.left_out.append("activation ranges and how they grow: they take the float model, this one is quantized")
    elif _wrong(scale):
        notes.left_out.append("activation ranges and how they grow: on the wrong scale they mean nothing")
    else:
        measured = _measure(examined, tapped, notes)
    findings += sample_size.enough(mine.count, len(mine.pairs.exact), measured)
    if other is not None:
        findings += _classes(dataset, mine, other, notes)
    findings += _saturation(mine, other, notes)
    if tapped is not None and measured is not None:
        findings += _ranges(examined, tapped, measured, other)
    sizes = {part.split: part.count for part in (mine, other) if part is not None}
    return Diagnosis(worst_first(findings), sizes, tuple(notes.checked), tuple(notes.left_out))


def scale_and_labels(
    model: bytes, dataset: Dataset, split: str, task: Task | None = None, *, threads: int = 2, track: Track = quiet
) -> list[Finding]:
    """The cheap part of `diagnose`, for an export: whether the inputs are on the scale that the model expects, and
    whether its classes are the data's.

    Args:
        model: A float .tflite file's content.
        dataset: The data, with a calibration split.
        split: Where the answers are held against labels.
        task: As `diagnose`.
        threads: Interpreter threads.
        track: Follows the passes over the data.

    Raises:
        InputError: as `diagnose`.
    """
    examined = _Examined(open_runner(model, "xnnpack", 1, threads=threads), dataset, None, task, track)
    notes = _Notes()
    mine = collect(dataset, examined.kinds, CALIBRATION, None, track)
    scale = _scale(examined, mine, notes)
    return scale if _wrong(scale) else [*scale, *_label_fit(examined, split, notes)]


def label_findings(
    model: bytes, dataset: Dataset, split: str, task: Task | None = None, *, threads: int = 2, track: Track = quiet
) -> list[Finding]:
    """Whether the model's classes are the data's; see `scale_and_labels`."""
    examined = _Examined(open_runner(model, "xnnpack", 1, threads=threads), dataset, None, task, track)
    return _label_fit(examined, split, _Notes())


class _Examined:
    """The model and the data that belong together, and what every check may need of them."""

    def __init__(
        self, runner: Runner, dataset: Dataset, described: Metadata | None, task: Task | None, track: Track
    ) -> None:
        self.runner, self.dataset, self.described, self.task, self.track = runner, dataset, described, task, track
        self.preprocessing: dict[str, dict[str, Any]] = {
            name: preprocessor.describe() for name, preprocessor in dataset.preprocessors.items()
        }
        self.kinds = tuple(
            InputKind.of(name, self.preprocessing[name], spec.shape[1:], spec.dtype)
            for name, spec in dataset.inputs.items()
        )
        names = bind({name: name for name in dataset.inputs}, runner.signature.inputs)
        self.taken = {given: runner.signature.input(own) for own, given in names.items()}
        """What the model takes, by the data's names."""
        for kind in self.kinds:
            _check_fit(self.taken[kind.name], kind, dataset)

    def recorded_as(self, name: str) -> str:
        """An input's name in messages about the model; nothing where it is the only one."""
        return self.taken[name].name if len(self.kinds) > 1 else ""


@dataclass
class _Notes:
    """What was looked at and what was not, for the reader."""

    checked: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def _check_fit(taken: TensorSpec, kind: InputKind, dataset: Dataset) -> None:
    for wanted in (taken.shape[1:], taken.shape):  # the second: of a model without a batch
        if len(wanted) == len(kind.shape) and all(
            side in (OPEN, given) for side, given in zip(wanted, kind.shape, strict=True)
        ):
            return
    how = (
        "Set data.preprocess.size and channels to the model's, or give"
        if kind.kind == "image"
        else f"Prepare '{kind.name}' as the model takes it, or give"
    )
    raise InputError(
        f"The model takes {show_shape(('batch', *taken.shape[1:]))} as '{taken.name}', and the recipe gives "
        f"{show_shape(kind.shape)}. {how} the recipe that the model was made with."
    )


def _scale(examined: _Examined, mine: SplitStatistics, notes: _Notes) -> list[Finding]:
    """Normalisation: by the model's answers, by the numbers alone, and by what the model says of itself."""
    found: list[Finding] = []
    count = len(examined.kinds)
    for kind in examined.kinds:
        spec, statistics = examined.taken[kind.name], mine.inputs[kind.name]
        described, integer = examined.preprocessing[kind.name], spec.dtype.kind != "f"
        if kind.kind == "image":
            answered, proven = _ask(examined, kind, statistics, notes)
            found += answered
            if not proven and not answered:
                found += normalisation.by_range(described, statistics)
        if integer and spec.scale is not None:
            found += range_coverage.of_quantized_input(spec, statistics, count)
            notes.checked.append(f"the range of the model's input{f' {spec.name!r}' if count > 1 else ''}")
        if examined.described is not None:
            name = examined.recorded_as(kind.name)
            found += metadata_agreement.preprocessing(examined.described, described, integer_input=integer, name=name)
    if all(kind.kind != "image" for kind in examined.kinds):
        notes.left_out.append("normalisation by the model's answers: it is for images, and these inputs are none")
    if examined.described is not None:
        notes.checked.append("the model's metadata")
    return found


def _wrong(scale: list[Finding]) -> bool:
    return any(finding.severity == "error" for finding in scale)


def _ask(
    examined: _Examined, kind: InputKind, statistics: InputStatistics, notes: _Notes
) -> tuple[list[Finding], bool]:
    """What the model's answers say, and whether they prove that it understands its inputs as they are."""
    if not isinstance(examined.task, Classification):
        notes.left_out.append("normalisation by the model's answers: it is no classifier")
        return [], False
    recipe = scalings.of_recipe(examined.preprocessing[kind.name])
    tried = scalings.alternatives(recipe, statistics.low, statistics.high)
    changes: dict[str, asking.Change] = {normalisation.AS_IT_IS: lambda x: x, **tried}
    if len(kind.shape) == 3 and kind.shape[-1] == 3:
        changes[normalisation.REVERSED] = scalings.reverse_channels
    batches = examined.track(
        sample(examined.dataset, CALIBRATION, normalisation.EXAMPLES), f"asking on {len(changes)} scales"
    )
    answers = asking.ask(examined.runner, examined.task, batches, kind.name, changes)
    asked = len(answers[normalisation.AS_IT_IS].right)
    found = normalisation.by_answers(answers, tried, recipe, statistics, len(examined.dataset.class_names))
    knows = normalisation.knows_labels(answers)
    if knows or found:
        notes.checked.append(f"normalisation ({len(changes)} scales, {asked} examples)")
    elif not examined.dataset.class_names:
        notes.left_out.append("normalisation by the model's answers: the data has no classes to hold them against")
    else:
        notes.left_out.append(
            "normalisation by the model's answers: on no scale does it know the labels better than by chance"
        )
    return found, normalisation.knows_labels({"as": answers[normalisation.AS_IT_IS]})


def _label_fit(examined: _Examined, split: str, notes: _Notes) -> list[Finding]:
    """Whether the classes are the data's, by their number and by the answers."""
    dataset, task = examined.dataset, examined.task
    if not isinstance(task, Classification) or not dataset.targets:
        notes.left_out.append("the classes' order: there are no classes to hold answers against")
        return []
    batches = examined.track(sample(dataset, split, label_fit.EXAMPLES), "asking for classes")
    asked = asking.ask(examined.runner, task, batches, next(iter(dataset.inputs)), {"": lambda x: x})[""]
    notes.checked.append(f"the classes' number and order ({len(asked.right)} examples)")
    if asked.labels is None:
        return []
    return label_fit.label_fit(asked.predicted, asked.labels, asked.classes, dataset.class_names)


def _copies(mine: SplitStatistics, other: SplitStatistics | None, notes: _Notes) -> list[Finding]:
    found = duplicates.within(mine.pairs, mine.examples, mine.count)
    if other is not None:
        found += duplicates.overlap(other.pairs, other.examples, mine.examples, other.split, other.count)
    notes.checked.append("copies" if other is None else f"copies, also in the {other.split} split")
    return found


def _classes(dataset: Dataset, mine: SplitStatistics, other: SplitStatistics, notes: _Notes) -> list[Finding]:
    if mine.examples.classes is None or other.examples.classes is None:
        said = dataset.missing_classes(CALIBRATION)
        if said is None:
            has = "has them for pixels, not for examples" if dataset.class_names else "has none"
            notes.left_out.append(f"classes: the data {has}")
            return []
        notes.checked.append("classes that have no box")
        return readable.noted([said] if said else [])
    notes.checked.append("classes")
    return classes.classes(mine.examples.labels, other.examples.labels, other.split, dataset.class_names)


def _saturation(mine: SplitStatistics, other: SplitStatistics | None, notes: _Notes) -> list[Finding]:
    found: list[Finding] = []
    for name, statistics in mine.inputs.items():
        if statistics.of.integer:
            notes.left_out.append(f"saturation of '{name}': it holds whole numbers that are fed as they are")
            continue
        reference = other.inputs[name] if other is not None else None
        found += flat_inputs.saturation(
            statistics, mine.examples, reference, other.split if other is not None else "", len(mine.inputs)
        )
    if any(not statistics.of.integer for statistics in mine.inputs.values()):
        notes.checked.append("saturation")
    return found


def _measure(examined: _Examined, tapped: FloatActivations, notes: _Notes) -> Measured:
    batches = sample(examined.dataset, CALIBRATION, MEASURED)
    measured = measure(tapped, examined.track(batches, "measuring activations"))
    notes.checked.append(
        f"ranges of {len(measured.names)} activations and how they grow ({measured.examples} examples)"
    )
    return measured


def _ranges(
    examined: _Examined, tapped: FloatActivations, measured: Measured, other: SplitStatistics | None
) -> list[Finding]:
    found = range_coverage.not_finite(measured)
    if other is not None:
        batches = sample(examined.dataset, other.split, range_coverage.EXAMPLES)
        tried = outside(tapped, measured, examined.track(batches, f"trying the ranges on {other.split}"))
        found += range_coverage.against_evaluation(measured, tried, other.split, other.nouns)
    return found
