"""Pictures of what models answer: the worst examples side by side, and where whole classes go wrong."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError
from pipeline.progress import Track, quiet
from pipeline.tasks.drawable import ClassAnswer, Drawable
from pipeline.tasks.task import Task
from pipeline.tensors import Batch, Predictor, Tensors

if TYPE_CHECKING:
    from pipeline.data import Dataset

WORST, CONFUSION, PRECISION_RECALL = "worst.png", "confusion.png", "precision_recall.png"
SHOWN = 12
_CHUNK = 32


@dataclass(order=True)
class _Candidate:
    """An example; the worst is the greatest."""

    rank: tuple[float, float, float, int]
    """How far answers disagree, what the metric loses, how far outputs differ, and the place from the end: of equals
    the first is the worst."""
    image: NDArray[Any] = field(compare=False)
    answers: dict[str, Drawable] = field(compare=False)
    caption: str = field(compare=False)


def save(
    models: Mapping[str, Predictor],
    dataset: Dataset,
    split: str,
    task: Task,
    folder: Path,
    *,
    reference: str | None = None,
    shown: int = SHOWN,
    track: Track = quiet,
) -> tuple[Path, ...]:
    """Draw what models answer to the images of a split.

    `worst.png` has the examples on which the models agree least, those first where the metric loses most;
    `confusion.png` a matrix for each classifier; `precision_recall.png` a curve for each detector and class.

    Args:
        models: By what pictures call them; two or three are readable.
        dataset: Its one input is an image.
        split: Whose examples.
        task: How answers are read.
        folder: Made where it is not there; files of these names in it are replaced.
        reference: The model that the others are held against; the first by default.
        shown: Examples in `worst.png`.
        track: Follows the batches.

    Returns:
        The files that were written.

    Raises:
        InputError: the examples are no images, the task has nothing to draw, or `folder` is a file.
        PipelineError: a model fails, or a file cannot be written.
    """
    from pipeline.report import confusion_plot, example_pictures, precision_recall_plot

    name = _image_input(dataset)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file: pictures need a folder.")
    against = reference if reference is not None else next(iter(models))
    batches = track(dataset.batches(split, _CHUNK), "pictures")
    worst, classes, statistics = _collect(models, batches, task, name, against, shown)
    described = dataset.preprocessors[name].describe()
    examples = [
        example_pictures.Example(
            example_pictures.as_pixels(candidate.image, described), candidate.answers, candidate.caption
        )
        for candidate in worst
    ]
    names = dataset.class_names
    written = [folder / WORST]
    example_pictures.draw(examples, names, written[0])
    matrices = _matrices(classes, len(names))
    if matrices:
        written.append(folder / CONFUSION)
        confusion_plot.draw(matrices, names, written[-1])
    curves = task.curves({name: found for name, found in statistics.items() if found is not None})
    if curves:
        written.append(folder / PRECISION_RECALL)
        named = {names[index] if index < len(names) else str(index): models for index, models in curves.items()}
        precision_recall_plot.draw(named, written[-1])
    return tuple(written)


def _image_input(dataset: Dataset) -> str:
    images = [
        name
        for name, spec in dataset.inputs.items()
        if len(spec.shape) == 4
        and spec.shape[-1] in (1, 3)
        and dataset.preprocessors[name].describe()["kind"] == "image"
    ]
    if len(images) == 1:
        return images[0]
    listed = ", ".join(str(spec) for spec in dataset.inputs.values())
    raise InputError(f"Pictures are drawn of one input of images, and the data has {listed}.")


def _collect(
    models: Mapping[str, Predictor], batches: Iterable[Batch], task: Task, name: str, against: str, shown: int
) -> tuple[list[_Candidate], dict[str, list[tuple[int, int]]], dict[str, NDArray[Any] | None]]:
    """The worst examples, the worst first; of classifiers label and answer of each example; statistics by model."""
    kept: list[_Candidate] = []  # a heap whose first is the best of the worst
    classes: dict[str, list[tuple[int, int]]] = {model: [] for model in models}
    statistics: dict[str, list[NDArray[Any]]] = {model: [] for model in models}
    seen = 0
    for batch in batches:
        targets = task.targets_of(batch)
        outputs = {model: predictor(batch.inputs).real for model, predictor in models.items()}
        drawn = {model: task.drawn_outputs(own) for model, own in outputs.items()}
        if not drawn[against]:
            raise InputError(
                f"The task '{task.name}' has nothing to draw: pictures are of classes, boxes, masks and points."
            )
        labels = task.drawn_targets(targets) if targets else []
        judged = {model: task.statistics(own, targets) for model, own in outputs.items() if targets and task.metrics}
        values = {model: _metric_of_each(task, judged.get(model), len(batch)) for model in models}
        agreed = {model: task.agreement(outputs[against], own) for model, own in outputs.items() if model != against}
        differ = {model: _distance(outputs[against], outputs[model]) for model in agreed}
        for model in models:
            if model in judged:
                statistics[model].append(judged[model])
            classes[model] += [
                (label.index, answer.index)
                for label, answer in zip(labels, drawn[model], strict=False)
                if isinstance(label, ClassAnswer) and isinstance(answer, ClassAnswer)
            ]
        for index in range(len(batch)):
            alike = min((float(own[index]) for own in agreed.values()), default=1.0)
            gained = min(
                (values[model][index] - values[against][index] for model in agreed), default=values[against][index]
            )
            said = {"label": labels[index]} if labels else {}
            candidate = _Candidate(
                (-alike, -gained, max((float(own[index]) for own in differ.values()), default=0), -(seen + index)),
                batch.inputs[name][index],
                {**said, **{model: drawn[model][index] for model in models}},
                f"example {seen + index}" + (f": agreement {100 * alike:.0f} %" if agreed else ""),
            )
            (heapq.heappush if len(kept) < shown else heapq.heappushpop)(kept, candidate)
        seen += len(batch)
    if not kept:
        raise PipelineError("There are no examples to draw.")
    found = {model: task.finalize(np.concatenate(parts)) if parts else None for model, parts in statistics.items()}
    return sorted(kept, reverse=True), classes, found


def _metric_of_each(task: Task, statistics: NDArray[Any] | None, count: int) -> NDArray[np.float64]:
    """The first metric of each example alone, higher for better; 0 where it has none."""
    if statistics is None:
        return np.zeros(count)
    metric = task.metrics[0]
    sign = 1 if metric.higher_is_better else -1
    values = [sign * task.reduce(statistics[index : index + 1])[metric.name] for index in range(count)]
    return np.nan_to_num(np.array(values, np.float64))


def _distance(first: Tensors, second: Tensors) -> NDArray[np.float64]:
    """Mean absolute difference of each example's outputs, of each output in shares of its largest value, [B]."""
    parts = []
    for own, other in zip(first.values(), second.values(), strict=True):
        one, two = (np.asarray(values, np.float64).reshape(len(values), -1) for values in (own, other))
        parts.append(np.abs(one - two).mean(axis=1) / max(float(np.abs(one).max(initial=0)), 1e-12))
    furthest: NDArray[np.float64] = np.nan_to_num(np.max(parts, axis=0))
    return furthest


def _matrices(classes: Mapping[str, Sequence[tuple[int, int]]], known: int) -> dict[str, NDArray[np.int64]]:
    """Counts [C, C], label by answer; empty where there are no classes."""
    every = [index for pairs in classes.values() for pair in pairs for index in pair]
    if not every:
        return {}
    count = max(known, max(every) + 1)
    matrices = {}
    for model, pairs in classes.items():
        matrices[model] = np.zeros((count, count), np.int64)
        np.add.at(matrices[model], tuple(np.array(pairs).T), 1)
    return matrices
