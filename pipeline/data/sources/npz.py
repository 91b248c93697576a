"""`npz`: numpy's archive of arrays, or one array, memory-mapped so that its size does not matter."""

from __future__ import annotations

import hashlib
import math
import shutil
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import limits
from pipeline.data.cache import cache_folder, filled
from pipeline.data.sources.arrays import Arrays, source_of_arrays
from pipeline.data.sources.source import SPLIT_OF, Source, required_path
from pipeline.errors import InputError, PipelineError, did_you_mean, one_line
from pipeline.recipe import Data, Input, Target
from pipeline.tensors import INPUT, TARGET, show_shape

KEYS = "x_train and y_train, x_test and y_test (x_validation, x_calibration), or x and y to be split"


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The arrays of an NPZ file, or the one of an NPY file, which is the input of examples without labels.

    Uncompressed arrays are mapped where they are, compressed ones are unpacked once to the cache folder. The inputs and
    targets are those of the recipe; by default x and, where it is there, y. uint8 [N, H, W] are grey images.

    Raises:
        InputError: not an NPZ or NPY file, keys missing, or targets wrong.
    """
    path = required_path(data, "an NPZ or NPY file")
    if path.suffix.lower() == ".npy":
        return source_of_arrays({"train": ({INPUT: _alone(path)}, {})}, data, names)
    try:
        with limits.archive(path) as archive:
            members = {Path(info.filename).stem: info for info in archive.infolist()}
    except (ValueError, OSError) as error:
        raise InputError(f"data.path: {path} is not an NPZ file ({error}).") from error
    bases = {*map(without_split, members), *members}
    inputs, targets = _wanted(data, bases)
    missing = next((name for name in targets if name not in bases and data.targets is not None), None)
    if missing is not None:
        raise InputError(
            f"data.targets: {path} has no '{missing}'; it has the keys {', '.join(sorted(members))}."
            f"{did_you_mean(missing, bases)}"
        )
    arrays: dict[str, Arrays] = {}
    for key, split in _splits(path, inputs, set(members)).items():
        given = {
            name: _array(path, members, _key(name, key))
            for name in (*inputs, *targets)
            if name in inputs or _key(name, key) in members
        }
        arrays[split] = (
            {name: given[name] for name in inputs},
            {name: given[name] for name in targets if name in given},
        )
    return source_of_arrays(arrays, data, names)


def _alone(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"data.path: {path} is not an NPY file of numbers ({error}).") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"data.path: {path} holds several arrays: call it .npz.")
    if array.ndim == 0:
        raise InputError(f"data.path: {path} is a single value, not an array of examples.")
    return array


def _key(name: str, suffix: str) -> str:
    return f"{name}_{suffix}" if suffix else name


def without_split(key: str) -> str:
    """The name of an array without the split that its key ends in: `x` of `x_train`."""
    name, _, suffix = key.rpartition("_")
    return name if suffix in SPLIT_OF and name else key


def _wanted(data: Data, there: set[str]) -> tuple[list[str], list[str]]:
    """The names of the arrays, without a split's, that are inputs and targets.

    One input or target that the recipe calls otherwise than the archive does is x or y, where these are there.
    """
    inputs = [section.stored or name for name, section in (data.inputs or {INPUT: Input()}).items()]
    sections = data.targets if data.targets is not None else {TARGET: Target()}
    targets = [section.stored or name for name, section in sections.items() if section.copy_of is None]
    if len(inputs) == 1 and inputs[0] not in there and INPUT in there:
        inputs = [INPUT]
    if len(targets) == 1 and targets[0] not in there and TARGET in there:
        targets = [TARGET]
    return list(dict.fromkeys(inputs)), list(dict.fromkeys(targets))


def _array(path: Path, members: dict[str, zipfile.ZipInfo], name: str) -> NDArray[Any]:
    try:
        array = open_member(path, members[name])
    except (ValueError, OSError) as error:
        raise InputError(f"data.path: '{name}' in {path} cannot be read: {one_line(error, 300)}.") from error
    if array.ndim == 0:
        raise InputError(f"data.path: '{name}' in {path} is a single value, not an array of examples.")
    return array


def _splits(path: Path, inputs: list[str], found: set[str]) -> dict[str, str]:
    """The suffixes that the archive's keys carry, and the split each means."""
    meant = {"": "train", **SPLIT_OF}
    keys = [key for key in meant if any(_key(name, key) in found for name in inputs)]
    splits = [meant[key] for key in keys]
    twice = next((split for split in splits if splits.count(split) > 1), None)
    if not keys:
        has = f"data.path: {path} has the keys {', '.join(sorted(found))}; it needs"
        if inputs == [INPUT]:
            raise InputError(f"{has} {KEYS}. Say what other names mean: `--set data.inputs.NAME.from=…`.")
        near = did_you_mean(inputs[0], map(without_split, found))
        raise InputError(f"{has} '{inputs[0]}', or '{inputs[0]}_train' and so on.{near}")
    if twice:
        raise InputError(f"data.path: {path} has the {twice} split under two names; it needs {KEYS}.")
    for key in keys:
        missing = next((name for name in inputs if _key(name, key) not in found), None)
        if missing is not None:
            other = next(name for name in inputs if _key(name, key) in found)
            raise InputError(
                f"data.path: {path} has the input '{_key(other, key)}' but not '{_key(missing, key)}'."
                f"{did_you_mean(_key(missing, key), found)}"
            )
    return dict(zip(keys, splits, strict=True))


