"""What a model is for: how its outputs are read, judged and trained. One module a task.

Two layers of judging: *fidelity* (`evaluation/fidelity.py`) compares the outputs of two models and needs no labels;
a :class:`~pipeline.tasks.task.Task` adds labels, metrics and a loss. `resolve` makes one of a recipe's `task`.
"""

from pipeline.tasks.registry import Resolved, resolve
from pipeline.tasks.task import LossName, Metric, Task

__all__ = ["LossName", "Metric", "Resolved", "Task", "resolve"]
