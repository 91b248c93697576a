"""What tasks that read one output share: which output and target they read, how they check them, and their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError, did_you_mean
from pipeline.tasks.spatial_targets import without_placements
from pipeline.tasks.task import LossName, Metric, Task
from pipeline.tensors import OPEN, Signature, Tensors, TensorSpec, show_shape

Loss = LossName | Literal["distillation"]
"""A loss as a recipe's task names it; `distillation`: none of the task's own, only the float model's outputs."""

_Tensor = TypeVar("_Tensor")


@dataclass(frozen=True, kw_only=True)
class SingleOutputTask(Task):
    """A task that reads one output and at most one target.

    Every dataclass field but `output` is an option of the task in a recipe.
    """

    output: TensorSpec
    """Of the float model."""
    target: str | None = None
    """The data's target that it reads; None where the data has none."""
    metric: str | None = None
    """The name of the metric that decides; the task's own choice by default."""
    loss: Loss | None = None
    """What training minimizes; the task's own choice by default."""

    losses_known: ClassVar[tuple[Loss, ...]] = ()
    """What `loss` may be; the first is the default."""

    def __post_init__(self) -> None:
        known = (*self.losses_known, "as_compiled", "distillation")
        if self.loss is not None and self.loss not in known:
            raise InputError(f"The task '{self.name}' knows no loss '{self.loss}'.{did_you_mean(self.loss, known)}")
        names = [metric.name for metric in self._metrics()]
        if self.metric is not None and self.metric not in names:
            raise InputError(
                f"The task '{self.name}' has no metric '{self.metric}' for the output '{self.output.name}', which is "
                f"{show_shape(self.output.shape)}.{did_you_mean(self.metric, names)}"
            )

    def _metrics(self) -> tuple[Metric, ...]:
        """All of them, in the task's own order."""
        raise NotImplementedError

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(sorted(self._metrics(), key=lambda metric: metric.name != self.metric))

    @property
    def losses(self) -> Mapping[str, LossName]:
        chosen = self.loss or next(iter(self.losses_known), "distillation")
        return {} if chosen is None or chosen == "distillation" else {self.output.name: chosen}

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        output = find(
            self.output.name, {spec.name: spec for spec in model.outputs}, f"the task '{self.name}'", "output"
        )
        self._check_output(output)
        self._check_target(self._target_spec(targets), output)

    def _check_output(self, output: TensorSpec) -> None:
        raise NotImplementedError

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        raise NotImplementedError

    def _target_spec(self, targets: Mapping[str, TensorSpec]) -> TensorSpec:
        if not targets:
            raise InputError(
                f"The task '{self.name}' judges by targets, and the data has none. Give it labels or values, or judge "
                "without: task: fidelity."
            )
        return find(self.target, without_placements(targets), f"the task '{self.name}'", "target")

    def _read(self, outputs: Tensors) -> NDArray[Any]:
        """The output, [B, …]; the only one whatever it is called."""
        return find(self.output.name, outputs, f"the task '{self.name}'", "output")

    def _read_as_map(self, outputs: Tensors) -> NDArray[Any]:
        """The output in its own shape: cut before its last operator, it may come as before a reshape."""
        values, shape = self._read(outputs), self.output.shape[1:]
        same = OPEN not in shape and int(np.prod(shape)) == int(np.prod(values.shape[1:]))
        return values.reshape(len(values), *shape) if same else values

    def _read_target(self, targets: Tensors) -> NDArray[Any]:
        """The target, [B, …]; the only one whatever it is called."""
        return np.asarray(find(self.target, without_placements(targets), f"the task '{self.name}'", "target"))

    def describe(self) -> dict[str, Any]:
        options = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "output" and getattr(self, field.name) is not None
        }
        return {"name": self.name, "output": self.output.name, **options}


def find(name: str | None, tensors: Mapping[str, _Tensor], who: str, what: str) -> _Tensor:
    """A tensor by name; the only one whatever it is called.

    Raises:
        InputError: none of that name among several; the nearest name is told.
    """
    if name is not None and name in tensors:
        return tensors[name]
    if len(tensors) == 1:
        return next(iter(tensors.values()))
    listed = ", ".join(f"'{one}'" for one in tensors) or "none"
    if name is None:
        raise InputError(
            f"Which {what} {who} is to read is not said, and there are {listed}. Add `{what}: NAME` to it."
        )
    raise InputError(
        f"{who[0].upper()}{who[1:]} reads the {what} '{name}'; there is {listed}.{did_you_mean(name, tensors)}"
    )


def check_numbers(values: NDArray[Any], name: str, *, finite: bool = False) -> None:
    """
    Raises:
        PipelineError: NaN among a model's answers; infinity too where they must be finite.
    """
    if values.dtype.kind != "f" or not values.size:
        return
    bad = ~np.isfinite(values) if finite else np.isnan(values)
    if bad.any():
        count = int(bad.reshape(len(values), -1).any(axis=1).sum())
        kind = "NaN" if np.isnan(values).any() else "infinity"
        raise PipelineError(
            f"The output '{name}' holds {kind} for {count} of {len(values)} examples of a batch. The model's weights "
            "or the data's preprocessing are broken."
        )


def check_count(values: NDArray[Any], wanted: int, name: str) -> None:
    """
    Raises:
        InputError: not one target for each example.
    """
    if len(values) != wanted:
        raise InputError(
            f"A batch holds one target for each example; this one holds {wanted} examples and {len(values)} of {name}."
        )


def same_shape(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether two examples' shapes, without the batch, can be the same; an open dimension fits every size."""
    return len(first) == len(second) and all(
        own == other or OPEN in (own, other) for own, other in zip(first, second, strict=True)
    )


def without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """An example's shape without dimensions of 1: [1, 1, 10] and [10] hold the same scores."""
    return tuple(side for side in shape if side != 1)


def relative_agreement(reference: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """1 − ‖reference − other‖ / ‖reference‖ of each example, clipped to 0..1; [B] of two [B, …].

    1 where both are all zeros; 0 where only the reference is, or where a value is not finite.
    """
    one, two = (np.asarray(values, np.float64).reshape(len(values), -1) for values in (reference, other))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        length, apart = np.linalg.norm(one, axis=1), np.linalg.norm(one - two, axis=1)
        share = np.where(apart == 0, 1.0, 1 - apart / length)
    clipped: NDArray[np.float64] = np.clip(np.nan_to_num(share, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    return clipped