def open_member(path: Path, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of the archive, memory-mapped.

    Raises:
        OSError: it cannot be read.
        PipelineError: there is no room to unpack it.
        ValueError: it is no array, one of Python objects, or its header promises other than is there.
    """
    if member.compress_type == zipfile.ZIP_STORED:
        return _map_in_place(path, member)
    return np.load(_unpacked(path, member), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def _map_in_place(path: Path, member: zipfile.ZipInfo) -> NDArray[Any]:
    with path.open("rb") as file:
        # The local header repeats the name and has an extra field whose length only it knows.
        file.seek(member.header_offset)
        name_length, extra_length = struct.unpack("<26x2H", file.read(30))
        file.seek(name_length + extra_length, 1)
        start = file.tell()
        shape, fortran, dtype = _header(file)
        offset = file.tell()
    _check_size(member, shape, dtype, offset - start)
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing cannot be mapped
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type of an array in NPY format; the file stands where its values start."""
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"version {version} of the NPY format is not known")
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    return shape, fortran, dtype


def _check_size(member: zipfile.ZipInfo, shape: tuple[int, ...], dtype: np.dtype[Any], start: int) -> None:
    promised = start + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or promised != member.file_size:
        raise ValueError(
            f"its header promises {show_shape(shape)} of {dtype}, {promised:,} bytes, and {member.file_size:,} are "
            "there"
        )


def _unpacked(path: Path, member: zipfile.ZipInfo) -> Path:
    stat = path.stat()
    # The archive's own checksum too: a file that was replaced under its old date and size is another one.
    key = f"{path.resolve()}\t{stat.st_mtime_ns}\t{stat.st_size}\t{member.filename}\t{member.CRC}\t{member.file_size}"
    folder = cache_folder() / "npz" / hashlib.sha256(key.encode()).hexdigest()[:16]
    file = folder / "array.npy"
    if not file.is_file():
        with limits.archive(path) as archive:
            with archive.open(member) as packed:
                shape, _, dtype = _header(packed)
                _check_size(member, shape, dtype, packed.tell())
            with filled(folder) as temporary:
                _check_room(path, temporary, member)
                with archive.open(member) as packed, (temporary / file.name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
    return file


def _check_room(path: Path, folder: Path, member: zipfile.ZipInfo) -> None:
    """An array is read from where it lies, so that only the disk limits it.

    Raises:
        PipelineError: it has no room for the array.
    """
    free = shutil.disk_usage(folder).free
    if member.file_size > free:
        raise PipelineError(
            f"'{member.filename}' in {path} has {member.file_size:,} bytes when it is unpacked, and '{cache_folder()}' "
            f"has room for {free:,}. Make room, name another folder with PIPELINE_CACHE, or save the arrays with "
            "numpy.savez, which does not pack them."
        )
