"""The protocol of a task: per-example statistics, and how they add up to metrics.

A statistic an example and one `reduce` over them give a paired bootstrap for any metric, whatever it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import LossName
from pipeline.tasks.drawable import Drawable
from pipeline.tensors import Batch, Signature, Tensors, TensorSpec

__all__ = ["Endings", "LossName", "Metric", "Task"]

Endings = Mapping[str, Literal["softmax", "sigmoid", "none"]]
"""By output name: what the model's last operator does to it (`pipeline.tflite.endings`)."""


@dataclass(frozen=True)
class Metric:
    """A number that says how good answers are."""

    name: str
    """In JSON, for example `top1`."""
    label: str
    """In tables, for example `top-1`."""
    unit: Literal["%", "dB", ""] = ""
    """`%`: a share, kept as 0..1 and shown in percent; differences of it are in percentage points."""
    higher_is_better: bool = True

    @property
    def factor(self) -> float:
        """From the kept value to the metric's points: 100 for shares, else 1. `max_drop` is in these points."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def unit_of_points(self) -> str:
        """What its differences are in, for a sentence: `points`, `dB`; empty where it has no unit."""
        return "points" if self.unit == "%" else self.unit

    def drop(self, value: float, reference: float) -> float:
        """What `value` loses to `reference`, in points; negative where it is better."""
        worse = reference - value if self.higher_is_better else value - reference
        return self.factor * worse

    def show(self, value: float | None) -> str:
        """A value as tables show it."""
        if value is None or np.isnan(value):
            return "–"
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        return f"{value:.2f} dB" if self.unit == "dB" else f"{value:.4g}"

    def show_points(self, value: float, low: float, high: float) -> str:
        """A difference in points with its interval, `-0.8 [-3.0 +0.8]`; of what is no share, three digits of each."""
        shown, first, last = (
            f"{number:+.1f}" if self.unit == "%" else f"{number:+.3g}" for number in (value, low, high)
        )
        return f"{shown} [{first}\u00a0{last}]"


class Task(ABC):
    """How a model's outputs are read and judged. Light: no TensorFlow."""

    name: str
    """As a recipe's `task` names it."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """The first decides: the best epoch, the budget, the promise. Empty: there is nothing to judge without a
        reference (`fidelity` alone)."""

    @abstractmethod
    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        """
        Args:
            model: What it takes and gives.
            targets: What the data has.

        Raises:
            InputError: the outputs are not what the task reads, or targets are missing or of another shape.
        """

    def targets_of(self, batch: Batch) -> Tensors:
        """What the task judges a batch by: its targets; for `reconstruction` the inputs that are to come out again.

        Empty where it judges by nothing. `statistics` and `training_targets` take what this gives.
        """
        return batch.targets if self.metrics else {}

    @abstractmethod
    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        """What the metrics need to know of each example.

        Args:
            outputs: Real values by output name, [B, …].
            targets: What `targets_of` gives, [B, …].

        Returns:
            [B, …] of any type; `object` where examples differ in size.

        Raises:
            InputError: targets that the outputs cannot have, for example a class beyond the model's.
            PipelineError: NaN.
        """

    def finalize(self, statistics: NDArray[Any]) -> NDArray[Any]:
        """Statistics that need all the examples at once: whether the nearest other example is of the same class.

        Called once over all N examples, in order, before `hits` and `reduce`.

        Returns:
            [N, …], an entry for each example still.
        """
        return statistics

    @abstractmethod
    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        """The metrics by name, of the statistics of N > 0 examples (a sample of them may hold one twice)."""

    @abstractmethod
    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """How far two models give each example the same answer, 0..1, [B]; needs no labels. For a classifier 0 or 1."""

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        """The first metric of samples of the examples, for the bootstrap.

        To be overridden where something can be prepared that is the same for every sample.

        Args:
            statistics: Finalized, of N examples.

        Returns:
            A function of how often each example is in the sample, [N].
        """
        name = self.metrics[0].name
        return lambda counts: self.reduce(np.repeat(statistics, counts, axis=0))[name]

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Whether each example counts as right, [N], where the first metric is the share of those; else None.

        Such a metric gets Wilson's and Tango's intervals, others a bootstrap's.
        """
        return None

    def before_activation(self) -> Task:
        """The task for the same model cut before its last softmax or sigmoid (`pipeline.tflite.endings`)."""
        return self

    @property
    def losses(self) -> Mapping[str, LossName]:
        """By output name, what training minimizes; empty: distillation from the float model's outputs."""
        return {}

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """By output name; 1 where nothing is said."""
        return {}

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        """By output name, what the losses compare the outputs with.

        Args:
            targets: What `targets_of` gives, [B, …].

        Returns:
            [B, …]: one-hot classes or values as float32; class numbers as int32 for `triplet` and `ctc` (there padded
            with −1).
        """
        return {}

    def drawn_outputs(self, outputs: Tensors) -> list[Drawable]:
        """What can be drawn of the answers to B images, one each; empty where there is nothing to draw."""
        return []

    def drawn_targets(self, targets: Tensors) -> list[Drawable]:
        """The same for what the examples are labelled with, as `targets_of` gives it."""
        return []

    def curves(self, statistics: Mapping[str, NDArray[Any]]) -> dict[int, dict[str, NDArray[np.float64]]]:
        """By class and model, precision at the recalls 0, 0.01, … 1, [101]; empty where nothing is found or missed.

        Args:
            statistics: Finalized, of the same examples, by model.
        """
        return {}

    def describe(self) -> dict[str, Any]:
        """As JSON: the name and its options."""
        return {"name": self.name}
