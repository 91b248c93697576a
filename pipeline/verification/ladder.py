"""Climb the ladder: every rung answers the same examples, and is compared with the one above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError, PipelineError, did_you_mean
from pipeline.evaluation.comparison import Comparison, Record, renamed
from pipeline.evaluation.evaluator import metric_interval
from pipeline.evaluation.statistics import finite_or_none
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Metric, Task
from pipeline.tensors import Batch, Outputs, take
from pipeline.verification.rung import Rung


@dataclass(frozen=True)
class Step:
    """What one rung scored, and how it differs from the one it is compared with."""

    name: str
    title: str
    source: str
    n: int
    metrics: tuple[Metric, ...]
    """The task's, whose `values` are known; the first decides. Empty without labels."""
    values: dict[str, float]
    """The task's metrics by name, shares as 0..1; empty without labels."""
    interval: tuple[float, float] | None
    """95 % interval of the first metric: Wilson's for a share of right answers, else a bootstrap's."""
    above: Comparison | None
    """None for the first rung."""
    overall: Comparison | None
    """Against the ladder's reference, usually the float .tflite; None for that one and what stands before it."""

    @property
    def metric(self) -> Metric | None:
        """The one that decides; None without labels."""
        return self.metrics[0] if self.metrics else None

    def to_json(self) -> dict[str, Any]:
        """The metrics by name, `<first metric>_interval`, and both comparisons."""
        content: dict[str, Any] = {
            "rung": self.name,
            "title": self.title,
            "model": self.source,
            "n": self.n,
            **{name: finite_or_none(value) for name, value in self.values.items()},
        }
        if self.metric is not None and self.interval is not None:
            content[f"{self.metric.name}_interval"] = [finite_or_none(end) for end in self.interval]
        return content | {
            "above": self.above.to_json() if self.above else None,
            "overall": self.overall.to_json() if self.overall else None,
        }


def compare_rungs(
    rungs: Sequence[Rung],
    batches: Iterable[Batch],
    task: Task,
    *,
    reference: str | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> tuple[Step, ...]:
    """Run all rungs over the same examples, one pass, a batch at a time.

    Args:
        rungs: From the top, at least one; a rung that names what it is compared with names one before it.
        batches: The examples. Without targets, rungs are compared and not judged.
        task: How outputs are judged, by the names that the reference (else the first rung) gives them; outputs of other
            names are taken in order.
        reference: The rung that `Step.overall` compares with; those before it are not.
        threads: Rungs that run at the same time, each on a thread of its own.
        track: Follows the batches.

    Returns:
        A step a rung, in their order.

    Raises:
        InputError: no examples, targets or outputs that the task cannot judge, models of other outputs, two rungs of
            one name, or a rung that is compared with one that does not stand before it.
        PipelineError: a model gives NaN or fails.
    """
    pairs = _pairs(rungs, reference)
    records = [Record(rung.name, task) for rung in rungs]
    judged = next((rung for rung in rungs if rung.name == reference), rungs[0])
    names = [spec.name for spec in judged.signature.outputs]
    seen = 0
    with ThreadPoolExecutor(max(1, threads), "rung") as pool:
        for batch in track(batches, "verify"):
            if len(batch) == 0:
                continue
            answers = list(pool.map(lambda rung, given=batch, first=seen: _answer(rung, given, first), rungs))
            # The task knows the outputs by the names of the reference.
            answers = [None if answer is None else renamed(answer, names) for answer in answers]
            for place, answer in enumerate(answers):
                if answer is None:
                    continue
                _judge(records[place], rungs[place], answer, batch, task)
                # Both comparisons may be with the same rung, which is to be counted once.
                for other in dict.fromkeys((pairs[place].above, pairs[place].overall)):
                    reached = None if other is None else answers[other]
                    if other is not None and reached is not None:
                        records[place].hold_against(rungs[other].name, answer, reached)
            seen += len(batch)
    if seen == 0:
        raise InputError("There are no examples to verify on. Look at the data's splits.")
    return tuple(_step(rung, place, pairs[place], records) for place, rung in enumerate(rungs))


@dataclass(frozen=True)
class _Pair:
    """Whom a rung is compared with, by place."""

    above: int | None
    overall: int | None


def _pairs(rungs: Sequence[Rung], reference: str | None) -> list[_Pair]:
    names = [rung.name for rung in rungs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Two rungs of the ladder are called '{twice[0]}': give each a name of its own.")
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


def _answer(rung: Rung, batch: Batch, seen: int) -> Outputs | None:
    """None where the rung has had all that it is given."""
    left = len(batch) if rung.limit is None else min(len(batch), max(0, rung.limit - seen))
    if not left:
        return None
    outputs = rung(take(batch.inputs, slice(left)))
    if len(outputs) != left:
        raise PipelineError(f"{rung.source} (rung {rung.name}) answered {len(outputs)} of {left} examples.")
    return outputs


def _judge(record: Record, rung: Rung, outputs: Outputs, batch: Batch, task: Task) -> None:
    for name, values in outputs.stored.items():
        missing = _with_nan(values)
        if missing:
            raise PipelineError(
                f"{rung.source} gives NaN as '{name}' for {missing} of {len(values)} examples (rung {rung.name}): its "
                "weights are broken, or it overflows."
            )
    record.add(outputs, take(task.targets_of(batch), slice(len(outputs))))


def _with_nan(values: np.ndarray[Any, Any]) -> int:
    """How many examples hold NaN."""
    if values.dtype.kind != "f":
        return 0
    return int(np.isnan(values).reshape(len(values), -1).any(axis=1).sum())


def _step(rung: Rung, place: int, pair: _Pair, records: Sequence[Record]) -> Step:
    record = records[place]
    statistics = record.statistics
    return Step(
        name=rung.name,
        title=rung.title,
        source=rung.source,
        n=record.n,
        metrics=() if statistics is None else record.task.metrics,
        values={} if statistics is None else record.task.reduce(statistics),
        interval=None if statistics is None else metric_interval(record.task, statistics),
        above=None if pair.above is None else record.against(records[pair.above]),
        overall=None if pair.overall is None else record.against(records[pair.overall]),
    )
