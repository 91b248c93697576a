"""One task for each of several outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.drawable import Drawable
from pipeline.tasks.task import LossName, Metric, Task
from pipeline.tensors import Batch, Signature, Tensors, TensorSpec


@dataclass(frozen=True)
class SeveralOutputs(Task):
    """The tasks by output name. Metrics are called `output.metric`; the first task's first metric decides.

    Example:
        >>> from pipeline.tasks.regression import Regression
        >>> specs = [TensorSpec(name, (-1, 1), np.dtype(np.float32)) for name in ("age", "height")]
        >>> task = SeveralOutputs({spec.name: Regression(output=spec, target=spec.name) for spec in specs})
        >>> [metric.name for metric in task.metrics][:3]
        ['age.r2', 'age.rmse', 'age.mae']
    """

    name = "several_outputs"
    tasks: Mapping[str, Task]
    """By output name; the task reads that output."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of the losses, by output name; 1 where nothing is said."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(
            replace(metric, name=f"{output}.{metric.name}", label=f"{output} {metric.label}")
            for output, task in self.tasks.items()
            for metric in task.metrics
        )

    @property
    def _judged(self) -> dict[str, Task]:
        return {output: task for output, task in self.tasks.items() if task.metrics}

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        for output, task in self.tasks.items():
            task.check(Signature(model.inputs, (model.output(output),)), targets)

    def targets_of(self, batch: Batch) -> Tensors:
        found: dict[str, NDArray[Any]] = {}
        for task in self._judged.values():
            found |= task.targets_of(batch)
        return found

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        """[B] of records, a field for each output that is judged."""
        return _records({name: task.statistics(outputs, targets) for name, task in self._judged.items()})

    def finalize(self, statistics: NDArray[Any]) -> NDArray[Any]:
        return _records({name: task.finalize(statistics[name]) for name, task in self._judged.items()})

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {
            f"{output}.{metric}": value
            for output, task in self._judged.items()
            for metric, value in task.reduce(statistics[output]).items()
        }

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        output, task = next(iter(self._judged.items()))
        return task.resampling(statistics[output])

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        output, task = next(iter(self._judged.items()))
        return task.hits(statistics[output])

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """Of the output that agrees least."""
        found: NDArray[np.float64] = np.min(
            [task.agreement({name: reference[name]}, {name: other[name]}) for name, task in self.tasks.items()],
            axis=0,
        )
        return found

    def before_activation(self) -> SeveralOutputs:
        return replace(self, tasks={output: task.before_activation() for output, task in self.tasks.items()})

    @property
    def losses(self) -> Mapping[str, LossName]:
        return {output: loss for task in self.tasks.values() for output, loss in task.losses.items()}

    @property
    def loss_weights(self) -> Mapping[str, float]:
        return self.weights

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        return {
            output: values
            for task in self.tasks.values()
            if task.losses
            for output, values in task.training_targets(targets).items()
        }

    def drawn_outputs(self, outputs: Tensors) -> list[Drawable]:
        """Of the first output that can be drawn."""
        return next((drawn for task in self.tasks.values() if (drawn := task.drawn_outputs(outputs))), [])

    def drawn_targets(self, targets: Tensors) -> list[Drawable]:
        return next((drawn for task in self.tasks.values() if (drawn := task.drawn_targets(targets))), [])

    def describe(self) -> dict[str, Any]:
        weights = {output: {"weight": weight} for output, weight in self.weights.items()}
        return {
            "name": self.name,
            "outputs": {output: task.describe() | weights.get(output, {}) for output, task in self.tasks.items()},
        }


def _records(columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    count = len(next(iter(columns.values())))
    records = np.empty(count, [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records
