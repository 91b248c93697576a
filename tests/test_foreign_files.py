"""What people give by mistake is named, by its content where that tells, with the way out."""

from __future__ import annotations

import json
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.foreign_files import recognize
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner
from tests import tiny_models

Write = Callable[[Path], None]


def number(field: int, value: int) -> bytes:
    return bytes([field << 3, value])


def inside(field: int, data: bytes) -> bytes:
    """A length-delimited field of a protobuf message, its number up to 2047 and up to 127 bytes of it."""
    key = field << 3 | 2
    return (bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])) + bytes([len(data)]) + data


NODES = [inside(1, inside(1, name) + inside(2, kind)) for name, kind in ((b"x", b"Placeholder"), (b"y", b"Relu"))]
ONNX = number(1, 8) + inside(2, b"pytorch") + inside(3, b"2.1") + inside(7, inside(1, b"x")) + inside(8, number(2, 17))


def archive(*names: str) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, b"")

    return write


def content(data: bytes) -> Write:
    return lambda path: path.write_bytes(data) and None


def weights(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.zeros((2, 2)))


def no_weights(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=np.zeros((2, 2)))


def safetensors(path: Path) -> None:
    head = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(4))


def packed(path: Path) -> None:
    tarfile.open(path, "w:gz").close()


FOREIGN: dict[str, tuple[Write, str]] = {
    "onnx": (content(ONNX), r"ONNX model.*onnx2tf"),
    "core_ml": (content(number(1, 5) + inside(2, inside(1, b"in")) + inside(500, b"net")), "Core ML"),
    "graph": (content(b"".join(NODES) + inside(4, b"")), r"GraphDef.*from_frozen_graph"),
    "saved_model": (content(number(1, 1) + inside(2, b"graph")), r"graph of a SavedModel.*folder"),
    "torch": (archive("archive/data.pkl", "archive/version"), r"PyTorch.*litert-torch"),
    "torch_script": (archive("m/constants.pkl", "m/code/m.py"), "PyTorch"),
    "old_torch": (content(bytes.fromhex("80028a0a6cfc9c46f9206aa85019") + b"."), "PyTorch"),
    "safetensors": (safetensors, "weights without a model"),
    "weights": (weights, r"weights without a model.*model\.weights="),
    "hdf5": (no_weights, "HDF5 file without a Keras model"),
    "checkpoint": (content(b"model_checkpoint_path: 'm'\n"), r"TensorFlow checkpoint.*module:function"),
    "index": (content(bytes(40) + bytes.fromhex("57fb808b247547db")), "TensorFlow checkpoint"),
    "js_layers": (content(b'{"format": "layers-model"}'), r"TensorFlow\.js.*tensorflowjs_converter"),
    "js_graph": (content(b'{"format": "graph-model"}'), r"TensorFlow\.js graph"),
    "structure": (content(b'{"class_name": "Sequential", "config": {}}'), "without its weights"),
    "pickle": (content(pickle.dumps({"a": 1})), "pickle"),
    "arrays": (lambda path: np.savez(path.open("wb"), x=np.zeros(2)), r"NumPy.*--data"),
    "task": (archive("detector.tflite", "labels.txt"), r"holds 'detector\.tflite'.*Unpack"),
    "tar": (packed, r"archive.*Unpack"),
    "pointer": (content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
    "page": (content(b"<!DOCTYPE html><html>"), "web page"),
    "empty": (content(b""), "empty"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_it_is_known_by_its_content_and_no_reader_takes_it(name: str, tmp_path: Path) -> None:
    write, expected = FOREIGN[name]
    path = tmp_path / "model.tflite"  # what it is called says nothing
    write(path)
    kind = recognize(path)
    assert kind is not None
    assert re.search(expected, str(kind))
    for read in (flatbuffer.load, Runner):
        with pytest.raises(InputError, match=expected):
            read(path)


@pytest.mark.parametrize("name", ["onnx", "torch", "weights", "pointer", "checkpoint"])
def test_keras_is_not_asked(name: str, tmp_path: Path) -> None:
    from pipeline.models.load import load_file, load_for_conversion

    write, expected = FOREIGN[name]
    write(tmp_path / "model.keras")
    for load in (load_file, load_for_conversion):
        with pytest.raises(InputError, match=expected):
            load(tmp_path / "model.keras")


@pytest.mark.parametrize(("name", "expected"), [("m.onnx", "ONNX"), ("m.pth", "PyTorch"), ("m.pb", "GraphDef")])
def test_the_name_tells_where_the_content_does_not(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xff" * 100)
    assert expected in str(recognize(tmp_path / name))


def test_folders_and_prefixes_of_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    for name in ("model.index", "model.data-00000-of-00001"):
        (tmp_path / "saved" / name).write_bytes(b"\0")
    for path in ("saved", "saved/model", "saved/model.data-00000-of-00001"):
        assert "TensorFlow checkpoint" in str(recognize(tmp_path / path))


def test_a_part_of_a_saved_model_names_the_whole(tmp_path: Path) -> None:
    (tmp_path / "sm" / "variables").mkdir(parents=True)
    (tmp_path / "sm" / "saved_model.pb").write_bytes(b"")
    assert recognize(tmp_path / "sm") is None
    assert str(tmp_path / "sm") in str(recognize(tmp_path / "sm" / "variables"))


def test_models_are_left_to_their_readers(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_models.linear(np.ones((2, 2))))  # wrongly named
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    archive("metadata.json", "config.json")(tmp_path / "m.keras")
    assert [recognize(tmp_path / name) for name in ("m.onnx", "m.h5", "m.keras", "nothing")] == [None] * 4
