"""Climb the ladder: every rung answers the same examples, and is compared with the one above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, did_you_mean
from pipeline.evaluation.classify import check_labels, class_scores
from pipeline.evaluation.statistics import agreement, paired_difference, top_k_hits, wilson_interval
from pipeline.progress import Track, quiet
from pipeline.tensors import Batch
from pipeline.verification.compare import Comparison, Distance
from pipeline.verification.rung import Float, Outputs, Rung


@dataclass(frozen=True)
class Step:
    """What one rung scored, and how it differs from the one it is compared with."""

    name: str
    title: str
    source: str
    n: int
    top1: float
    interval: tuple[float, float]
    """95 % interval of top1 (Wilson)."""
    above: Comparison | None
    """None for the first rung."""
    overall: Comparison | None
    """Against the ladder's reference, usually the float .tflite; None for that one and what stands before it."""

    def to_json(self) -> dict[str, Any]:
        return {
            "rung": self.name,
            "title": self.title,
            "model": self.source,
            "n": self.n,
            "top1": self.top1,
            "top1_interval": list(self.interval),
            "above": self.above.to_json() if self.above else None,
            "overall": self.overall.to_json() if self.overall else None,
        }


def climb(
    rungs: Sequence[Rung],
    batches: Iterable[Batch],
    *,
    reference: str | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> tuple[Step, ...]:
    """Run all rungs over the same examples, one pass, a batch at a time.

    Args:
        rungs: From the top; a rung that names what it is compared with names one before it.
        batches: The examples.
        reference: The rung that `Step.overall` compares with; those before it are not.
        threads: Rungs that run at the same time, each on a thread of its own.
        track: Follows the batches.

    Returns:
        A step a rung, in their order.

    Raises:
        InputError: no examples, labels outside the classes, outputs that are no scores, models of different numbers of
            classes, or a rung that is compared with one that does not stand before it.
        PipelineError: a model gives NaN or fails.
    """
    places = _pairs(rungs, reference)
    logs = [_Log() for _ in rungs]
    seen = 0
    with ThreadPoolExecutor(max(1, threads), "rung") as pool:
        for batch in track(batches, "verify"):
            given, labels = np.asarray(batch.x, np.float32), batch.y
            if len(given) == 0:
                continue
            outputs = list(pool.map(lambda rung, x=given, first=seen: _answer(rung, x, first), rungs))
            for place, (rung, log) in enumerate(zip(rungs, logs, strict=True)):
                log.add(rung, outputs[place], np.asarray(labels))
                for distance, other in ((log.above, places[place].above), (log.overall, places[place].overall)):
                    if other is not None:
                        _measure(distance, outputs[place], outputs[other], rung, rungs[other])
            seen += len(given)
    if seen == 0:
        raise InputError("There are no examples to verify on. Look at the data's splits.")
    return tuple(_step(rung, log, pair, rungs, logs) for rung, log, pair in zip(rungs, logs, places, strict=True))


@dataclass(frozen=True)
class _Pair:
    """Whom a rung is compared with, by place."""

    above: int | None
    overall: int | None


@dataclass
class _Log:
    """One rung's answers so far."""

    predicted: list[NDArray[np.int64]] = field(default_factory=list)
    right: list[NDArray[np.bool_]] = field(default_factory=list)
    above: Distance = field(default_factory=Distance)
    overall: Distance = field(default_factory=Distance)

    def add(self, rung: Rung, outputs: Outputs | None, labels: NDArray[Any]) -> None:
        if outputs is None:
            return
        scores = class_scores(outputs.scores, len(outputs.stored), rung.source)
        own = labels[: len(scores)]
        check_labels(own, scores.shape[1], rung.source)
        self.predicted.append(scores.argmax(axis=1))
        self.right.append(top_k_hits(scores, own, 1))


def _pairs(rungs: Sequence[Rung], reference: str | None) -> list[_Pair]:
    names = [rung.name for rung in rungs]
    if reference is not None and reference not in names:
        raise InputError(f"There is no rung '{reference}' to compare with.{did_you_mean(reference, names)}")
    start = None if reference is None else names.index(reference)
    pairs = []
    for place, rung in enumerate(rungs):
        above = place - 1 if place else None
        if rung.against is not None:
            if rung.against not in names[:place]:
                raise InputError(
                    f"The rung '{rung.name}' is compared with '{rung.against}', which does not stand before it "
                    f"({', '.join(names[:place]) or 'it is the first'})."
                )
            above = names.index(rung.against)
        pairs.append(_Pair(above, start if start is not None and place > start else None))
    return pairs


def _answer(rung: Rung, examples: Float, seen: int) -> Outputs | None:
    """None where the rung has had all that it is given."""
    left = len(examples) if rung.limit is None else max(0, rung.limit - seen)
    return rung.run(examples[:left]) if left else None


def _measure(distance: Distance, own: Outputs | None, other: Outputs | None, rung: Rung, against: Rung) -> None:
    if own is None or other is None:
        return
    if own.stored.shape[1:] != other.stored.shape[1:]:
        raise InputError(
            f"{rung.source} gives {list(own.stored.shape[1:])} for an example and {against.source} "
            f"{list(other.stored.shape[1:])}: they are not forms of the same model."
        )
    count = min(len(own.stored), len(other.stored))
    distance.add(Outputs(own.stored[:count], own.spec), Outputs(other.stored[:count], other.spec))


def _step(rung: Rung, log: _Log, pair: _Pair, rungs: Sequence[Rung], logs: Sequence[_Log]) -> Step:
    right = np.concatenate(log.right)
    hits, n = int(right.sum()), len(right)

    def compared(place: int | None, distance: Distance) -> Comparison | None:
        if place is None:
            return None
        count = min(n, sum(map(len, logs[place].right)))
        other = np.concatenate(logs[place].right)[:count]
        return Comparison(
            against=rungs[place].name,
            agreement=agreement(np.concatenate(log.predicted)[:count], np.concatenate(logs[place].predicted)[:count]),
            difference=paired_difference(right[:count], other),
            max_lsb=distance.max_lsb,
            differing=distance.differing,
            sqnr_db=distance.sqnr_db,
        )

    return Step(
        name=rung.name,
        title=rung.title,
        source=rung.source,
        n=n,
        top1=hits / n,
        interval=wilson_interval(hits, n),
        above=compared(pair.above, log.above),
        overall=compared(pair.overall, log.overall),
    )
