"""A rung that answers what it is given, and small tasks to judge it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tasks import Metric, Task
from pipeline.tensors import OPEN, Batch, Outputs, Signature, Tensors, TensorSpec


@dataclass
class Echo:
    """Gives each of its inputs back under the name of an output, changed by what a test says."""

    name: str
    add: Mapping[str, Any] = field(default_factory=dict)
    """By output name, what is added to it."""
    outputs: Mapping[str, str] = field(default_factory=lambda: {"scores": "x"})
    """Names of outputs, and of the inputs that they repeat."""
    specs: Mapping[str, TensorSpec] = field(default_factory=dict)
    """By output name, how it is stored; float32 by default."""
    against: str | None = None
    limit: int | None = None
    seen: list[int] = field(default_factory=list)
    """How many examples each call was given."""

    @property
    def title(self) -> str:
        return f"echo {self.name}"

    @property
    def source(self) -> str:
        return f"{self.name}.tflite"

    @property
    def signature(self) -> Signature:
        specs = {name: TensorSpec(name, (OPEN, OPEN), np.dtype(np.float32)) for name in self.outputs}
        inputs = dict.fromkeys(self.outputs.values())
        return Signature(
            tuple(TensorSpec(name, (OPEN, OPEN), np.dtype(np.float32)) for name in inputs),
            tuple((specs | dict(self.specs)).values()),
        )

    def __call__(self, inputs: Tensors) -> Outputs:
        self.seen.append(len(next(iter(inputs.values()))))
        real = {
            name: np.asarray(inputs[source] + np.asarray(self.add.get(name, 0), np.float32))
            for name, source in self.outputs.items()
        }
        plain = Outputs.of_real(real)
        specs = {**plain.specs, **self.specs}
        return Outputs({name: specs[name].quantize(values) for name, values in real.items()}, specs)


class Classes(Task):
    """The highest of an output's scores is the class."""

    name = "classes"
    metrics = (Metric("top1", "top-1", "%"),)

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None: ...

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        classes = outputs["scores"].shape[1]
        if targets["y"].max(initial=0) >= classes:
            raise InputError(f"It knows the classes 0 to {classes - 1}, the labels hold {targets['y'].max()}.")
        return np.asarray(outputs["scores"].argmax(axis=1) == targets["y"])

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {"top1": float(np.mean(statistics))}

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_]:
        return statistics

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        return (reference["scores"].argmax(axis=1) == other["scores"].argmax(axis=1)).astype(np.float64)


class Fidelity(Task):
    """Nothing is known of the outputs."""

    name = "fidelity"
    metrics: tuple[Metric, ...] = ()

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None: ...

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        raise AssertionError("there is nothing to judge by")

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        raise AssertionError("there is nothing to judge by")

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        found = []
        for name, values in reference.items():
            flat = values.reshape(len(values), -1).astype(np.float64)
            off = np.linalg.norm(flat - other[name].reshape(flat.shape), axis=1)
            found.append(np.clip(1 - off / np.maximum(np.linalg.norm(flat, axis=1), 1e-12), 0, 1))
        return np.min(found, axis=0)


class Values(Fidelity):
    """The output `values` is to be the target `y`; the error decides, and less of it is better."""

    name = "values"
    metrics = (Metric("rmse", "RMSE", higher_is_better=False), Metric("bias", "bias"))

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        return np.asarray(outputs["values"][:, 0] - targets["y"])

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {"rmse": float(np.sqrt(np.mean(statistics**2))), "bias": float(np.mean(statistics))}


def batches(size: int, inputs: Mapping[str, NDArray[Any]], targets: Mapping[str, NDArray[Any]]) -> list[Batch]:
    """Examples in batches of a size."""
    whole = Batch(inputs, targets)
    return [whole[at : at + size] for at in range(0, len(whole), size)]
