"""YOLO's labels: one text file an image, one object a line, in shares of the upright image's sides.

A line is a class index and then centre x, centre y, width, height; or an outline, x and y of three or more corners; or,
where `kpt_shape` says how many there are, a box and points. https://docs.ultralytics.com/datasets
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.data.annotations.annotated import Box, Polygon
from pipeline.errors import InputError, one_line, shortened
from pipeline.files import check_ordinary

_PIXELS = 1.5
"""A share beyond it is none."""


def read(path: Path, points: tuple[int, int] | None = None) -> list[Box]:
    """The objects of one image.

    Args:
        path: The text file.
        points: How many points a line has behind its box, and the numbers of each: x, y, and maybe visibility.

    Raises:
        InputError: a line is of another layout, naming it.
    """
    check_ordinary(path)
    try:
        lines = limits.file_bytes(path, limits.ANNOTATION_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as YOLO's labels: {one_line(error, 200)}.") from error
    return [_box(path, number, line.split(), points) for number, line in enumerate(lines, 1) if line.strip()]


def _box(path: Path, line: int, words: Sequence[str], points: tuple[int, int] | None) -> Box:
    where = f"line {line}"
    try:
        values = [float(word) for word in words]
    except ValueError:
        odd = next(word for word in words if not _is_number(word))
        raise InputError(f"{path}, {where}: '{shortened(odd)}' is no number. {LAYOUT}") from None
    if not all(map(math.isfinite, values)):
        raise InputError(f"{path}, {where} holds NaN or infinity.")
    if values[0] < 0 or values[0] != math.floor(values[0]):
        raise InputError(f"{path}, {where}: '{shortened(words[0])}' is no class index. {LAYOUT}")
    label, rest = int(values[0]), values[1:]
    beyond = next((value for value in rest[:4] if abs(value) > _PIXELS), None)
    if beyond is not None:
        raise InputError(f"{path}, {where}: {beyond:g} is no share of the image's sides; are these pixels? {LAYOUT}")
    there = points[0] * points[1] if points is not None else 0
    if len(rest) == 4 or (points is not None and len(rest) == 4 + there):
        x, y, width, height = rest[:4]
        marks = _points(rest[4:], points[1]) if points is not None and there else ()
        corners = y - height / 2, x - width / 2, y + height / 2, x + width / 2
        return Box(*corners, label, where=where, points=marks)
    if points is None and len(rest) >= 6 and len(rest) % 2 == 0:
        ys, xs = rest[1::2], rest[::2]
        return Box(min(ys), min(xs), max(ys), max(xs), label, where=where, outline=Polygon(tuple(rest)))
    if len(rest) == 5:
        raise InputError(
            f"{path}, {where} has six values, as predictions that were saved with their confidence have, not labels. "
            f"{LAYOUT}"
        )
    said = f" and {points[0]} points of {points[1]} (kpt_shape)" if points is not None else ""
    raise InputError(f"{path}, {where} has {len(words)} values, which is no box{said}. {LAYOUT}")


LAYOUT = (
    "A line is a class index and then centre x, centre y, width, height, or x and y of three or more corners, all in "
    "shares of the image's sides."
)


def _points(values: Sequence[float], numbers: int) -> tuple[tuple[float, float, float], ...]:
    """(y, x, visibility) each. Without a visibility a point at 0, 0 is not there."""
    groups = [values[start : start + numbers] for start in range(0, len(values), numbers)]
    return tuple((one[1], one[0], one[2] if numbers == 3 else 2.0 if any(one) else 0.0) for one in groups)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def class_names(content: Any, where: str) -> tuple[str, ...]:
    """The names in a data.yaml: a list, or a mapping from 0, 1, ….

    Raises:
        InputError: they are neither.
    """
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        keys = sorted(names) if all(isinstance(key, int) for key in names) else []
        if keys != list(range(len(names))) or not keys:
            raise InputError(f"{where}: names must go from 0 to the number of classes − 1, as whole numbers.")
        names = [names[key] for key in keys]
    if not isinstance(names, list) or not names or any(isinstance(name, (list, dict)) for name in names):
        raise InputError(f"{where} has no names: a list of the classes' names, or 0: NAME, 1: NAME, …")
    found = tuple(str(name) for name in names)
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where} has the class '{shortened(twice)}' twice in names. Two classes need two names.")
    return found
