"""From labels as people store them to class indices, and what the classes are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import limits
from pipeline.data.examples import Labels
from pipeline.errors import InputError, did_you_mean, shortened
from pipeline.files import check_ordinary

MOST_CLASSES = 1_000_000
"""Beyond this a label is taken for an identifier or a measurement, not for a class."""


def read_class_names(path: Path) -> tuple[str, ...]:
    """The class names in a text file, one a line; blank lines at the end do not count.

    Raises:
        InputError: no such file, not text, no names, or a name twice.
    """
    check_ordinary(path)
    try:
        lines = limits.text_file(path).rstrip().splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"data.labels: {path} cannot be read as a text file: {error}.") from error
    names = tuple(line.strip() for line in lines)
    if not names:
        raise InputError(f"data.labels: {path} is empty; it takes one class name a line.")
    lines_of: dict[str, int] = {}
    for line, name in enumerate(names, 1):
        if name in lines_of:
            raise InputError(
                f"data.labels: {path} has the class '{shortened(name)}' twice, in lines {lines_of[name]} and {line}. "
                "Two classes need two names."
            )
        lines_of[name] = line
    return names


Where = Callable[[int], str]
"""Names an example in messages."""


def class_indices(y: Any, where: Where, name: str = "y") -> tuple[Labels, int]:
    """Check stored labels and make class indices of them.

    Args:
        y: Anything numpy makes [N] or [N, 1] whole numbers of, or one-hot rows [N, classes].
        where: Names an example in messages.
        name: The target's.

    Returns:
        The indices, int64 [N], and the number of classes they show: the largest index + 1, or the width of
        the one-hot rows.

    Raises:
        InputError: a label that is no class index, naming the example.
    """
    labels = np.asarray(y)
    if labels.dtype.kind not in "buif":
        raise InputError(f"The label of {where(0)} and the others must be class indices, not {labels.dtype}.")
    width = 0
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.shape[1] > 1:
        width = labels.shape[1]
        labels = _from_one_hot(labels, where)
    if labels.ndim != 1:
        raise InputError(
            f"Labels have the shape {list(labels.shape)} where the first example is {where(0)}; "
            "they must be [N], [N, 1] or one-hot [N, classes]."
        )
    if not len(labels):
        return labels.astype(np.int64), width
    wrong = ~np.isfinite(labels) | (labels < 0) | (labels != np.floor(labels)) | (labels >= MOST_CLASSES)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"{where(first)} has the label {labels[first]}; a label is a class index, a whole number counted from 0. "
            f"Numbers that are no classes need `--set data.targets.{name}.kind=value`."
        )
    return labels.astype(np.int64), width or int(labels.max()) + 1


def _from_one_hot(rows: NDArray[Any], where: Where) -> Labels:
    wrong = ~(((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(f"The label of {where(first)} is not one-hot: a row needs a single 1 and else zeros.")
    indices: Labels = rows.argmax(axis=1)
    return indices


def name_classes(
    splits: Mapping[str, tuple[Labels, Where]],
    given: tuple[str, ...] | None,
    native: tuple[str, ...] | None,
    classes: int,
) -> tuple[str, ...]:
    """The class names of a source whose labels are indices, after checking that every label has one.

    Args:
        splits: The class indices of each split, and what names its examples.
        given: The names in `data.labels`, which go before all others.
        native: The names the source itself knows.
        classes: The number of classes where neither has names; they are then called "0", "1", ….

    Raises:
        InputError: a label without a class, naming the example.
    """
    names = given or native or tuple(str(index) for index in range(classes))
    origin = "data.labels names" if given else "the source names" if native else "the training labels have"
    for labels, where in splits.values():
        beyond = labels >= len(names)
        if beyond.any():
            first = int(np.argmax(beyond))
            raise InputError(
                f"{where(first)} has the label {labels[first]}, but {origin} {len(names)} "
                f"classes, 0 to {len(names) - 1}. Correct the label, or give a file with one class name a "
                "line: `--set data.labels=…`."
            )
    return names


def order_classes(
    found: Iterable[str], given: tuple[str, ...] | None, *, ordered: bool = False
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of a source whose labels are names, and the index of each name found.

    Without `data.labels` they are numbered in the order of `sorted`, as Keras and torchvision do with
    image folders. With it, the file's order counts if the names found are in it; if none is, its lines rename
    the sorted ones, and there must be as many.

    Args:
        found: The names, each as often as it is found.
        given: Those in `data.labels`.
        ordered: The names found are the classes in the source's own order, which stays instead of being sorted.

    Raises:
        InputError: `data.labels` has some of the names only, or another number of them.
    """
    names = list(dict.fromkeys(found)) if ordered else sorted(set(found))
    by_name = {name: index for index, name in enumerate(names)}
    if given is None:
        return tuple(names), by_name
    order = {name: index for index, name in enumerate(given)}
    missing = [name for name in names if name not in order]
    if not missing:
        return given, {name: order[name] for name in names}
    if len(missing) == len(names) == len(given):
        return given, by_name
    if len(missing) == len(names):
        raise InputError(
            f"data.labels has {len(given)} names, none of them of the {len(names)} classes found "
            f"('{names[0]}' …). It must hold those names, or exactly as many new ones in the same order."
        )
    raise InputError(
        f"The class '{missing[0]}' is not in data.labels.{did_you_mean(missing[0], given)} "
        "The file must name every class, one a line, or set data.labels to null."
    )
