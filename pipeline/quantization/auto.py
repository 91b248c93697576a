"""Choose how to quantize by measurement: try, compare with the float model on held-out examples, keep the best.

No estimator and no correction is best for every network: clipping helps heavy-tailed activations and hurts ReLU6,
learned rounding pays where weights lose more than activations do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.comparison import Comparison, Record
from pipeline.evaluation.statistics import finite_or_none, paired_mean_difference
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate_many
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.observers import Estimator, describe, make
from pipeline.quantization.ptq import FloatModel, Quantizer, Settings, prepare
from pipeline.quantization.tap import BATCH, Inputs
from pipeline.tasks.task import Task
from pipeline.tensors import Outputs, Tensors, batch_size, take
from pipeline.tflite.endings import before_activations
from pipeline.tflite.kernels import open_runner

ESTIMATORS: tuple[Estimator, ...] = ("min_max", "mse", "percentile", "entropy")
HELD_OUT = 0.25
"""Share of the calibration examples that candidates are compared on."""
FEWEST_HELD_OUT, MOST_HELD_OUT = 8, 128
MARGIN_DB = 0.5


@dataclass(frozen=True)
class Trial:
    """What one candidate reached on the held-out examples."""

    settings: Settings
    agreement: float
    """The task's agreement with the float model, 0..1: for classifiers the share of equal answers."""
    sqnr_db: float
    """Signal to quantization noise of the output that is worst off (of what comes before a last softmax or sigmoid), in
    decibels."""
    seconds: float
    agreed: NDArray[np.float64] = field(repr=False, compare=False)
    """The agreement of each held-out example, [n]; not part of the JSON."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": str(self.settings),
            "settings": self.settings.to_json(),
            "agreement": self.agreement,
            "sqnr_db": finite_or_none(self.sqnr_db),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Choice:
    """The settings that were kept, and why."""

    settings: Settings
    trials: tuple[Trial, ...]
    """In the order in which they were tried; empty where there were too few examples to compare on."""
    held_out: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "chosen": str(self.settings),
            "settings": self.settings.to_json(),
            "reason": self.reason,
            "held_out": self.held_out,
            "trials": [trial.to_json() for trial in self.trials],
        }


def choose(
    content: bytes,
    inputs: Inputs,
    examples: int,
    *,
    task: Task,
    base: Settings = Settings(),
    equalizing: bool = True,
    learning: bool = True,
    budget: float = 180.0,
    threads: int = 2,
    track: Track = quiet,
) -> Choice:
    """Try the range estimators, then equalization and learned rounding on top of the best; keep what answers best.

    The best agreement with the float model wins; see :func:`best_of`. Models are compared before a last softmax or
    sigmoid, whose rounding to 1/256 would hide most of what quantization does.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples; the last quarter is held out.
        examples: How many there are.
        task: What counts as the same answer.
        base: What is not tried stays as it is here.
        equalizing: Whether to try channel equalization.
        learning: Whether to try learned rounding.
        budget: Seconds after which nothing more is begun. The first candidate is always tried.

    Raises:
        InputError: as `ptq.prepare` and `ptq.Quantizer`.
        PipelineError: no candidate can be written.
    """
    held = min(MOST_HELD_OUT, int(examples * HELD_OUT))
    if held < FEWEST_HELD_OUT:
        needed = int(FEWEST_HELD_OUT / HELD_OUT)
        return Choice(base, (), 0, f"{examples} examples are too few to compare candidates on; {needed} would do")
    started = time.monotonic()
    seen = examples - held

    def fit() -> Iterator[Tensors]:
        return _slice(inputs(), 0, seen)

    reference = Reference(content, fit, threads=threads)
    held_out = _HeldOut(content, list(_slice(inputs(), seen, examples)), task, threads)
    trials: list[Trial] = []
    refusals: list[str] = []

    def attempt(settings: Settings, prepared: FloatModel | None = None) -> None:
        begun = time.monotonic()
        if trials and begun - started > budget:
            return
        try:
            ready = prepared or prepare(content, fit, settings, threads=threads)
            own = reference if ready.content == content else None
            written, _ = Quantizer(ready, fit, settings, threads=threads, reference=own)("int8")
            found = held_out.compare(written)
        except PipelineError as error:
            refusals.append(str(error))
            return
        trials.append(Trial(settings, found.agreement, found.sqnr_db, time.monotonic() - begun, found.agreed))

    first = [replace(base, estimator=estimator) for estimator in ESTIMATORS]
    makers = {str(s): (make(s.estimator, **_options(s)), describe(s.estimator, **_options(s))) for s in first}
    measured = calibrate_many(content, fit(), makers, examples=seen, threads=threads, track=track)
    for settings in track(first, "trying range estimators", len(first)):
        attempt(settings, FloatModel(content, settings.shape(measured[str(settings)])))
    if not trials:
        raise PipelineError(f"The model cannot be written as int8: {refusals[0]}")
    if equalizing:
        attempt(replace(best_of(trials).settings, equalize=True))
    if learning:
        attempt(replace(best_of(trials).settings, rounding="learned"))
    best = best_of(trials)
    return Choice(best.settings, tuple(trials), held, _reason(best, trials, held, budget, started))


def best_of(trials: Sequence[Trial]) -> Trial:
    """The first one that no later, less simple one beats.

    A later one beats the best so far where it agrees better with the float model by more than chance (the 95 % interval
    of the paired difference lies above 0), or where its signal to noise ratio, which every example informs, is higher
    by at least `MARGIN_DB` and its agreement is not worse by more than chance. Less is not worth a change to the
    network.
    """
    best = trials[0]
    for trial in trials[1:]:
        difference = paired_mean_difference(trial.agreed, best.agreed)
        clearer = best.sqnr_db < trial.sqnr_db and trial.sqnr_db >= best.sqnr_db + MARGIN_DB
        if difference.low > 0 or (clearer and difference.high >= 0):
            best = trial
    return best


def _options(settings: Settings) -> dict[str, float]:
    return {"percentile": settings.percentile} if settings.estimator == "percentile" else {}


def _reason(best: Trial, trials: Sequence[Trial], held: int, budget: float, started: float) -> str:
    text = f"{100 * best.agreement:.1f} % agreement with float and {best.sqnr_db:.1f} dB on {held} held-out examples"
    text += f", the best of {len(trials)} candidates"
    if best.agreement < max(trial.agreement for trial in trials):
        text += " (a higher agreement is within chance; the signal to noise ratio decided)"
    if time.monotonic() - started > budget:
        text += f"; the budget of {budget:g} s ended the search"
    return text


class _HeldOut:
    """Compares quantized models with the float one on held-out examples."""

    def __init__(self, content: bytes, batches: list[Tensors], task: Task, threads: int) -> None:
        self._batches, self._task, self._threads = batches, task.before_activation(), threads
        self._expected = list(self._answers(content))

    def compare(self, written: bytes) -> Comparison:
        own, others = (Record(name, self._task) for name in ("int8", "float"))
        for answers, expected in zip(self._answers(written), self._expected, strict=True):
            own.hold_against(others.name, answers, expected)
        return own.against(others)

    def _answers(self, content: bytes) -> Iterator[Outputs]:
        runner = open_runner(before_activations(content), "xnnpack", BATCH, threads=self._threads)
        return (runner(batch) for batch in self._batches)


def _slice(batches: Iterable[Tensors], start: int, stop: int) -> Iterator[Tensors]:
    """Examples start to stop of a stream of batches."""
    place = 0
    for batch in batches:
        piece = take(batch, slice(max(start - place, 0), max(stop - place, 0)))
        if batch_size(piece):
            yield piece
        place += batch_size(batch)
        if place >= stop:
            return
