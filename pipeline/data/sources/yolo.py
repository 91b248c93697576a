"""`yolo`: images with YOLO's text files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.data.annotations import yolo_txt
from pipeline.data.annotations.annotated import AnnotatedImage
from pipeline.data.labels import read_class_names
from pipeline.data.sources.annotated_files import SPLIT_NAMES, Classes, Pair, kind_asked, source_of_annotated
from pipeline.data.sources.annotated_images import Images
from pipeline.data.sources.file_lists import NotTaken, examples_in, kind_of
from pipeline.data.sources.source import Source, required_path
from pipeline.errors import InputError
from pipeline.recipe import Data, strict_yaml

IMAGES, LABELS = "images", "labels"
NAMES = ("classes.txt", "obj.names", "labels.txt")
"""Files with one class name a line; what they are called."""


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """A folder with `data.yaml` (its names, train, val, test and kpt_shape count), or without one: `images/train/` and
    `labels/train/`, `train/images/` and `train/labels/`, or text files beside their images, with the classes' names in
    `classes.txt`, `obj.names` or `data.labels`.

    An image without a text file, or with an empty one, is an example without a box. A line that is an outline is its
    box; `kind: mask` draws it. `kind: points` takes one object's points an image.

    Raises:
        InputError: no such folder, a line of another layout, a class beyond the names, or labels without an image.
    """
    path = required_path(data, "a folder of images with YOLO's labels, or its data.yaml")
    kind = kind_asked(data, ("boxes", "mask", "points"))
    root = path if path.is_dir() else path.parent
    described = _described(path)
    splits = _listed(root, described) if described is not None else _by_folders(root)
    points = _points(described) if described is not None else None
    images = Images(data)
    pairs: dict[str, list[Pair]] = {}
    labelled = 0
    for split, files in splits.items():
        pairs[split] = []
        for file in files:
            label = _label_of(file)
            boxes = yolo_txt.read(label, points) if label is not None else []
            labelled += label is not None
            pairs[split].append(Pair(file, AnnotatedImage(file.name, str(label or file), boxes)))
        _count_strays(files, images)
    count = sum(map(len, splits.values()))
    if not labelled:
        raise InputError(
            f"data.path: none of the {count} images in {root} has a text file of labels, beside it or in {LABELS}/ "
            f"where the image is in {IMAGES}/."
        )
    given = _class_names(root, described, names, pairs)
    return source_of_annotated(pairs, Classes(given), data, names, images, kind=kind, shares=True)


def _described(path: Path) -> Mapping[str, Any] | None:
    """The content of the YAML file that `data.path` is or has."""
    if path.is_file():
        files = [path]
    else:
        files = sorted(file for file in (*path.glob("*.yaml"), *path.glob("*.yml")) if file.name[0] != ".")
    if not files:
        return None
    if len(files) > 1:
        files = [file for file in files if file.stem == "data"] or files
    if len(files) > 1:
        raise InputError(
            f"data.path: {path} has {len(files)} YAML files; give the one that describes the data, "
            f"`--set data.path={files[0]}`."
        )
    content = strict_yaml.read(files[0])
    if not isinstance(content, dict):
        raise InputError(f"{files[0]} is no YOLO data.yaml: it takes names, train and val.")
    yolo_txt.class_names(content, str(files[0]))
    return {**content, "": files[0]}


def _points(described: Mapping[str, Any]) -> tuple[int, int] | None:
    shape = described.get("kpt_shape")
    if shape is None:
        return None
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or not all(type(one) is int for one in shape)
        or shape[0] < 1
        or shape[1] not in (2, 3)
    ):
        raise InputError(f"{described['']}: kpt_shape is [points, 2 or 3], not {shape}.")
    return shape[0], shape[1]


def _listed(root: Path, described: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Split → images, as a data.yaml says."""
    file = described[""]
    base = described.get("path")
    bases = [root, *([root / str(base)] if base else []), root.parent]
    splits: dict[str, list[Path]] = {}
    for key, split in SPLIT_NAMES.items():
        entries = described.get(key)
        if entries is None or split in splits:
            continue
        entries = entries if isinstance(entries, list) else [entries]
        found = [image for entry in entries for image in _images_of(str(entry), bases, f"{file}, {key}")]
        if found:
            splits[split] = found
    if not splits:
        return _by_folders(root)
    return splits


def _images_of(entry: str, bases: list[Path], where: str) -> list[Path]:
    """A folder of images, or a text file that lists some."""
    without = entry
    while without.startswith(("../", "./")):  # exporters write paths from where the training once ran
        without = without.partition("/")[2]
    place = next((base / name for name in (entry, without) for base in bases if (base / name).exists()), None)
    if place is None:
        raise InputError(f"{where}: there is no '{entry}' beside the file or in its path.")
    if place.is_dir():
        return list(_images_in(place))
    try:
        lines = [line.strip() for line in place.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place} cannot be read as a list of images: {error}.") from error
    files = [place.parent / line for line in lines if line]
    absent = next((file for file in files if not file.is_file()), None)
    if absent is not None:
        raise InputError(f"{place}: there is no image '{absent}'.")
    return files


def _by_folders(root: Path) -> dict[str, list[Path]]:
    """Split → images, by folders that are called as splits are."""
    for within in (IMAGES, ""):
        parent = root / within
        if not parent.is_dir():
            continue
        children = [child for child in sorted(parent.iterdir()) if child.is_dir()]
        splits = {SPLIT_NAMES[c.name.lower()]: list(_images_in(c)) for c in children if c.name.lower() in SPLIT_NAMES}
        if splits:
            return splits
    place = root / IMAGES if (root / IMAGES).is_dir() else root
    found = list(_images_in(place))
    if not found:
        raise InputError(f"data.path: there are no images in {place}.")
    return {"train": found}


def _images_in(folder: Path) -> Iterator[Path]:
    for name in sorted(examples_in(folder, NotTaken())):
        if kind_of(name) == "image":
            yield Path(name)


def _beside(image: Path) -> Iterator[Path]:
    """Where an image's labels may be: in labels/ for images/, else beside it."""
    parts = image.parts
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == IMAGES:
            yield Path(*parts[:place], LABELS, *parts[place + 1 :]).with_suffix(".txt")
            break
    yield image.with_suffix(".txt")


def _label_of(image: Path) -> Path | None:
    return next((path for path in _beside(image) if path.is_file()), None)


def _count_strays(files: list[Path], images: Images) -> None:
    """Labels in folders of labels whose image is not there."""
    expected = {label for file in files for label in _beside(file)}
    for folder in sorted({label.parent for label in expected if LABELS in label.parts}):
        for label in sorted(folder.glob("*.txt")):
            if label not in expected and label.name not in NAMES:
                images.count_missing(str(label), f"{label.stem}.*")


def _class_names(
    root: Path, described: Mapping[str, Any] | None, names: tuple[str, ...] | None, pairs: Mapping[str, list[Pair]]
) -> tuple[str, ...]:
    if described is not None:
        return yolo_txt.class_names(described, str(described[""]))
    places = [root / folder / name for folder in ("", LABELS) for name in NAMES]
    file = next((place for place in places if place.is_file()), None)
    if file is not None:
        return read_class_names(file)
    if names is not None:
        return names
    indices = [box.label for listed in pairs.values() for pair in listed for box in pair.annotated.boxes]
    return tuple(map(str, range(max((one for one in indices if isinstance(one, int)), default=-1) + 1)))
