"""What could not be carried over: all of it in one message, with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import InputError

REMEDY = (
    "Write a function that builds the model with tf_keras and returns it, and name it with "
    "--set model.function=module:function."
)


@dataclass(frozen=True)
class Problem:
    """One layer or operation that Keras 2 cannot hold."""

    name: str
    kind: str
    """Its class."""
    reason: str


class CannotCarryError(Exception):
    """Why one layer or operation cannot be carried over; the graph adds its name and class."""


def refuse(model: str, problems: Sequence[Problem]) -> InputError:
    """The error that lists every problem of a model."""
    alike: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        alike.setdefault((problem.kind, problem.reason.rstrip(".")), []).append(problem.name)
    listed = "; ".join(f"{', '.join(names)} ({kind}): {reason}" for (kind, reason), names in alike.items())
    what = "a layer that has" if len(problems) == 1 else f"{len(problems)} layers that have"
    return InputError(f"The Keras 3 model '{model}' has {what} no Keras 2 counterpart: {listed}. {REMEDY}")
