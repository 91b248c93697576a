"""Judge several models on one stream of examples, by a task and against a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, did_you_mean
from pipeline.evaluation.comparison import Comparison, Record, renamed
from pipeline.evaluation.statistics import bootstrap_ends, finite_or_none, wilson_interval
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Task
from pipeline.tensors import Batch, Predictor
from pipeline.tflite.kernels import Kernels, open_runner

Model = Path | bytes | Predictor


@dataclass(frozen=True)
class Evaluation:
    """How good one model is."""

    task: str
    values: dict[str, float]
    """The task's metrics by name, shares as 0..1; empty without labels."""
    n: int
    size_bytes: int | None
    """None for a model that is no file."""
    interval: tuple[float, float] | None
    """95 % interval of the first metric: Wilson's for a share of right answers, else a bootstrap's."""
    compared: Comparison | None
    """Against the reference; None for that itself and without one."""
    metric: str | None
    """The first metric's name."""
    statistics: NDArray[Any] | None = field(repr=False, compare=False)
    """The task's statistics of each example, [n, …]; not part of the JSON."""
    besides: dict[str, Comparison] = field(default_factory=dict, repr=False)
    """Against other models, by name, where that was asked for; not part of the JSON."""

    @property
    def agreement(self) -> float | None:
        return self.compared.agreement if self.compared else None

    def to_json(self) -> dict[str, Any]:
        """The metrics by name, `n`, `agreement`, `size_bytes`, `<first metric>_interval`, `difference`, `outputs`.

        What is not known is None: a metric that is NaN or infinite, agreement without a reference.
        """
        compared = self.compared
        content: dict[str, Any] = {
            **{name: finite_or_none(value) for name, value in self.values.items()},
            "n": self.n,
            "agreement": self.agreement,
            "size_bytes": self.size_bytes,
        }
        if self.metric is not None and self.interval is not None:
            content[f"{self.metric}_interval"] = [finite_or_none(end) for end in self.interval]
        content["difference"] = compared.difference.to_json() if compared and compared.difference else None
        content["outputs"] = {name: one.to_json() for name, one in compared.fidelity.items()} if compared else None
        return content


def evaluate(
    models: Mapping[str, Model],
    batches: Iterable[Batch],
    task: Task,
    reference: str | None = None,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    threads: int = 2,
    batch_size: int = 8,
    track: Track = quiet,
    xnnpack: bool = True,
) -> dict[str, Evaluation]:
    """Judge models in one pass over the data.

    Args:
        models: .tflite files or their content, or anything that answers batches, by name.
        batches: The examples; taken once, one batch at a time, never all in memory.
        task: How outputs are judged.
        reference: The name of the model that the others are compared with. It is not compared with itself.
        pairs: Further pairs of models, the first of which is compared with the second.
        threads: CPU threads of each file's interpreter.
        batch_size: Examples in one call of the runtime; a model that fixes its batch runs with its own.
        track: Follows the batches.
        xnnpack: Whether files run under XNNPACK, or on TFLite's own kernels.

    Returns:
        The results under the models' names, in their order.

    Raises:
        InputError: a file that is no model, no examples, examples that a model does not take, or outputs and targets
            that the task cannot judge.
        PipelineError: a model fails or gives NaN.
    """
    if reference is not None and reference not in models:
        raise InputError(f"The reference '{reference}' is not among the models.{did_you_mean(reference, models)}")
    kernels: Kernels = "xnnpack" if xnnpack else "builtin"
    predictors = {
        name: open_runner(model, kernels, batch_size, threads=threads) if isinstance(model, Path | bytes) else model
        for name, model in models.items()
    }
    compared = [(name, reference) for name in models if reference is not None and name != reference]
    names = [spec.name for spec in predictors[reference or next(iter(models))].signature.outputs]
    records = {name: Record(name, task) for name in models}
    for batch in track(batches, "evaluate"):
        if len(batch) == 0:
            continue
        answers = {name: renamed(predictor(batch.inputs), names) for name, predictor in predictors.items()}
        targets = task.targets_of(batch)
        for name, record in records.items():
            record.add(answers[name], targets)
        for name, other in dict.fromkeys([*compared, *pairs]):
            records[name].hold_against(other, answers[name], answers[other])
    if any(record.n == 0 for record in records.values()):
        raise InputError("There are no examples to evaluate on. Look at the data's splits.")
    return {
        name: result(
            record,
            records[reference] if reference is not None and name != reference else None,
            models[name],
            [records[other] for own, other in pairs if own == name],
        )
        for name, record in records.items()
    }


def result(
    record: Record, reference: Record | None, model: Model | None = None, besides: Sequence[Record] = ()
) -> Evaluation:
    """What a finished record amounts to.

    Args:
        record: Of the model.
        reference: What it was held against.
        model: For its size.
        besides: What else it was held against.
    """
    statistics, task = record.statistics, record.task
    return Evaluation(
        task=task.name,
        values={} if statistics is None else task.reduce(statistics),
        n=record.n,
        size_bytes=_size(model),
        interval=None if statistics is None else metric_interval(task, statistics),
        compared=None if reference is None else record.against(reference),
        metric=task.metrics[0].name if task.metrics else None,
        statistics=statistics,
        besides={other.name: record.against(other) for other in besides},
    )


def _size(model: Model | None) -> int | None:
    if isinstance(model, bytes):
        return len(model)
    return model.stat().st_size if isinstance(model, Path) else None


def metric_interval(task: Task, statistics: NDArray[Any]) -> tuple[float, float]:
    """95 % interval of the task's first metric."""
    hits = task.hits(statistics)
    if hits is not None:
        return wilson_interval(int(np.sum(hits)), len(hits))
    return bootstrap_ends(len(statistics), statistics.nbytes, task.resampling(statistics))
