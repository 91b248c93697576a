"""What a Keras file says of its layers, read without Keras and without TensorFlow."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import limits

FAKE_QUANT = ("QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2")
"""Classes by which tensorflow-model-optimization rounds in training."""
_SAVED_MODEL = "keras_metadata.pb"


def read(path: Path) -> Any:
    """The model's configuration in a `.keras` or `.h5` file; None where there is none to read.

    Raises:
        OSError, KeyError: the file cannot be read, or its archive has no configuration.
        ValueError: what is there is damaged, or beyond :mod:`pipeline.limits`.
    """
    if not path.is_file():
        return None
    if zipfile.is_zipfile(path):
        with limits.archive(path) as archive:
            return limits.json_value(limits.member(archive, "config.json"))
    import h5py

    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path) as file:
        return limits.json_value(file.attrs.get("model_config", "null"))


def has_fake_quant(path: Path) -> bool:
    """Whether a Keras file or SavedModel was trained with tfmot's fake-quant, as far as it says so."""
    if path.is_dir():
        described = path / _SAVED_MODEL
        content = described.read_bytes() if described.is_file() else b""
        return any(f'"class_name": "{name}"'.encode() in content for name in FAKE_QUANT)
    try:
        config = read(path)
    except (OSError, ValueError, KeyError):  # whoever loads it says so
        return False
    return any(name in FAKE_QUANT for name in _classes(config))


def _classes(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        name = item.get("class_name")
        if isinstance(name, str):
            yield name.rpartition(">")[2]
        item = list(item.values())
    if isinstance(item, list):
        for inner in item:
            yield from _classes(inner)
