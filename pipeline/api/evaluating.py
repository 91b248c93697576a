"""`pipeline.evaluate`: how good models are on examples, by their task and against a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.api.model import files, load, opened_by_name, task_of
from pipeline.evaluation.evaluator import Evaluation
from pipeline.evaluation.evaluator import evaluate as evaluate_models
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Task
from pipeline.text_table import size, text_table
from pipeline.workflow.context import EVALUATION_CHUNK
from pipeline.workflow.given_data import GivenData

if TYPE_CHECKING:
    from pipeline.evaluation.comparison import Comparison
    from pipeline.evaluation.statistics import Difference


@dataclass(frozen=True, eq=False)
class EvaluationResult(Mapping[str, Evaluation]):
    """What models scored, by name; the properties are the first one's."""

    task: Task
    """By which they were judged."""
    reason: str
    """Why by that."""
    models: dict[str, Evaluation]
    reference: str | None
    """What the others are compared with."""

    def __getitem__(self, name: str) -> Evaluation:
        return self.models[name]

    def __iter__(self) -> Any:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    @property
    def first(self) -> Evaluation:
        """The first model's."""
        return next(iter(self.models.values()))

    @property
    def metrics(self) -> dict[str, float]:
        """By name, shares as 0..1; empty without labels."""
        return self.first.values

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the first metric."""
        return self.first.interval

    @property
    def compared(self) -> Comparison | None:
        """With the reference, output by output."""
        return self.first.compared

    @property
    def agreement(self) -> float | None:
        """How far it answers as the reference does, 0..1; None without a reference."""
        return self.first.agreement

    @property
    def difference(self) -> Difference | None:
        """Of the first metric to the reference's, with a 95 % interval; None without labels or a reference."""
        return self.first.compared.difference if self.first.compared else None

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task.describe(),
            "reference": self.reference,
            "models": {name: found.to_json() for name, found in self.models.items()},
        }

    def __str__(self) -> str:
        labelled = any(found.values for found in self.models.values())
        metrics = self.task.metrics if labelled else ()
        columns = ["model", *(metric.label for metric in metrics), "95 % interval", "agreement", "vs reference", "size"]
        if not labelled:
            columns.remove("95 % interval")
        rows = [self._row(found, name) for name, found in self.models.items()]
        against = f", compared with {self.reference}" if self.reference else ""
        return f"{text_table(columns, rows)}\n{self.first.n} examples, task {self.task.name}{against}"

    def _row(self, found: Evaluation, name: str) -> list[str]:
        row = [name]
        if found.values:
            first = self.task.metrics[0]
            row += [metric.show(found.values.get(metric.name)) for metric in self.task.metrics]
            row.append("–" if found.interval is None else " – ".join(map(first.show, found.interval)))
        compared = found.compared
        row.append("–" if compared is None else f"{100 * compared.agreement:.1f} %")
        row.append("–" if compared is None else self._versus(compared))
        return [*row, size(found.size_bytes)]

    def _versus(self, compared: Comparison) -> str:
        difference = compared.difference
        if difference is None:
            return f"{compared.sqnr_db:.1f} dB SQNR"
        first = self.task.metrics[0]
        return first.show_points(*(first.factor * end for end in (difference.value, difference.low, difference.high)))


def evaluate(
    models: Any,
    data: Any,
    *,
    reference: Any = None,
    task: str | Mapping[str, Any] = "auto",
    split: str = "test",
    batch_size: int = 8,
    threads: int = 2,
    track: Track = quiet,
) -> EvaluationResult:
    """Judge models on examples: metrics with a 95 % interval, and the paired difference to a reference.

    Args:
        models: One model, a list, or a mapping from names: a .tflite or Keras file, bytes, a Keras model, a result of
            `quantize`. A Keras model is judged as the float32 .tflite that it converts to.
        data: A pair (inputs, targets) of arrays [N, …] or mappings of them by name; a function that gives batches of
            such pairs; or a data set of `load_data`. Inputs alone: models are compared with the reference, not judged.
        reference: A model that the others are compared with, usually the float one; or the name of one of them.
        task: What the outputs are: `classification`, `regression`, …, as in a recipe; `auto` reads it off model and
            data.
        split: Of a data set.
        batch_size: Examples in one call of the runtime.
        threads: CPU threads of each model.
        track: Progress, for example `pipeline.progress.bar`.

    Raises:
        InputError: no such model or split, examples that a model does not take, targets that the task cannot judge by.
        PipelineError: a model fails or gives NaN.

    Example:
        >>> evaluate("int8.tflite", (x_test, y_test), reference="float.tflite").metrics["top1"]  # doctest: +SKIP
        0.989
    """
    named = opened_by_name(models)
    shown = list(named)
    against: str | None = None
    if isinstance(reference, str) and reference in named:
        against = reference
    elif reference is not None:
        model = load(reference)
        same = [name for name, other in named.items() if other is model]
        against = same[0] if same else _free("reference" if model.name in named else model.name, named)
        named[against] = model
    examples = data if hasattr(data, "batches") else GivenData(data)
    resolved = task_of(task, named[against or shown[0]], examples)
    with files(named) as paths:
        found = evaluate_models(
            paths,
            examples.batches(split, EVALUATION_CHUNK),
            resolved.task,
            against,
            threads=threads,
            batch_size=batch_size,
            track=track,
        )
    return EvaluationResult(resolved.task, resolved.reason, {name: found[name] for name in shown}, against)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "'"
    return name
