"""Examine calibration data with the model that it is for: the road through all checks.

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
    metadata_agreement,
    normalisation,
    range_coverage,
    readable,
    sample_size,
)
from pipeline.diagnosis.measured_ranges import Measured, Tapped, measure, outside, tap
from pipeline.diagnosis.split_statistics import Survey, survey
from pipeline.diagnosis.stream import sample
from pipeline.errors import InputError
from pipeline.finding import Diagnosis, Finding, worst_first
from pipeline.progress import Track, quiet
from pipeline.recipe import Data
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner

CALIBRATION, EVALUATION = "calibration", ("test", "validation")
MEASURED = 500
"""Calibration examples whose activations are measured."""


def diagnose(
    model: bytes, data: Data, described: Metadata | None = None, *, threads: int = 2, track: Track = quiet
) -> Diagnosis:
    """Say what is wrong with the calibration split for a model, and what it will do to the int8 model.

    Args:
        model: A .tflite file's content: float, so that activations can be measured. Of a quantized one its answers
            and its input's range are looked at.
        data: A recipe's section. Broken examples are left out and reported, whatever `on_corrupt` says.
        described: The model's metadata.
        threads: Interpreter threads.
        track: Follows the passes over the data.

    Raises:
        InputError: there is no calibration split, none of it can be read, the model has several inputs, or it takes
            another shape than the recipe gives.
    """
    dataset = load(data.model_copy(update={"on_corrupt": "skip"}))
    patient = _Patient(Runner(model, threads=threads), dataset, described, track)
    _check_fit(patient.runner, dataset)
    mine = survey(dataset, CALIBRATION, None, track)
    split = next((name for name in EVALUATION if name in dataset.splits), None)
    other = survey(dataset, split, mine, track) if split is not None else None
    notes = _Notes()
    if other is None:
        notes.left_out.append("classes, ranges and copies against an evaluation split: the data has none")

    # Causes stand before their consequences: of the same severity, findings keep this order.
    findings = readable.readable(mine.broken, CALIBRATION, len(mine.examples), data.on_corrupt)
    if other is not None:
        findings += readable.readable(other.broken, other.split, len(other.examples), data.on_corrupt)
    scale = _scale(patient, mine, notes)
    findings += scale
    findings += _copies(mine, other, notes)
    measured, tapped = None, tap(model, threads)
    if tapped is None:
        notes.left_out.append("activation ranges and how they grow: they take the float model, this one is quantized")
    elif any(finding.severity == "error" for finding in scale):
        notes.left_out.append("activation ranges and how they grow: on the wrong scale they mean nothing")
    else:
        measured = _measure(patient, tapped, notes)
    findings += sample_size.enough(mine.pixels.count, len(mine.pairs.exact), measured)
    if other is not None:
        findings += classes.classes(mine.examples.labels, other.examples.labels, other.split, dataset.class_names)
        notes.checked.append("classes")
    findings += flat_inputs.saturation(
        mine.pixels, mine.examples, other.pixels if other else None, other.split if other else ""
    )
    notes.checked.append("saturation")
    if tapped is not None and measured is not None:
        findings += _ranges(patient, tapped, measured, other)
    sizes = {part.split: part.pixels.count for part in (mine, other) if part is not None}
    return Diagnosis(worst_first(findings), sizes, tuple(notes.checked), tuple(notes.left_out))


@dataclass(frozen=True, eq=False)
class _Patient:
    """What every check may need."""

    runner: Runner
    dataset: Dataset
    described: Metadata | None
    track: Track


@dataclass
class _Notes:
    """What was looked at and what was not, for the reader."""

    checked: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def _check_fit(runner: Runner, dataset: Dataset) -> None:
    if len(runner.inputs) != 1:
        raise InputError(f"The model has {len(runner.inputs)} inputs; a recipe's data feeds models with one.")
    taken = runner.inputs[0].shape[1:]
    if taken != dataset.input_shape:
        raise InputError(
            f"The model takes [batch, {', '.join(map(str, taken))}], and the recipe gives {list(dataset.input_shape)} "
            f"({dataset.input_shape_from}). Set data.preprocess.size and channels to the model's, or give the recipe "
            "that the model was made with."
        )


def _scale(patient: _Patient, mine: Survey, notes: _Notes) -> list[Finding]:
    """Normalisation: by the model's answers, by the numbers alone, and by what the model says of itself."""
    described = patient.dataset.preprocessor.describe()
    integer = patient.runner.inputs[0].dtype.kind != "f"
    found, proven = _ask(patient, mine, described, notes)
    if not proven and not found:
        found += normalisation.by_range(described, mine.pixels)
    if integer:
        found += range_coverage.of_quantized_input(patient.runner.inputs[0], mine.pixels)
        notes.checked.append("the range of the model's input")
    if patient.described is not None:
        found += metadata_agreement.preprocessing(patient.described, described, integer_input=integer)
        notes.checked.append("the model's metadata")
    return found


def _ask(patient: _Patient, mine: Survey, described: dict[str, Any], notes: _Notes) -> tuple[list[Finding], bool]:
    """What the model's answers say, and whether they prove that it understands its inputs as they are."""
    shape = patient.dataset.input_shape
    recipe = scalings.of_recipe(described)
    tried = scalings.alternatives(recipe, mine.pixels.low, mine.pixels.high)
    changes: dict[str, asking.Change] = {normalisation.AS_IT_IS: lambda x: x, **tried}
    if len(shape) == 3 and shape[-1] == 3:
        changes[normalisation.REVERSED] = scalings.reverse_channels
    answers = None
    if len(patient.runner.outputs) == 1:
        batches = patient.track(
            sample(patient.dataset, CALIBRATION, normalisation.EXAMPLES), f"asking on {len(changes)} scales"
        )
        answers = asking.ask(patient.runner, batches, changes)
    if answers is None:
        notes.left_out.append("normalisation by the model's answers: it is no classifier with one output")
        return [], False
    asked = len(answers[normalisation.AS_IT_IS].right)
    found = normalisation.by_answers(answers, tried, recipe, mine.pixels, len(patient.dataset.class_names))
    knows = normalisation.knows_labels(answers)
    if knows or found:
        notes.checked.append(f"normalisation ({len(changes)} scales, {asked} examples)")
    else:
        notes.left_out.append(
            "normalisation by the model's answers: on no scale does it know the labels better than by chance"
        )
    return found, normalisation.knows_labels({"as": answers[normalisation.AS_IT_IS]})


def _copies(mine: Survey, other: Survey | None, notes: _Notes) -> list[Finding]:
    found = duplicates.within(mine.pairs, mine.examples, mine.pixels.count)
    if other is not None:
        found += duplicates.overlap(other.pairs, other.examples, mine.examples, other.split, other.pixels.count)
    notes.checked.append("copies" if other is None else f"copies, also in the {other.split} split")
    return found


def _measure(patient: _Patient, tapped: Tapped, notes: _Notes) -> Measured:
    batches = sample(patient.dataset, CALIBRATION, MEASURED)
    measured = measure(tapped, patient.track(batches, "measuring activations"))
    notes.checked.append(
        f"ranges of {len(measured.names)} activations and how they grow ({measured.examples} examples)"
    )
    return measured


def _ranges(patient: _Patient, tapped: Tapped, measured: Measured, other: Survey | None) -> list[Finding]:
    found = range_coverage.not_finite(measured)
    if other is not None:
        batches = sample(patient.dataset, other.split, range_coverage.EXAMPLES)
        tried = outside(tapped, measured, patient.track(batches, f"trying the ranges on {other.split}"))
        found += range_coverage.against_evaluation(measured, tried, other.split)
    return found
