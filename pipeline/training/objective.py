"""What a model is trained towards: the losses of its outputs, by the targets and by a teacher, and what they compare.

A distilled output is given twice: as it is, for the loss over the targets, and as a copy for the teacher's. So each
loss is Keras's own affair, whatever the shapes of the targets are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras_signature import endings_of
from pipeline.tasks.task import Task
from pipeline.tensors import Array, Batch, in_order
from pipeline.training.distillation import Teacher
from pipeline.training.feeding import input_specs
from pipeline.training.losses import Loss, OutputLoss, losses_of

_COPY = "_distilled"


@dataclass(frozen=True, eq=False)
class Objective:
    """How one model is trained by one task."""

    model: Any
    """What Keras compiles: the model itself, or one over the same layers that gives its outputs as a flat list, with
    the copies behind them."""
    outputs: tuple[str, ...]
    """Of the model itself."""
    losses: Mapping[str, Loss]
    """By output name, those of the copies among them."""
    weights: Mapping[str, float]
    metrics: Mapping[str, list[Any]]
    """By output name, Keras's own metric that is the task's first one; empty where Keras has none."""
    task: Task
    teacher: Teacher | None

    def batch(self, batch: Batch) -> Batch:
        """A batch as Keras takes it: inputs and targets by the model's names, the teacher's answers among the targets.

        Raises:
            InputError: inputs that the model does not take, or a target that is missing.
        """
        specs = input_specs(self.model)
        arrays = in_order(batch.inputs, specs, f"The model '{self.model.name}'")
        given = targets_by_output(batch, self.task, self.outputs)
        targets: dict[str, Array] = {}
        answers = dict(zip(self.outputs, self.teacher.outputs(batch.inputs), strict=True)) if self.teacher else {}
        for name in self.losses:
            if name not in self.outputs:
                targets[name] = answers[name.removesuffix(_COPY)]
            elif name in given:
                targets[name] = given[name]
            else:
                listed = ", ".join(f"'{target}'" for target in batch.targets) or "none"
                raise InputError(
                    f"The output '{name}' is trained by a loss, and the data has no target for it, only: {listed}. "
                    "Give it one of the output's name, or a task that says which target is the output's."
                )
        return Batch({spec.name: array for spec, array in zip(specs, arrays, strict=True)}, targets)

    def specs(self, example: Batch) -> tuple[Any, dict[str, Any]]:
        """The `tf.TensorSpec`s of :meth:`element`, told by one batch as :meth:`batch` gives it."""
        inputs = tuple(_spec(tensor.shape[1:], tensor.dtype) for tensor in self.model.inputs)
        shapes = {name: tuple(output.shape) for name, output in self._named_outputs()}
        targets = {
            name: _spec(_sides(shapes[name], array.shape), array.dtype) for name, array in example.targets.items()
        }
        return (inputs if len(inputs) > 1 else inputs[0]), targets

    def element(self, batch: Batch) -> tuple[Any, dict[str, Array]]:
        """Such a batch as an element of the stream that is trained on."""
        inputs = tuple(batch.inputs.values())
        return (inputs if len(inputs) > 1 else inputs[0]), dict(batch.targets)

    def _named_outputs(self) -> list[tuple[str, Any]]:
        return list(zip(self.model.output_names, self.model.outputs, strict=True))


def objective(
    model: Any, task: Task, how: recipe.Train | recipe.Qat, example: Batch, teacher: Teacher | None = None
) -> Objective:
    """What to train a model with.

    Args:
        model: A built `tf_keras` model.
        task: What it is for.
        how: The recipe's section; its losses come before the task's.
        example: Some of the data, which shows what targets there are.
        teacher: Whose outputs are learned: beside the targets, or alone where there is no loss or no target.

    Raises:
        InputError: as `losses_of` and `Teacher.check`, or there is nothing to train towards.
    """
    names = tuple(model.output_names)
    chosen = losses_of(model, task, how)
    if teacher is None:
        by_targets, by_teacher = chosen, dict[str, Loss]()
    else:
        teacher.check(model)
        by_targets = {name: chosen[name] for name in with_targets(chosen, task, example, names)}
        compared = teacher.losses(model, {name: loss.name for name, loss in chosen.items()})
        by_teacher = {name: loss for name, loss in compared.items() if teacher.weight or name not in by_targets}
    if not by_targets and not by_teacher:
        raise InputError(
            f"The task '{task.name}' has no loss, so there is nothing to train '{model.name}' towards. Name a loss: "
            "--set train.loss=mse (or one for each output), name a task that has one, or leave the training out."
        )
    weights = {name: chosen[name].weight if name in chosen else 1.0 for name in (*by_targets, *by_teacher)}
    losses: dict[str, Loss] = {name: loss.function for name, loss in by_targets.items()}
    losses |= {name + _COPY: loss for name, loss in by_teacher.items()}
    share = teacher.weight if teacher is not None else 0.0
    own = {name: weights[name] * (1 - share if name in by_teacher else 1.0) for name in by_targets}
    copied = {name + _COPY: weights[name] * (share if name in by_targets else 1.0) for name in by_teacher}
    return Objective(
        _compiled(model, list(by_teacher)),
        names,
        losses,
        {**own, **copied},
        _keras_metric(model, task, by_targets),
        task,
        teacher if by_teacher else None,
    )


def with_targets(losses: Mapping[str, OutputLoss], task: Task, example: Batch, names: tuple[str, ...]) -> list[str]:
    """The outputs among `names` that have both a loss and a target in the data."""
    given = targets_by_output(example, task, names) if losses else {}
    return [name for name in losses if name in given]


def targets_by_output(batch: Batch, task: Task, names: tuple[str, ...]) -> dict[str, Array]:
    """What the losses compare the outputs with: the task's, else a target that is called as the output is.

    One target serves the one output whatever it is called.
    """
    judged = task.targets_of(batch)
    found = task.training_targets(judged) if judged else {}
    left = [name for name in names if name not in found]
    if len(names) == len(batch.targets) == 1 and left:
        return {left[0]: np.asarray(next(iter(batch.targets.values())))}
    return found | {name: np.asarray(batch.targets[name]) for name in left if name in batch.targets}


def _compiled(model: Any, distilled: list[str]) -> Any:
    if not distilled and (isinstance(model.output, list) or not tf.nest.is_nested(model.output)):
        return model
    copies = [
        tf_keras.layers.Activation("linear", name=name + _COPY)(output)
        for name, output in zip(model.output_names, model.outputs, strict=True)
        if name in distilled
    ]
    return tf_keras.Model(model.inputs, [*model.outputs, *copies], name=model.name)


def _keras_metric(model: Any, task: Task, trained: Mapping[str, OutputLoss]) -> dict[str, list[Any]]:
    """Keras's accuracy, where it is the task's first metric: top-1 of one output [B, classes]."""
    if len(trained) != 1 or not task.metrics or task.metrics[0].name != "top1":
        return {}
    [name] = trained
    output = model.outputs[list(model.output_names).index(name)]
    if len(output.shape) != 2 or name not in task.losses:
        return {}
    if output.shape[-1] == 1:
        middle = 0.0 if endings_of(model)[name] == "none" else 0.5
        return {name: [tf_keras.metrics.BinaryAccuracy("accuracy", threshold=middle)]}
    return {name: [tf_keras.metrics.CategoricalAccuracy("accuracy")]}


def _sides(output: tuple[int | None, ...], target: tuple[int, ...]) -> tuple[int | None, ...]:
    """A target's shape without the batch, open where the output's is; all open where it is of another rank."""
    if len(output) != len(target):
        return (None,) * len(target[1:])
    return tuple(None if side is None else given for side, given in zip(output[1:], target[1:], strict=True))


def _spec(sides: Any, dtype: Any) -> Any:
    return tf.TensorSpec((None, *sides), dtype)
