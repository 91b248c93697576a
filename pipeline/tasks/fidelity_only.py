"""No labels, or none that fit: the model is judged by how near it is to another one, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tasks.class_scores import Scores, same_class
from pipeline.tasks.single_output import relative_agreement
from pipeline.tasks.task import Endings, Metric, Task
from pipeline.tensors import Signature, Tensors, TensorSpec


@dataclass(frozen=True)
class Fidelity(Task):
    """Any outputs, no metrics: models are compared by SQNR, differences in steps, and agreement.

    Example:
        >>> task = Fidelity({"y": "softmax"})
        >>> one, two = {"y": np.array([[0.6, 0.4], [0.6, 0.4]])}, {"y": np.array([[0.9, 0.1], [0.4, 0.6]])}
        >>> task.agreement(one, two)
        array([1., 0.])
    """

    name = "fidelity"
    readings: Mapping[str, Scores] = field(default_factory=dict)
    """The outputs that hold classes, by name; the others are numbers."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return ()

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        """Any model will do."""

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[Any]:
        """[B, 0]: there is nothing to judge by."""
        return np.empty((len(next(iter(outputs.values()))), 0))

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {}

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """Of the output that agrees least: whether the class is the same, else 1 − ‖difference‖ / ‖reference‖."""
        outputs = []
        for name, values in reference.items():
            kind = self.readings.get(name)
            if kind is None:
                outputs.append(relative_agreement(values, _of(other, name)))
            else:
                outputs.append(same_class(values, _of(other, name), kind))
        found: NDArray[np.float64] = np.min(outputs, axis=0)
        return found

    def before_activation(self) -> Fidelity:
        return replace(self, readings=dict.fromkeys(self.readings, "logits"))


def class_readings(signature: Signature, endings: Endings) -> dict[str, Scores]:
    """The outputs that hold classes: those that end in a softmax, and single units that end in a sigmoid."""
    found: dict[str, Scores] = {}
    for spec in signature.outputs:
        ending, sides = endings.get(spec.name, "none"), int(np.prod(spec.shape[1:]))
        one_vector = len(spec.shape) == 2
        if one_vector and (ending == "softmax" or (ending == "sigmoid" and sides == 1)):
            found[spec.name] = "softmax" if ending == "softmax" else "sigmoid"
    return found


def _of(outputs: Tensors, name: str) -> NDArray[Any]:
    if name in outputs:
        return outputs[name]
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    raise InputError(f"The models compared give different outputs: one has '{name}', the other {', '.join(outputs)}.")
