"""`npz`: numpy's archive of arrays, memory-mapped so that its size does not matter."""

from __future__ import annotations

import hashlib
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.cache import cache_folder, filled
from pipeline.data.sources.arrays import Stored, source_of_arrays
from pipeline.data.sources.source import SPLIT_OF, Source, required_path
from pipeline.errors import InputError
from pipeline.recipe import Data

KEYS = "x_train and y_train, x_test and y_test (x_validation, x_calibration), or x and y to be split"


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The arrays of an NPZ file.

    Uncompressed arrays are mapped where they are, compressed ones are unpacked once to the cache folder.
    uint8 [N, H, W] are grey images; labels are [N], [N, 1] or one-hot.

    Raises:
        InputError: not an NPZ file, keys missing, or labels wrong.
    """
    path = required_path(data, "an NPZ file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {Path(info.filename).stem: info for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"data.path: {path} is not an NPZ file ({error}).") from error
    arrays: dict[str, tuple[Stored, Any]] = {}
    for key, split in _splits(path, set(members)).items():
        suffix = f"_{key}" if key else ""
        pair = []
        for name in (f"x{suffix}", f"y{suffix}"):
            try:
                array = open_member(path, members[name])
            except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise InputError(f"data.path: '{name}' in {path} cannot be read: {error}.") from error
            if array.ndim == 0:
                raise InputError(f"data.path: '{name}' in {path} is a single value, not an array of examples.")
            pair.append(array)
        arrays[split] = (pair[0], pair[1])
    return source_of_arrays(arrays, names)


def _splits(path: Path, found: set[str]) -> dict[str, str]:
    """The suffixes that the archive's keys carry, and the split each means."""
    meant = {"": "train", **SPLIT_OF}
    keys = [key for key in meant if f"x_{key}".rstrip("_") in found]
    splits = [meant[key] for key in keys]
    twice = next((split for split in splits if splits.count(split) > 1), None)
    if not keys:
        raise InputError(f"data.path: {path} has the keys {', '.join(sorted(found))}; it needs {KEYS}.")
    if twice:
        raise InputError(f"data.path: {path} has the {twice} split under two names; it needs {KEYS}.")
    for key in keys:
        labels = f"y_{key}".rstrip("_")
        if labels not in found:
            raise InputError(f"data.path: {path} has 'x{labels[1:]}' but not its labels '{labels}'.")
    return dict(zip(keys, splits, strict=True))


def open_member(path: Path, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of the archive, memory-mapped.

    Raises:
        ValueError: it is no array, or one of Python objects.
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
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"version {version} of the NPY format is not known")
        shape, fortran, dtype = read_header(file)
        offset = file.tell()
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing cannot be mapped
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _unpacked(path: Path, member: zipfile.ZipInfo) -> Path:
    stat = path.stat()
    key = f"{path.resolve()}\t{stat.st_mtime_ns}\t{stat.st_size}\t{member.filename}"
    folder = cache_folder() / "npz" / hashlib.sha256(key.encode()).hexdigest()[:16]
    file = folder / "array.npy"
    if not file.is_file():
        with (
            filled(folder) as temporary,
            zipfile.ZipFile(path) as archive,
            archive.open(member) as packed,
            (temporary / file.name).open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    return file
