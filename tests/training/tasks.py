"""Two small tasks and a small data set of named arrays: what training needs of them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.task import LossName, Metric, Task
from pipeline.tensors import OPEN, Batch, Signature, Tensors, TensorSpec


class Classes(Task):
    """Top-1 of one output [B, classes] against class numbers."""

    name = "classes"
    metrics = (Metric("top1", "top-1", "%"),)

    def __init__(self, output: str, target: str, classes: int, loss: LossName = "categorical_crossentropy") -> None:
        self.output, self.target, self.classes, self.loss = output, target, classes, loss

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        model.output(self.output)

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        return self._answers(outputs) == targets[self.target]

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {"top1": float(np.mean(statistics))}

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        return (self._answers(reference) == self._answers(other)).astype(np.float64)

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        return statistics.astype(bool)

    @property
    def losses(self) -> dict[str, LossName]:
        return {self.output: self.loss}

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        labels = targets[self.target]
        one = labels[:, None] if self.classes == 1 else np.eye(self.classes)[labels]
        return {self.output: one.astype(np.float32)}

    def _answers(self, outputs: Tensors) -> NDArray[Any]:
        scores = outputs[self.output]
        return scores[:, 0] > 0.5 if self.classes == 1 else scores.argmax(axis=-1)


class Values(Task):
    """The root of the mean squared error of some outputs against targets of the same names; lower is better.

    Args:
        outputs: Output names; each has a target of the same name.
    """

    name = "values"
    metrics: tuple[Metric, ...] = (Metric("rmse", "RMSE", higher_is_better=False),)

    def __init__(self, *outputs: str) -> None:
        self.outputs = outputs

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        for output in self.outputs:
            model.output(output)

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        errors = [((outputs[name] - targets[name]) ** 2).reshape(len(outputs[name]), -1) for name in self.outputs]
        return np.concatenate(errors, axis=1).mean(axis=1)

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {"rmse": float(np.sqrt(statistics.mean()))}

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        [first, second] = (np.concatenate([one[name] for name in self.outputs], axis=1) for one in (reference, other))
        share = np.linalg.norm(first - second, axis=1) / np.linalg.norm(first, axis=1)
        return np.clip(1 - share, 0, 1)

    @property
    def losses(self) -> dict[str, LossName]:
        return dict.fromkeys(self.outputs, "mse")

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        return {name: np.asarray(targets[name], np.float32) for name in self.outputs}


class Unjudged(Values):
    """No labels: nothing but how near two models are."""

    name = "unjudged"
    metrics = ()

    @property
    def losses(self) -> dict[str, LossName]:
        return {}


class Arrays:
    """Named arrays with the splits train, calibration and validation, as the loader gives them.

    Args:
        inputs: [N, …] by name.
        targets: [N, …] by name.
        held_out: How many of the examples are the validation split, and as many the calibration split.
    """

    class_names: tuple[str, ...] = ()

    def __init__(self, inputs: Mapping[str, Any], targets: Mapping[str, Any], held_out: int = 32) -> None:
        self._inputs, self._targets = dict(inputs), dict(targets)
        count = len(next(iter(inputs.values())))
        places = np.arange(count)
        self.splits = {
            "train": places[: count - held_out],
            "calibration": places[:held_out],
            "validation": places[count - held_out :],
        }

    @property
    def inputs(self) -> dict[str, TensorSpec]:
        return _specs(self._inputs)

    @property
    def targets(self) -> dict[str, TensorSpec]:
        return _specs(self._targets)

    def size(self, split: str) -> int:
        return len(self.splits[split])

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        augment: object = None,
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        order = self.splits[split]
        if shuffle_seed is not None:
            order = np.random.default_rng(shuffle_seed).permutation(order)
        for start in range(0, len(order), batch_size):
            own = order[start : start + batch_size]
            yield Batch(
                {name: array[own] for name, array in self._inputs.items()},
                {name: array[own] for name, array in self._targets.items()},
            )


def _specs(arrays: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, (OPEN, *array.shape[1:]), array.dtype) for name, array in arrays.items()}


def digits(model: Any, classes: int = 10) -> Classes:
    """Of a model with one output of class scores, on the embedded digits."""
    return Classes(model.output_names[0], "y", classes)
