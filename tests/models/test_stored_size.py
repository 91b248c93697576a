"""Keras files that stand for far more than they hold are refused before they are unpacked."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline import limits
from pipeline.errors import InputError
from pipeline.models import stored_size
from pipeline.models.load import load_file
from pipeline.models.weights import load_weights

CONFIG = {"class_name": "Sequential", "config": {"name": "a", "layers": []}}
LARGE = 8 << 20


def archive(path: Path, weights: bytes = b"", *, config: bytes = json.dumps(CONFIG).encode()) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", '{"keras_version": "2.15.0"}')
        file.writestr("config.json", config)
        file.writestr(stored_size.WEIGHTS, weights)
    return path


def hdf5(fill: Callable[[h5py.File], Any]) -> bytes:
    stored = io.BytesIO()
    with h5py.File(stored, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG)
        fill(file)
    return stored.getvalue()


def zeros(file: h5py.File) -> None:
    """Nothing of it is written: HDF5 fills it in as it is read."""
    file.create_dataset("a/vars/0", (1 << 20, 1 << 20), "float32", chunks=True)


def packed(file: h5py.File) -> None:
    file.create_dataset("a/vars/0", data=np.zeros(LARGE // 4, np.float32), compression="gzip")


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_BYTES", 1 << 20)


@pytest.mark.parametrize("fill", [zeros, packed])
@pytest.mark.parametrize("as_archive", [False, True])
def test_arrays_that_nothing_stands_behind_are_refused(
    fill: Callable[[h5py.File], Any], as_archive: bool, tmp_path: Path
) -> None:
    path = tmp_path / ("a.keras" if as_archive else "a.h5")
    content = hdf5(fill)
    archive(path, content) if as_archive else path.write_bytes(content)
    with pytest.raises(InputError, match="stand for more than 1 MB"):
        load_file(path)
    with pytest.raises(InputError, match="stand for more than 1 MB"):
        load_weights(type("Model", (), {"name": "a"}), path)


def test_members_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    for path in (
        archive(tmp_path / "weights.keras", bytes(LARGE)),
        archive(tmp_path / "config.keras", config=b" " * LARGE + json.dumps(CONFIG).encode()),
    ):
        assert path.stat().st_size < LARGE / 100
        with pytest.raises(InputError, match="stand for more than 1 MB"):
            load_file(path)


def test_a_configuration_that_is_too_large_or_deep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = archive(tmp_path / "deep.keras", hdf5(lambda file: None), config=b"[" * 5000)
    with pytest.raises(InputError, match="brackets"):
        load_file(deep)
    monkeypatch.setattr(limits.member, "__defaults__", (10,))
    with pytest.raises(InputError, match="larger than"):
        load_file(archive(tmp_path / "large.keras", hdf5(lambda file: None)))


def test_arrays_in_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(64))

    def outside(file: h5py.File) -> None:
        file.create_dataset("a", (16,), "float32", external=[(str(tmp_path / "secret"), 0, 64)])

    def linked(file: h5py.File) -> None:
        file["a"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "a")

    for fill, said in ((outside, "lies in another file"), (linked, "linked to another file")):
        (tmp_path / "a.h5").write_bytes(hdf5(fill))
        with pytest.raises(InputError, match=said):
            load_file(tmp_path / "a.h5")


def test_trained_weights_pass(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=LARGE // 4).astype(np.float32)
    content = hdf5(lambda file: file.create_dataset("a/vars/0", data=values))
    stored_size.check(archive(tmp_path / "a.keras", content))
    (tmp_path / "a.h5").write_bytes(content)
    stored_size.check(tmp_path / "a.h5")
    with zipfile.ZipFile(tmp_path / "a.keras") as opened, stored_size.stored_weights(opened) as file:
        np.testing.assert_array_equal(file["a/vars/0"], values)
