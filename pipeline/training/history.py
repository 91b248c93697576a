"""What a training said, epoch by epoch, and in one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.tasks.task import Metric

ChosenBy = Literal["int8", "validation", "val_loss", "loss"]
"""What chose the epoch: the task's first metric of the written model or of Keras's, or a loss."""


@dataclass(frozen=True)
class History:
    """An entry an epoch; the lists of what was not measured are empty. `vars` of it is JSON."""

    loss: list[float]
    val_loss: list[float]
    accuracy: list[float]
    """Of the training batches, 0..1; where the task's first metric is top-1."""
    val_accuracy: list[float]
    best_epoch: int
    """From 1."""
    chosen_by: ChosenBy = "loss"
    scores: list[float] = field(default_factory=list)
    """What the epoch was chosen by, where that was no loss: the task's first metric, shares as 0..1, of the int8 model
    or of Keras's; for a task without metrics the int8 model's decibels to the float model."""
    metrics: dict[str, list[float]] = field(default_factory=dict)
    """The task's metrics of Keras's model on the validation split, by name, where Keras does not count them itself."""

    @property
    def best(self) -> float:
        """What chose the epoch, in the best one."""
        values = {"loss": self.loss, "val_loss": self.val_loss}.get(self.chosen_by, self.scores)
        return values[self.best_epoch - 1]

    def outcome(self, metric: Metric | None, epochs: int) -> str:
        """In words.

        Args:
            metric: The task's first.
            epochs: How many there were to be.
        """
        done = len(self.loss)
        early = "" if done == epochs else f" (stopped early of {epochs})"
        where = f"in epoch {self.best_epoch}"
        if self.chosen_by in ("int8", "validation"):
            whose = "int8 validation" if self.chosen_by == "int8" else "validation"
            shown = f"{self.best:.1f} dB to float" if metric is None else f"{metric.label} {metric.show(self.best)}"
            return f"{done} epochs{early}, best {whose} {shown} {where}"
        if self.chosen_by == "val_loss":
            return f"{done} epochs{early}, best validation loss {self.best:.4g} {where}"
        trained = f"accuracy {100 * self.accuracy[-1]:.1f} %" if self.accuracy else f"loss {self.loss[-1]:.4g}"
        return f"{done} epochs{early}, training {trained}"
