"""The user's own task: `module:Class`, or `module:function` for a metric of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline import importing
from pipeline.errors import InputError, PipelineError, did_you_mean
from pipeline.tasks.class_scores import activated
from pipeline.tasks.fidelity_only import Fidelity, class_readings
from pipeline.tasks.task import Endings, Metric, Task
from pipeline.tensors import Signature, Tensors, TensorSpec, batch_size

Function = Callable[[Tensors, Tensors], Any]
"""(outputs, targets) → one number for each example: both mappings from name to [B, …]; [B], or what becomes it."""


@dataclass(frozen=True)
class CustomMetric(Task):
    """A metric that is the mean of what a function says of each example.

    Example:
        >>> def off_by(outputs, targets):
        ...     return abs(outputs["angle"] - targets["angle"]).reshape(-1)
        >>> task = CustomMetric("mine:off_by", off_by, higher_is_better=False)
        >>> found = task.statistics({"angle": np.array([[3.0], [5.0]])}, {"angle": np.array([[3.0], [9.0]])})
        >>> task.reduce(found)
        {'off_by': 2.0}
    """

    name: str
    """`module:function`, as the recipe names it."""
    function: Function
    higher_is_better: bool = True
    unit: Literal["%", "dB", ""] = ""
    """`%` where the function gives shares, 0..1."""
    label: str | None = None
    """In tables; the function's name by default."""
    likeness: Fidelity = field(default_factory=Fidelity)
    """How two models agree without labels."""
    endings: Endings = field(default_factory=dict)
    """What the model's last operator does to its outputs."""
    cut: bool = False
    """Whether the outputs come without it; the function is given the whole model's all the same."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        own = self.name.rpartition(":")[2].rpartition(".")[2]
        return (Metric(own, self.label or own, self.unit, self.higher_is_better),)

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        """The function sees what it gets."""

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float64]:
        """[B]: what the function gives."""
        whole = {
            name: activated(values, self.endings.get(name, "none")) if self.cut else values
            for name, values in outputs.items()
        }
        try:
            given = self.function(whole, targets)
        except (InputError, PipelineError):
            raise
        except Exception as error:
            raise InputError(
                f"The task's function {self.name} raised {type(error).__name__}: {error}. It was given the outputs "
                f"{_shapes(outputs)} and the targets {_shapes(targets)}."
            ) from error
        return _one_each(given, batch_size(outputs), self.name)

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        return {self.metrics[0].name: float(np.mean(statistics))}

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        return statistics > 0 if self.higher_is_better and np.isin(statistics, (0, 1)).all() else None

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """As for a model without labels."""
        return self.likeness.agreement(reference, other)

    def before_activation(self) -> CustomMetric:
        return replace(self, likeness=self.likeness.before_activation(), cut=True)

    def describe(self) -> dict[str, Any]:
        metric = self.metrics[0]
        return {"name": self.name, "higher_is_better": metric.higher_is_better, "unit": metric.unit}


def load(reference: str, signature: Signature, endings: Endings, options: Mapping[str, Any]) -> Task:
    """The task that `module:name` stands for: a Task, a class of tasks (made with the options), or a function.

    Raises:
        InputError: it cannot be imported, or is none of these.
    """
    found = importing.chosen(reference, "task", "task", "module:Class or module:function")
    if isinstance(found, Task):
        _no_options(reference, options, "is a task already made")
        return found
    if inspect.isclass(found):
        return _made(reference, found, options)
    if callable(found):
        return _of_function(reference, found, signature, endings, options)
    raise InputError(
        f"The task {reference} is {type(found).__name__}: it must be a pipeline.tasks.Task, a class of one, or a "
        "function (outputs, targets) → one number for each example."
    )


def _made(reference: str, found: type, options: Mapping[str, Any]) -> Task:
    if not issubclass(found, Task):
        raise InputError(f"The class {reference} is no task: derive it from pipeline.tasks.Task.")
    try:
        return found(**options)
    except InputError:
        raise
    except Exception as error:
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        what = f"it lacks {missing}" if missing else f"{type(error).__name__}: {error}"
        raise InputError(f"The task {reference} cannot be made with the options {dict(options)}: {what}.") from error


def _of_function(
    reference: str, function: Function, signature: Signature, endings: Endings, options: Mapping[str, Any]
) -> CustomMetric:
    known: dict[str, tuple[Any, ...]] = {
        "higher_is_better": (True, False),
        "unit": ("", "%", "dB"),
        "label": (),
    }
    for key, value in options.items():
        if key not in known:
            raise InputError(f"The task {reference} has no option '{key}'.{did_you_mean(key, known)}")
        if (known[key] and value not in known[key]) or (not known[key] and not isinstance(value, str)):
            allowed = " or ".join(repr(one) for one in known[key]) or "a text"
            raise InputError(f"The option {key} of the task {reference} is {allowed}, not {value!r}.")
    return CustomMetric(
        reference,
        function,
        likeness=Fidelity(class_readings(signature, endings)),
        endings=dict(endings),
        **options,
    )


def _no_options(reference: str, options: Mapping[str, Any], why: str) -> None:
    if options:
        raise InputError(f"The task {reference} {why} and takes no options: {', '.join(options)}.")


def _one_each(given: Any, examples: int, reference: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The task's function {reference} gave {type(given).__name__}; it is to give one number for each example."
        ) from error
    if values.size != examples or values.shape[:1] != (examples,):
        raise InputError(
            f"The task's function {reference} gave the shape {list(values.shape)} for {examples} examples; it is to "
            "give one number for each, without a mean of its own."
        )
    if np.isnan(values).any():
        raise PipelineError(
            f"The task's function {reference} gave NaN for {int(np.isnan(values).sum())} of {examples} examples of a "
            "batch."
        )
    return values.reshape(-1)


def _shapes(tensors: Tensors) -> str:
    return ", ".join(f"'{name}' {list(array.shape)}" for name, array in tensors.items()) or "none"
