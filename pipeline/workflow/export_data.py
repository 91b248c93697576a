"""What `pipeline export --data` is given, as a recipe's data section: a file, a folder or a function, for one model."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import limits
from pipeline.data import Column, is_flat_folder, open_source
from pipeline.data.image_shapes import CHANNELS
from pipeline.data.sources.npz import without_split
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import parse
from pipeline.tensors import INPUT, OPEN, TARGET, Array, TensorSpec

KINDS = "a folder of images or recordings, a .csv, .npz or .npy file, or module:function"


def data_section(given: str, content: dict[str, Any], inputs: Sequence[TensorSpec]) -> None:
    """Complete a recipe, in place, whose data is what was given with `--data`.

    Args:
        given: A path or `module:function`.
        content: The recipe as a dictionary, with the user's own settings, which win.
        inputs: What the model takes; empty where nothing says so.

    Raises:
        InputError: nothing there, another kind of file, arrays that are not the model's inputs, or images whose scale
            is not said.
    """
    section = content.setdefault("data", {})
    path = Path(given)
    if ":" in given and not path.exists():
        section.setdefault("source", given)
    else:
        section.setdefault("source", _source(path))
        section.setdefault("path", given)
        if section["source"] == "npz":
            _name_arrays(path, section, inputs)
        elif section["source"] == "csv":
            _name_columns(path, section, inputs)
        elif is_flat_folder(parse(content, "--data").data):
            section.setdefault("targets", {})
    _prepare_images(section, content, inputs)


def _source(path: Path) -> str:
    if not path.exists():
        raise InputError(f"There is no data at '{path}': --data takes {KINDS}.")
    source = {".csv": "csv", ".npz": "npz", ".npy": "npz"}.get(path.suffix.lower(), "folder")
    if source == "folder" and not path.is_dir():
        raise InputError(f"--data takes {KINDS}, not '{path}'.")
    return source


def _name_arrays(path: Path, section: dict[str, Any], inputs: Sequence[TensorSpec]) -> None:
    """Arrays that are called as the model's inputs are these; the only array is the only input."""
    if path.suffix.lower() == ".npy":
        section.setdefault("targets", {})
        return
    if "inputs" in section or not zipfile.is_zipfile(path):
        return  # the source says what is wrong with the file
    try:
        with limits.archive(path) as archive:
            arrays = list(dict.fromkeys(without_split(Path(name).stem) for name in archive.namelist()))
    except (OSError, ValueError):
        return  # as above
    names = [spec.name for spec in inputs]
    if names and set(names) <= set(arrays):
        section["inputs"] = {name: {} for name in names}
        if TARGET not in arrays or TARGET in names:
            section.setdefault("targets", {})
        return
    if INPUT in arrays and len(names) < 2:
        return
    others = [name for name in arrays if name != TARGET]
    if len(names) < 2 and len(others) == 1:
        section["inputs"] = {INPUT: {"from": others[0]}}
        if TARGET not in arrays:
            section.setdefault("targets", {})
        return
    missing = next((name for name in names if name not in arrays), INPUT)
    near = did_you_mean(missing, [name for name in arrays if name not in names])
    taken = ", ".join(f"'{name}'" for name in names) or "one input"
    raise InputError(
        f"The model takes {taken}, and {path} has the arrays {', '.join(arrays)}: '{missing}' is missing.{near} Call "
        f"each array as the input, or say which is meant: --set data.inputs.{missing}.from=ARRAY."
    )


def _name_columns(path: Path, section: dict[str, Any], inputs: Sequence[TensorSpec]) -> None:
    """The numbers of a table are taken as they are: the model is trained, and on what cannot be read off the file."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        columns = [name.strip() for name in file.readline(limits.TEXT_BYTES).split(",")]
    if "label" not in columns:
        section.setdefault("targets", {})
    if "file" in columns:
        return
    names = [spec.name for spec in inputs] if len(inputs) > 1 else [INPUT]
    given = section.setdefault("inputs", {name: {} for name in names})
    for one in given.values():
        if isinstance(one, dict):
            one.setdefault("standardize", False)


def _prepare_images(section: dict[str, Any], content: dict[str, Any], inputs: Sequence[TensorSpec]) -> None:
    """Image files come to the model's size, arrays must have it; the scale of pixels must be said.

    A model that takes whole numbers gets the pixels as they are.
    """
    source = open_source(parse(content, "--data").data)
    columns = next(iter(source.splits.values())).inputs
    for name, column in columns.items():
        spec = next((spec for spec in inputs if spec.name == name or len(inputs) == 1), None)
        if not _is_image(column, spec):
            continue
        own = section.get("inputs", {}).get(name, {}).get("preprocess")
        preprocess = own if own is not None else section.setdefault("preprocess", {})
        if spec is not None and spec.dtype.kind in "iu" and spec.scale is None:
            preprocess.setdefault("scale", "raw")
            section.setdefault("inputs", {}).setdefault(name, {}).setdefault("dtype", spec.dtype.name)
        if "scale" not in preprocess:
            raise InputError(
                "The pixels' scale must be said with --data, a model cannot tell it: --set "
                "data.preprocess.scale=-1..1, 0..1, raw (0 to 255, for models that scale by themselves) or mean_std "
                "with mean and std."
            )
        shape = spec.shape[1:] if spec is not None else ()
        if len(shape) == 3 and OPEN not in shape and shape[2] in (1, 3):
            if column.kind == "image":
                preprocess.setdefault("size", list(shape[:2]))
                preprocess.setdefault("channels", shape[2])
            elif shape[2] == 1 and column[0].shape == shape[:2]:
                preprocess.setdefault("channels", 1)  # grey images without an axis for it


def _is_image(column: Column, spec: TensorSpec | None) -> bool:
    if column.kind == "image":
        return True
    if column.kind != "array" or (spec is not None and len(spec.shape) != 4):
        return False
    raw = np.asarray(column[0])
    return (raw.ndim == 2 or (raw.ndim == 3 and raw.shape[2] in CHANNELS)) and _holds_pixels(raw)


def _holds_pixels(raw: Array) -> bool:
    """Whether values are whole numbers up to 255, and not 0 and 1 alone."""
    if raw.dtype == np.uint8:
        return True
    if raw.dtype.kind != "f" or raw.size == 0 or not np.isfinite(raw).all():
        return False
    return bool(raw.min() >= 0 and 1 < raw.max() <= 255 and (raw == np.round(raw)).all())
