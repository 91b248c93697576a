"""COCO's JSON: images, annotations and categories in one file. https://cocodataset.org/#format-data"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.boxes import CROWD, ORDINARY
from pipeline.data.annotations.annotated import AnnotatedImage, Box, Outline, Polygon, RunLengths
from pipeline.errors import InputError, one_line, readable, shortened
from pipeline.files import check_ordinary

_MOST_PIXELS = 2**30


@dataclass(frozen=True)
class CocoFile:
    """
    Attributes:
        images: With their boxes in the order of the file.
        categories: Names in the order of their ids.
        point_names: Of the category that has points; empty where none has, or several.
    """

    images: list[AnnotatedImage]
    categories: tuple[str, ...]
    point_names: tuple[str, ...]


def read(path: Path, *, outlines: bool = False) -> CocoFile:
    """
    Args:
        path: The file.
        outlines: Keep the outlines too, for masks.

    Raises:
        InputError: it is no such file, or an entry lacks something or names what is not there.
    """
    content = _content(path)
    categories, point_names = _categories(path, content)
    images: dict[Hashable, tuple[str, tuple[int, int] | None]] = {}
    for number, image in enumerate(_entries(path, content, "images")):
        where = f"{path}, images[{number}]"
        key = _key(image, "id", where)
        if key in images:
            raise InputError(f"{where} has the id {key} of another image.")
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            raise InputError(f"{where} has no file_name.")
        images[key] = readable(name), _size(image)
    boxes: dict[Hashable, list[Box]] = {key: [] for key in images}
    strays: list[str] = []
    for number, entry in enumerate(_entries(path, content, "annotations")):
        where = f"annotations[{number}]"
        image_id = _key(entry, "image_id", f"{path}, {where}")
        if image_id not in images:
            strays.append(f"{where} (image_id {image_id})")
            continue
        category = _key(entry, "category_id", f"{path}, {where}")
        if category not in categories:
            raise InputError(f"{path}, {where} has the category_id {category}, and the categories have no such id.")
        boxes[image_id].append(_box(path, where, entry, categories[category], outlines))
    if strays:
        raise InputError(
            f"{path}: {len(strays):,} annotations name images that the file does not have: {', '.join(strays[:3])}"
            f"{', …' if len(strays) > 3 else ''}. Remove them, or add the images."
        )
    found = [AnnotatedImage(name, str(path), boxes[key], size) for key, (name, size) in images.items()]
    names = [category for _, category in sorted(categories.items(), key=lambda item: (str(type(item[0])), item[0]))]
    return CocoFile(found, tuple(names), point_names)


def _content(path: Path) -> dict[str, Any]:
    check_ordinary(path)
    try:
        content = json.loads(limits.file_bytes(path, limits.COCO_BYTES), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as COCO's JSON: {one_line(error, 200)}.") from error
    if not isinstance(content, dict) or "images" not in content:
        what = "a list, as results of a model are" if isinstance(content, list) else "without a list of images"
        raise InputError(
            f"{path} is no COCO file of annotations: it is {what}. It takes images, annotations, categories."
        )
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _entries(path: Path, content: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{path} is no COCO file of annotations: it has no list of {key}.")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, {key}[{number}] is no object with keys.")
        yield entry


def _key(entry: Mapping[str, Any], key: str, where: str) -> Hashable:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f"{where} has no {key}.")
    return value


def _categories(path: Path, content: Mapping[str, Any]) -> tuple[dict[Hashable, str], tuple[str, ...]]:
    names: dict[Hashable, str] = {}
    points: list[tuple[str, ...]] = []
    for number, entry in enumerate(_entries(path, content, "categories")):
        where = f"{path}, categories[{number}]"
        key, name = _key(entry, "id", where), entry.get("name")
        if not isinstance(name, str) or not name:
            raise InputError(f"{where} has no name.")
        if key in names or readable(name) in names.values():
            raise InputError(f"{where} has the id or the name of another category: {key}, '{shortened(name)}'.")
        names[key] = readable(name)
        keypoints = entry.get("keypoints")
        if isinstance(keypoints, list) and keypoints:
            points.append(tuple(readable(point) for point in keypoints))
    return names, points[0] if len(points) == 1 else ()


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    if not isinstance(height, int) or not isinstance(width, int) or height < 1 or width < 1:
        return None
    return height, width


def _box(path: Path, where: str, entry: Mapping[str, Any], label: str, outlines: bool) -> Box:
    numbers = entry.get("bbox")
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(map(_is_number, numbers)):
        raise InputError(f"{path}, {where} has no bbox of four numbers: x, y, width, height in pixels.")
    x, y, width, height = map(float, numbers)
    area = entry.get("area")
    return Box(
        y,
        x,
        y + height,
        x + width,
        label,
        CROWD if entry.get("iscrowd") in (1, True) else ORDINARY,
        float(area) if area is not None and _is_number(area) and area > 0 else math.nan,
        where,
        _points(path, where, entry),
        _outline(path, where, entry) if outlines else None,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _points(path: Path, where: str, entry: Mapping[str, Any]) -> tuple[tuple[float, float, float], ...]:
    values = entry.get("keypoints")
    if values is None:
        return ()
    if not isinstance(values, list) or len(values) % 3 or not all(map(_is_number, values)):
        raise InputError(f"{path}, {where} has keypoints that are not x, y and visibility each.")
    groups = [values[start : start + 3] for start in range(0, len(values), 3)]
    odd = next((seen for _, _, seen in groups if seen not in (0, 1, 2)), None)
    if odd is not None:
        raise InputError(f"{path}, {where} has a keypoint of the visibility {odd}, which is 0, 1 or 2.")
    return tuple((float(y), float(x), float(seen)) for x, y, seen in groups)


def _outline(path: Path, where: str, entry: Mapping[str, Any]) -> Outline | None:
    stored = entry.get("segmentation")
    if isinstance(stored, dict):
        lengths = _run_lengths(stored.get("size"), stored.get("counts"))
        if lengths is None:
            raise InputError(f"{path}, {where} has a segmentation whose size or counts are none.")
        return lengths
    if stored in (None, []):
        return None
    polygons = stored if isinstance(stored, list) and all(isinstance(one, list) for one in stored) else None
    if polygons is None or any(len(one) < 6 or len(one) % 2 or not all(map(_is_number, one)) for one in polygons):
        raise InputError(
            f"{path}, {where} has a segmentation that is no list of polygons, x and y of 3 or more corners."
        )
    return Polygon(*(tuple(map(float, one)) for one in polygons))


def _run_lengths(size: Any, counts: Any) -> RunLengths | None:
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        return None
    if size[0] * size[1] > _MOST_PIXELS:
        return None
    if isinstance(counts, list) and all(isinstance(run, int) and run >= 0 for run in counts):
        return RunLengths((size[0], size[1]), tuple(counts))
    return RunLengths((size[0], size[1]), counts) if isinstance(counts, str) else None
