"""`masks`: images with masks beside them: an index a pixel, a colour a class, or a file a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.data.annotations.mask_files import MaskFiles, names_of
from pipeline.data.read_located import StoredMasks
from pipeline.data.sources.annotated_files import SPLIT_NAMES, kind_asked, sets_of, source_of_files
from pipeline.data.sources.annotated_images import header_of, size_of, upright
from pipeline.data.sources.file_lists import NotTaken, examples_in, kind_of
from pipeline.data.sources.source import KnownTarget, Source, required_path
from pipeline.errors import InputError, readable
from pipeline.recipe import Data, Target
from pipeline.tensors import TARGET, Array

IMAGES = ("images", "JPEGImages", "imgs", "img")
MASKS = ("masks", "SegmentationClass", "annotations", "labels", "mask", "gt")
SETS = "ImageSets/Segmentation"
_NAMED = 3

Files = dict[str, Path]
"""Class → its file, where every class has one; else one under the name ''."""


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """`images/` and `masks/` (or `data.annotations`), each with a folder a split or none, or in one folder a split. A
    mask has its image's name, maybe with more behind it (`a.jpg`, `a_mask.png`).

    A mask is an index a pixel (grey or with a palette), or a colour of `colours`; or a folder of the image's name has
    a file a class, or a folder of the class's name a file an image, of which what is not black is the class's.
    `ignore` says which index or colour counts for nothing. Without `colours`, `data.labels` or files a class the
    classes are the indices that the masks have.

    Raises:
        InputError: no such folders, images without a mask, masks of another size, or colours that are not named.
    """
    root = required_path(data, "a folder with images and masks")
    if not root.is_dir():
        raise InputError(f"data.path: {root} is a file; source 'masks' needs the folder that images and masks are in.")
    kind_asked(data, ("mask",))
    section = next((one for one in (data.targets or {}).values() if one.copy_of is None), Target())
    found = {split: _masks_of(images, masks) for split, (images, masks) in _folders(root, data).items()}
    sets = sets_of(root / SETS)
    if sets and set(found) == {"train"}:
        found = _by_sets(found["train"], sets, root / SETS)
    files = {split: [image for image, _ in pairs] for split, pairs in found.items()}
    if not any(files.values()):
        raise InputError(f"data.path: there are no images in {root}.")
    notes = _check_there(found, data)
    found = {split: [(image, masks) for image, masks in pairs if masks] for split, pairs in found.items()}
    layers = sorted({name for pairs in found.values() for _, masks in pairs for name in masks if name})
    colours = section.colours or {}
    if layers and colours:
        raise InputError("data.targets: colours are for one mask an image, and the data has a file a class.")
    native = names_of(layers, colours)
    if names is not None and native and len(names) != len(native):
        raise InputError(
            f"data.labels has {len(names)} names and the masks {len(native)} classes: {', '.join(native[:10])}."
        )
    reader = MaskFiles(tuple(colours.values()), section.ignore, tuple(layers))
    targets = {split: Masks(reader, pairs) for split, pairs in found.items()}
    for masks in targets.values():
        masks.check_sizes()
    return source_of_files(
        {split: [image for image, _ in pairs] for split, pairs in found.items()},
        {split: StoredMasks(masks.read, len(masks.pairs)) for split, masks in targets.items()},
        {split: [repr(reader)] * len(pairs) for split, pairs in found.items()},
        data,
        {TARGET: KnownTarget("mask", names or native)},
        notes,
        {split: [list(masks.values()) for _, masks in pairs] for split, pairs in found.items()},
    )


class Masks:
    """A split's, each read when it is needed.

    Args:
        reader: Reads one image's.
        pairs: Each image and its masks.
    """

    def __init__(self, reader: MaskFiles, pairs: Sequence[tuple[Path, Files]]) -> None:
        self._reader = reader
        self.pairs = pairs
        self._headers = [header_of(image) for image, _ in pairs]

    def read(self, index: int) -> Array:
        """A mask of the upright image."""
        mask = self._reader.read(self.pairs[index][1])
        header = self._headers[index]
        turns = header is not None and mask.shape == header.stored != header.upright
        return upright(mask, header.orientation) if turns and header is not None else mask

    def check_sizes(self) -> None:
        """
        Raises:
            InputError: masks are of another size than their images.
        """
        odd = [
            f"{readable(path)} ({size[0]} x {size[1]}, the image {header.upright[0]} x {header.upright[1]})"
            for (_, masks), header in zip(self.pairs, self._headers, strict=True)
            for path in masks.values()
            if header is not None
            and (size := size_of(path)) is not None
            and size not in (header.upright, header.stored)
        ]
        if odd:
            raise InputError(
                f"{len(odd):,} masks are of another size than their images (height x width): "
                f"{', '.join(odd[:_NAMED])}{', …' if len(odd) > _NAMED else ''}. Save each in its image's size."
            )


def _check_there(found: dict[str, list[tuple[Path, Files]]], data: Data) -> tuple[str, ...]:
    """Notes of images without a mask.

    Raises:
        InputError: there are some, and they are to be refused.
    """
    lacking = [readable(image) for pairs in found.values() for image, masks in pairs if not masks]
    if not lacking:
        return ()
    total = sum(map(len, found.values()))
    first = f"{', '.join(lacking[:_NAMED])}{', …' if len(lacking) > _NAMED else ''}"
    if data.on_corrupt == "fail" or len(lacking) == total:
        raise InputError(
            f"data.path: {len(lacking):,} of the {total:,} images have no mask: {first}. A mask has its image's name, "
            "in a folder called masks or as data.annotations says. Add them or remove the images, or leave these out "
            "with `--set data.on_corrupt=skip`."
        )
    return (f"{len(lacking):,} of the {total:,} images have no mask and were left out: {first}.",)


def _folders(root: Path, data: Data) -> dict[str, tuple[Path, Path]]:
    """Split → the folders of its images and of its masks."""
    given = data.annotations
    if isinstance(given, dict):
        raise InputError("data.annotations: source 'masks' takes one folder; splits are folders in it.")
    called = (str(given),) if given is not None else MASKS
    images, masks = _first(root, IMAGES), _first(root, called)
    if masks is not None:
        if images is None:
            raise InputError(
                f"data.path: {root} has the masks {masks.name}/, and no images beside them, in {IMAGES[0]}/."
            )
        splits = _splits(images)
        lacking = next((child for child in splits.values() if not (masks / child.name).is_dir()), None)
        if splits and lacking is not None:
            raise InputError(f"data.path: {images} has the folder {lacking.name}/, and {masks} does not.")
        return {split: (child, masks / child.name) for split, child in splits.items()} or {"train": (images, masks)}
    found: dict[str, tuple[Path, Path]] = {}
    for split, child in _splits(root).items():
        own = _first(child, called)
        if own is None:
            raise InputError(f"data.path: {child} has no folder of masks ({', '.join(called)}).")
        found[split] = (_first(child, IMAGES) or child, own)
    if not found:
        raise InputError(
            f"data.path: {root} has no folder of masks ({', '.join(called)}), nor have folders of splits in it. Name "
            "it: `--set data.annotations=FOLDER`."
        )
    return found


def _by_sets(
    pairs: list[tuple[Path, Files]], sets: dict[str, list[str]], folder: Path
) -> dict[str, list[tuple[Path, Files]]]:
    by_stem = {image.stem: (image, masks) for image, masks in pairs}
    for split, stems in sets.items():
        absent = next((stem for stem in stems if stem not in by_stem), None)
        if absent is not None:
            raise InputError(f"{folder}: the {split} set lists {absent}, and there is no such image.")
    return {split: [by_stem[stem] for stem in stems] for split, stems in sets.items()}


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _splits(folder: Path) -> dict[str, Path]:
    children = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    return {SPLIT_NAMES[child.name.lower()]: child for child in children if child.name.lower() in SPLIT_NAMES}


def _masks_of(images: Path, masks: Path) -> list[tuple[Path, Files]]:
    """Every image and its masks; without any, none."""
    files = [Path(name) for name in sorted(examples_in(images, NotTaken())) if kind_of(name) == "image"]
    files = [file for file in files if masks not in file.parents]
    inside = {file: file.relative_to(images).with_suffix("") for file in files}
    if len(set(inside.values())) < len(inside):
        stems = list(inside.values())
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise InputError(f"data.path: two images in {images} are called {twice}, and have one mask. Rename one.")
    stored = [Path(name) for name in sorted(examples_in(masks, NotTaken())) if kind_of(name) == "image"]
    by_name = {file.relative_to(masks).with_suffix(""): file for file in stored}
    longer = _longer(by_name)
    whole = {file: _one_mask(stem, by_name, longer) for file, stem in inside.items()}
    if any(found is not None for found in whole.values()):
        return [(file, {} if found is None else {"": found}) for file, found in whole.items()]
    of: dict[Path, Files] = {stem: {} for stem in inside.values()}
    for name, file in by_name.items():
        if name.parent in of:  # a folder an image
            of[name.parent][readable(name.name)] = file
        elif len(name.parts) > 1 and Path(*name.parts[1:]) in of:  # a folder a class
            of[Path(*name.parts[1:])][readable(name.parts[0])] = file
    return [(file, of[stem]) for file, stem in inside.items()]


def _one_mask(stem: Path, by_name: dict[Path, Path], longer: dict[Path, list[Path]]) -> Path | None:
    """The mask of an image's name, or else the only one that has more behind it: `a_mask`, `a_L`."""
    if stem in by_name:
        return by_name[stem]
    found = longer.get(stem, [])
    return found[0] if len(found) == 1 else None


def _longer(by_name: dict[Path, Path]) -> dict[Path, list[Path]]:
    """What a mask's name may begin with → the masks."""
    found: dict[Path, list[Path]] = {}
    for name, file in by_name.items():
        for place, sign in enumerate(name.name):
            if sign in "_-." and place:
                found.setdefault(name.with_name(name.name[:place]), []).append(file)
    return found
