"""The one way to compare models: what each answers to the same examples, judged by a task and against another model.

A :class:`Record` sums up one model's answers while they stream by, and how they differ from another model's; two
records give a :class:`Comparison`. Calibration's choice, sensitivity, search, the ladder, parity and the evaluation all
use these two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.fidelity import FidelityMeter, OutputFidelity, lowest
from pipeline.evaluation.statistics import Difference, bootstrap_difference, finite_or_none, paired_difference
from pipeline.tasks.task import Metric, Task
from pipeline.tensors import Outputs, Tensors

FLOOR_DB, FLOOR_AGREEMENT = 15.0, 0.80
"""Below either a model is said to be of no use: noise is a fifth of the signal, or every fifth answer another one."""


@dataclass(frozen=True)
class Comparison:
    """A model against another one, on the same examples."""

    against: str
    n: int
    agreement: float
    """Mean over the examples of how far both give the same answer, 0..1: for classifiers the share of equal ones."""
    difference: Difference | None
    """The task's first metric minus the other's, paired over the examples; None without labels."""
    fidelity: dict[str, OutputFidelity]
    """By output."""
    agreed: NDArray[np.float64] = field(repr=False, compare=False)
    """The agreement of each example, [n]; not part of the JSON."""

    @property
    def sqnr_db(self) -> float:
        """Of the output that is worst off."""
        return lowest(self.fidelity)

    @property
    def max_lsb(self) -> int | None:
        """Of the output that is worst off; None where no output's steps can be counted."""
        steps = [output.max_lsb for output in self.fidelity.values() if output.max_lsb is not None]
        return max(steps, default=None)

    @property
    def identical(self) -> bool:
        """Whether no value of any output differs."""
        return all(output.identical for output in self.fidelity.values())

    @property
    def differing(self) -> float:
        """Share of values that differ, of the output that is worst off."""
        return max((output.differing for output in self.fidelity.values()), default=0.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "against": self.against,
            "n": self.n,
            "agreement": self.agreement,
            "difference": self.difference.to_json() if self.difference else None,
            "sqnr_db": finite_or_none(self.sqnr_db),
            "max_lsb": self.max_lsb,
            "differing": self.differing,
            "identical": self.identical,
            "outputs": {name: output.to_json() for name, output in self.fidelity.items()},
        }


def is_weak(compared: Comparison) -> bool:
    """Whether a quantized model is so far from the float one that a user must be told."""
    return compared.agreement < FLOOR_AGREEMENT or compared.sqnr_db < FLOOR_DB


class Record:
    """What one model answered so far: its statistics, and its differences from others.

    Args:
        name: Of the model, for messages.
        task: How its outputs are judged.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name, self.task = name, task
        self.n = 0
        self._statistics: list[NDArray[Any]] = []
        self._finalized: dict[int, NDArray[Any]] = {}
        self._meters: dict[str, FidelityMeter] = {}
        self._agreed: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, outputs: Outputs, targets: Tensors) -> None:
        """Answers to some examples; `targets` is empty where nothing is known about them.

        Raises:
            InputError, PipelineError: as `Task.statistics`.
        """
        self.n += len(outputs)
        if targets and self.task.metrics:
            try:
                self._statistics.append(self.task.statistics(outputs.real, targets))
            except PipelineError as error:
                raise type(error)(f"The model '{self.name}': {error}") from error

    def hold_against(self, other: str, own: Outputs, others: Outputs) -> None:
        """Note how these answers differ from another model's to the same examples.

        Raises:
            InputError: the outputs are not those of the same model in another form.
        """
        count = min(len(own), len(others))
        mine, reference = own[:count], same_outputs(own, others, self.name, other)[:count]
        self._meters.setdefault(other, FidelityMeter()).add(reference, mine)
        self._agreed.setdefault(other, []).append(self.task.agreement(reference.real, mine.real))

    @property
    def statistics(self) -> NDArray[Any] | None:
        """Of all examples, finalized, [n, …]; None without labels."""
        return self._first(self.n)

    @property
    def values(self) -> dict[str, float]:
        """The task's metrics; empty without labels."""
        statistics = self.statistics
        return {} if statistics is None else self.task.reduce(statistics)

    def against(self, other: Record) -> Comparison:
        """This model against one that it was held against.

        Raises:
            InputError: it never was.
        """
        if other.name not in self._agreed:
            raise InputError(f"'{self.name}' was not held against '{other.name}'.")
        agreed = np.concatenate(self._agreed[other.name])
        # A model may have been asked fewer examples than the other.
        count = min(self.n, other.n)
        own, others = self._first(count), other._first(count)
        difference = None if own is None or others is None else metric_difference(self.task, own, others)
        return Comparison(
            other.name, len(agreed), float(agreed.mean()), difference, self._meters[other.name].result(), agreed
        )

    def _first(self, count: int) -> NDArray[Any] | None:
        if not self._statistics:
            return None
        if count not in self._finalized:
            self._finalized[count] = self.task.finalize(np.concatenate(self._statistics)[:count])
        return self._finalized[count]


def metric_difference(task: Task, own: NDArray[Any], others: NDArray[Any]) -> Difference:
    """The task's first metric of one model minus another's, on the same examples, with a 95 % interval."""
    hits, other_hits = task.hits(own), task.hits(others)
    if hits is not None and other_hits is not None:
        return paired_difference(hits, other_hits)
    first_metric(task)
    return bootstrap_difference(len(own), own.nbytes, task.resampling(own), task.resampling(others))


def first_metric(task: Task) -> Metric:
    """The one that decides.

    Raises:
        InputError: the task has none.
    """
    if not task.metrics:
        raise InputError(
            f"The task '{task.name}' has no metric: without labels only two models can be compared. Say what the model "
            "is for with --set task=…, or do without a budget on a metric."
        )
    return task.metrics[0]


def same_outputs(own: Outputs, others: Outputs, name: str, other: str) -> Outputs:
    """Another model's outputs under one's own names: by name, or in order where the names differ.

    Raises:
        InputError: another number of outputs, or another shape.
    """
    if set(own.stored) != set(others.stored):
        if len(own.stored) != len(others.stored):
            raise InputError(
                f"{name} gives {len(own.stored)} outputs ({', '.join(own.stored)}) and {other} {len(others.stored)} "
                f"({', '.join(others.stored)}): they are not forms of the same model."
            )
        others = renamed(others, list(own.stored))
    for key, array in own.stored.items():
        if array.shape[1:] != others.stored[key].shape[1:]:
            raise InputError(
                f"{name} gives {list(array.shape[1:])} as '{key}' for an example and {other} "
                f"{list(others.stored[key].shape[1:])}: they are not forms of the same model."
            )
    return others


def renamed(outputs: Outputs, names: Sequence[str]) -> Outputs:
    """Outputs under other names, in order; as they are where the names are the same or are not as many."""
    if set(outputs.stored) == set(names) or len(outputs.stored) != len(names):
        return outputs
    new = dict(zip(outputs.stored, names, strict=True))
    return Outputs(
        {new[name]: array for name, array in outputs.stored.items()},
        {new[name]: outputs.specs[name] for name in outputs.stored},
    )
