"""Numbers for each example: R², RMSE and MAE, over one target value or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tasks.single_output import (
    SingleOutputTask,
    check_count,
    check_numbers,
    relative_agreement,
    same_shape,
    without_ones,
)
from pipeline.tasks.task import Metric
from pipeline.tensors import Tensors, TensorSpec, show_shape

R2 = Metric("r2", "R²")
RMSE = Metric("rmse", "RMSE", higher_is_better=False)
MAE = Metric("mae", "MAE", higher_is_better=False)


@dataclass(frozen=True, kw_only=True)
class Regression(SingleOutputTask):
    """Values [B], [B, K] or of any shape, and targets of the same shape; dimensions of 1 do not count.

    - `r2` decides unless `metric` names another: it has no unit, so that a budget means the same for every target. For
      several values the mean of each one's R² = 1 − Σ (t − p)² / Σ (t − t̄)²; values that never change are left out.
    - `rmse`, `mae`: over all values, in the target's unit.

    Example:
        >>> task = Regression(output=TensorSpec("y", (-1, 1), np.dtype(np.float32)), target="t")
        >>> found = task.reduce(task.statistics({"y": np.array([[1.0], [2], [6]])}, {"t": np.array([1.0, 3, 5])}))
        >>> found["r2"], round(found["rmse"], 4), round(found["mae"], 4)
        (0.75, 0.8165, 0.6667)
    """

    name = "regression"

    losses_known = ("mse", "mae", "huber")

    def _metrics(self) -> tuple[Metric, ...]:
        return R2, RMSE, MAE

    def _check_output(self, output: TensorSpec) -> None:
        """Any numbers will do."""

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if target.dtype.kind not in "fiub":
            raise InputError(f"Regression takes numbers, and the target '{target.name}' is {target.dtype}.")
        if not same_shape(without_ones(target.shape[1:]), without_ones(output.shape[1:])):
            raise InputError(
                f"Regression compares values of the same shape: the model's output '{output.name}' is "
                f"{show_shape(output.shape)}, and the target '{target.name}' is {show_shape(target.shape)}. Name the "
                "target that belongs to it, or another task."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float64]:
        """[B, 2, K]: what the model gives, and the target."""
        given = self._read(outputs)
        check_numbers(given, self.output.name, finite=True)
        flat = given.reshape(len(given), -1)
        return np.stack([flat, self._wanted(targets, len(flat), flat.shape[1])], axis=1).astype(np.float64)

    def _wanted(self, targets: Tensors, examples: int, values: int) -> NDArray[Any]:
        wanted = self._read_target(targets)
        check_count(wanted, examples, f"'{self.target}'")
        flat = wanted.reshape(len(wanted), -1)
        if flat.shape[1] != values:
            raise InputError(
                f"The target '{self.target}' holds {flat.shape[1]} values for each example, and the model's output "
                f"'{self.output.name}' {values}."
            )
        if not np.isfinite(flat).all():
            raise InputError(
                f"The target '{self.target}' holds NaN or infinity. Look at the data that it is read from."
            )
        return flat

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return self._measured(np.ones(len(statistics)), self._terms(statistics))

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        terms, name = self._terms(statistics), self.metrics[0].name
        return lambda counts: self._measured(counts.astype(np.float64), terms)[name]

    def _terms(self, statistics: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """What is added up over examples, [N, K] each: squared and absolute errors, the targets and their squares.

        Targets count from their mean, so that the square of a large one takes no digits from the spread.
        """
        given, wanted = statistics[:, 0], statistics[:, 1]
        error, centred = wanted - given, wanted - wanted.mean(axis=0)
        return np.square(error), np.abs(error), centred, np.square(centred)

    def _measured(self, counts: NDArray[np.float64], terms: tuple[NDArray[np.float64], ...]) -> dict[str, float]:
        n = counts.sum()
        squared, absolute, total, squares = (counts @ term for term in terms)
        spread = squares - total * total / n
        varied = spread > 1e-12 * squares
        shares = 1 - squared[varied] / spread[varied]
        return {
            "r2": float(shares.mean()) if len(shares) else float("nan"),
            "rmse": float(np.sqrt(squared.mean() / n)),
            "mae": float(absolute.mean() / n),
        }

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """1 − ‖reference − other‖ / ‖reference‖, clipped to 0..1."""
        return relative_agreement(self._read(reference), self._read(other))

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        given = self._read_target(targets)
        wanted = self._wanted(targets, len(given), int(np.prod(given.shape[1:])))
        shape = self.output.shape[1:] if len(self.output.shape) > 1 else ()
        return {self.output.name: wanted.reshape(len(given), *shape).astype(np.float32)}
