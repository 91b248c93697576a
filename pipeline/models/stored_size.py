"""How large a Keras file becomes when it is read: archives and arrays in HDF5 can stand for far more than they hold."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from pipeline import limits

WEIGHTS = "model.weights.h5"
"""The member of a `.keras` archive."""


def check(path: Path) -> None:
    """See that a `.keras` or `.h5` file holds what it says, itself; what is neither is left to whoever reads it.

    Raises:
        OSError: it cannot be read.
        ValueError: it stands for far more than any weights (:mod:`pipeline.limits`), or its arrays lie in other files.
        Exception: whatever h5py raises over a damaged file.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        with limits.archive(path) as archive:
            limits.check_unpacked(path, (entry.file_size for entry in archive.infolist()))
            if WEIGHTS in archive.namelist():
                with stored_weights(archive) as file:
                    limits.check_unpacked(path, _arrays(file))
    elif path.is_file() and h5py.is_hdf5(path):
        with h5py.File(path) as file:
            limits.check_unpacked(path, _arrays(file))


@contextmanager
def stored_weights(archive: zipfile.ZipFile) -> Iterator[Any]:
    """The HDF5 file of weights in a `.keras` archive.

    Raises:
        KeyError: there is none.
    """
    packed = archive.getinfo(WEIGHTS).compress_type != zipfile.ZIP_STORED
    # HDF5 goes to and fro, and each way back unpacks from the start.
    stored = io.BytesIO(archive.read(WEIGHTS)) if packed else archive.open(WEIGHTS)
    with stored, h5py.File(stored) as file:
        yield file


def _arrays(file: Any) -> Iterator[int]:
    """The bytes of every array in a file."""
    found: list[Any] = []
    links: list[Any] = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    file.visititems_links(lambda name, link: links.append(link))
    if any(isinstance(link, h5py.ExternalLink) for link in links):
        raise ValueError("it is linked to another file")
    for array in found:
        if array.external or array.is_virtual:
            raise ValueError(f"the array '{array.name}' lies in another file")
        yield int(array.size or 0) * int(array.dtype.itemsize)
