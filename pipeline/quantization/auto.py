"""Choose how to quantize by measurement: try, compare with the float model on held-out examples, keep the best.

No estimator and no correction is best for every network: clipping helps heavy-tailed activations and hurts ReLU6,
learned rounding pays where weights lose more than activations do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.statistics import finite_or_none
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate_many
from pipeline.quantization.float_comparison import FloatComparison, part_of
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.observers import Estimator, describe, make
from pipeline.quantization.output_parts import Parts
from pipeline.quantization.ptq import FloatModel, Quantizer, Settings, prepare
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.tap import Inputs
from pipeline.quantization.trial import best_of
from pipeline.quantization.trial_work import TrialWork
from pipeline.recipe import Keep
from pipeline.tasks.task import Task
from pipeline.tensors import Tensors

ESTIMATORS: tuple[Estimator, ...] = ("min_max", "mse", "percentile", "entropy")
HELD_OUT = 0.25
"""Share of the calibration examples that candidates are compared on."""
FEWEST_HELD_OUT, MOST_HELD_OUT = 8, 128
FOLDS = 4
"""Parts of few examples, each of which is held out once."""
WORK = 6000.0
"""10⁹ multiply-accumulates: some minutes of two cores."""

_Range = tuple[int, int]
"""Positions among the examples, the end not included."""


@dataclass(frozen=True)
class Trial:
    """What one candidate reached on the held-out examples."""

    settings: Settings
    agreement: float
    """The task's agreement with the float model, 0..1: for classifiers the share of equal answers."""
    sqnr_db: float
    """Signal to quantization noise of the output that is worst off (of what comes before a last softmax or sigmoid), in
    decibels."""
    work: float
    """Estimated, in 10⁹ multiply-accumulates."""
    agreed: NDArray[np.float64] = field(repr=False, compare=False)
    """The agreement of each held-out example, [n]; not part of the JSON."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": str(self.settings),
            "settings": self.settings.to_json(),
            "agreement": self.agreement,
            "sqnr_db": finite_or_none(self.sqnr_db),
            "work": self.work,
        }


@dataclass(frozen=True)
class Choice:
    """The settings that were kept, and why."""

    settings: Settings
    trials: tuple[Trial, ...]
    """In the order in which they were tried."""
    held_out: int
    """Examples that took no part in what they judged; 0 where there was only one, which did both."""
    reason: str
    left_out: tuple[str, ...] = ()
    """Candidates that the budget had no room for, in words."""

    def to_json(self) -> dict[str, Any]:
        return {
            "chosen": str(self.settings),
            "settings": self.settings.to_json(),
            "reason": self.reason,
            "held_out": self.held_out,
            "trials": [trial.to_json() for trial in self.trials],
            "left_out": list(self.left_out),
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
    budget: float = WORK,
    keep: Sequence[Keep] = (),
    parts: Parts = Parts(),
    threads: int = 2,
    track: Track = quiet,
) -> Choice:
    """Try the range estimators, then equalization and learned rounding on top of the best; keep what answers best.

    The best agreement with the float model wins; see :func:`best_of`. Models are compared before a last softmax or
    sigmoid, whose rounding to 1/256 would hide most of what quantization does. The same examples give the same choice
    on any machine: what is tried depends on the work that it takes (:mod:`pipeline.quantization.trial_work`), never on
    the time.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples. Of many the last quarter is held out; of fewer than
            `FEWEST_HELD_OUT / HELD_OUT` each quarter in turn (cross-fitting), so that all of them judge.
        examples: How many there are.
        task: What counts as the same answer.
        base: What is not tried stays as it is here.
        equalizing: Whether to try channel equalization.
        learning: Whether to try learned rounding.
        keep: Operators that every candidate keeps out of int8.
        parts: Of outputs that join values of very different ranges; the worst of them counts.
        budget: Work that all candidates together may take, in 10⁹ multiply-accumulates. Those that help least often are
            left out first; min-max is always tried.

    Raises:
        InputError: as `ptq.prepare` and `ptq.Quantizer`.
        PipelineError: no candidate can be written.
    """
    held = _held_out(examples)
    several = [_Fold(content, inputs, examples, part, task, keep, parts, threads) for part in held]
    folds = [fold for fold in several if fold.judged]
    folds = folds or [_Fold(content, inputs, examples, None, task, keep, parts, threads)]
    judged = sum(fold.judged for fold in folds)
    cost = TrialWork(content, examples - judged // len(folds), judged // len(folds), len(folds))
    plan = _Plan(cost, base, equalizing=equalizing, learning=learning, budget=budget)
    trials: list[Trial] = []
    refusals: list[str] = []

    def attempt(settings: Settings, prepared: Sequence[FloatModel] | None = None) -> None:
        try:
            found = [
                fold.compare(settings, None if prepared is None else prepared[place])
                for place, fold in enumerate(folds)
            ]
        except PipelineError as error:
            refusals.append(str(error))
            return
        agreed = np.concatenate([one for one, _ in found])
        sqnr_db = min(one for _, one in found)
        trials.append(Trial(settings, float(agreed.mean()), sqnr_db, cost.of(settings), agreed))

    measured = [fold.ranges(plan.estimators, track) for fold in folds]
    for settings in track(plan.estimators, "trying range estimators", len(plan.estimators)):
        attempt(settings, [FloatModel(content, settings.shape(ranges[str(settings)])) for ranges in measured])
    if not trials:
        raise PipelineError(f"The model cannot be written as int8: {refusals[0]}")
    if plan.equalizing:
        attempt(replace(best_of(trials).settings, equalize=True))
    if plan.learning:
        attempt(replace(best_of(trials).settings, rounding="learned"))
    best = best_of(trials)
    apart = judged if folds[0].apart else 0
    return Choice(best.settings, tuple(trials), apart, _reason(best, trials, apart, len(folds), plan), plan.left_out)


def _held_out(examples: int) -> list[_Range]:
    """The parts of the examples that judge what the others were fitted to; none where there is only one example."""
    held = min(MOST_HELD_OUT, int(examples * HELD_OUT))
    if held >= FEWEST_HELD_OUT:
        return [(examples - held, examples)]
    folds = min(FOLDS, examples)
    ends = [examples * place // folds for place in range(folds + 1)] if folds > 1 else []
    return list(pairwise(ends))


class _Plan:
    """Which candidates the budget has room for: the ones that help most often are given theirs first."""

    def __init__(self, cost: TrialWork, base: Settings, *, equalizing: bool, learning: bool, budget: float) -> None:
        estimators = {name: replace(base, estimator=name) for name in ESTIMATORS}
        corrections = [replace(base, rounding="learned")] if learning else []
        first, *others = estimators.values()
        corrected = [replace(base, equalize=True)] if equalizing else []
        left = budget - cost.of(first)
        fitting = [first]
        left_out = []
        for candidate in (*corrections, *others[:1], *corrected, *others[1:]):
            work = cost.of(candidate)
            if work <= left:
                left -= work
                fitting.append(candidate)
            else:
                left_out.append(candidate)
        self.estimators = [settings for settings in estimators.values() if settings in fitting]
        self.learning = any(settings in fitting for settings in corrections)
        self.equalizing = any(settings in fitting for settings in corrected)
        self.left_out = tuple(_candidate(settings, base) for settings in left_out)
        self.budget = budget


def _candidate(settings: Settings, base: Settings) -> str:
    """What sets a candidate apart, in words."""
    if settings.rounding != base.rounding:
        return "learned rounding"
    return "equalization" if settings.equalize != base.equalize else settings.estimator.replace("_", "-")


def _options(settings: Settings) -> dict[str, float]:
    return {"percentile": settings.percentile} if settings.estimator == "percentile" else {}


def _reason(best: Trial, trials: Sequence[Trial], held: int, folds: int, plan: _Plan) -> str:
    where = f"{held} held-out examples"
    if folds > 1:
        where = f"{held} examples, each of them held out in one of {folds} fits"
    elif not held:
        where = "the calibration examples themselves, of which there are too few to hold any out"
    text = f"{100 * best.agreement:.1f} % agreement with float and {best.sqnr_db:.1f} dB on {where}"
    text += f", the best of {len(trials)} candidates" if len(trials) > 1 else ", the only candidate"
    nearer = max(trials, key=lambda trial: trial.agreement)
    if best.agreement < nearer.agreement:
        decided = "the signal to noise ratio decided" if best.sqnr_db > nearer.sqnr_db else "the simpler one stays"
        text += f" ({nearer.settings} agrees in {100 * nearer.agreement:.1f} %: within chance; {decided})"
    if plan.left_out:
        text += f"; not tried, for the budget of {plan.budget:g} · 10⁹ multiply-accumulates: {', '.join(plan.left_out)}"
    return text


class _Fold:
    """Examples that candidates are fitted to, and others that they are compared with the float model on.

    Args:
        held: Positions of the others; None: the same ones.
    """

    def __init__(
        self,
        content: bytes,
        inputs: Inputs,
        examples: int,
        held: _Range | None,
        task: Task,
        keep: Sequence[Keep],
        parts: Parts,
        threads: int,
    ) -> None:
        self.apart = held is not None
        start, stop = (0, examples) if held is None else held
        self._content, self._threads = content, threads
        self._keep, self._parts = tuple(keep), parts
        self._examples = examples - (stop - start if self.apart else 0)

        def fit() -> Iterator[Tensors]:
            if not self.apart:
                return iter(inputs())
            return chain(part_of(inputs(), 0, start), part_of(inputs(), stop, examples))

        self._fit = fit
        self._reference = Reference(content, fit, threads=threads)
        self._against_float = FloatComparison(content, part_of(inputs(), start, stop), task, threads)
        self.judged = self._against_float.examples

    def ranges(self, candidates: Sequence[Settings], track: Track) -> dict[str, Ranges]:
        """Those of several estimators, measured in one pass; by the settings in words."""
        makers = {str(s): (make(s.estimator, **_options(s)), describe(s.estimator, **_options(s))) for s in candidates}
        return calibrate_many(
            self._content, self._fit(), makers, examples=self._examples, threads=self._threads, track=track
        )

    def compare(self, settings: Settings, prepared: FloatModel | None) -> tuple[NDArray[np.float64], float]:
        """Quantize, and hold the answers against the float model's: agreement by example, and SQNR in dB."""
        ready = prepared or prepare(self._content, self._fit, settings, threads=self._threads)
        own = self._reference if ready.content == self._content else None
        quantizer = Quantizer(ready, self._fit, settings, threads=self._threads, reference=own)
        written, _ = quantizer("int8", keep=self._keep)
        return self._against_float.by_parts(written, self._parts)
