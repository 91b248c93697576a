"""What a file is that is no model for this project, told by its content where that tells, and what to do with it."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import limits

_TO_TFLITE = "Convert it to a float .tflite first and give that"
_WITH_MODEL = (
    "Write a function that builds the model, loads them and returns it, and name it with "
    "--set model.function=module:function; or save the whole model, model.save(FILE.keras), and give that"
)


@dataclass(frozen=True)
class Kind:
    """
    Args:
        what: With its article: "an ONNX model".
        remedy: What to do, a sentence without its full stop.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}."


_CHECKPOINT = Kind("a TensorFlow checkpoint, which holds weights without a model", _WITH_MODEL)
_CORE_ML = Kind(
    "a Core ML model, which nothing converts back",
    "Give the Keras, PyTorch or ONNX model that it was made from",
)
_ONNX = Kind("an ONNX model", f"{_TO_TFLITE}: pip install onnx2tf; onnx2tf -i MODEL.onnx")
_TORCH = Kind(
    "a PyTorch file",
    f'{_TO_TFLITE}: pip install litert-torch; litert_torch.convert(model.eval(), (example,)).export("model.tflite")',
)
_GRAPH = Kind(
    "a TensorFlow 1 graph (GraphDef)",
    f"{_TO_TFLITE}: tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(FILE, [INPUT], [OUTPUT]).convert()",
)
_WEIGHTS = Kind("a file of weights without a model", _WITH_MODEL)
_KERAS_WEIGHTS = Kind(
    "a file of weights without a model",
    "Of an architecture of tf_keras.applications, give it as weights: --set model.name=MobileNet "
    f"--set model.weights=FILE. {_WITH_MODEL.replace('Write', 'Else write', 1)}",
)
_JS_LAYERS = Kind(
    "a TensorFlow.js model",
    "Convert it back to Keras: tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras "
    "model.json model.h5",
)
_JS_GRAPH = Kind(
    "a TensorFlow.js graph model, which is made for the browser alone",
    "Give the Keras model or the SavedModel that it was made from",
)
_BY_NAME = {
    ".onnx": _ONNX,
    ".pt": _TORCH,
    ".pth": _TORCH,
    ".ckpt": _CHECKPOINT,
    ".safetensors": _WEIGHTS,
    ".mlmodel": _CORE_ML,
    ".mlpackage": _CORE_ML,
    ".pb": _GRAPH,
}
"""Where the content says nothing."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LEGACY_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_LEVELDB = bytes.fromhex("57fb808b247547db")
"""The end of a checkpoint's index."""
_HEAD = 4096
_FIELDS = 10_000


def recognize(path: Path) -> Kind | None:
    """What is at a path, where that is no model that this project reads; None where it may be one, or nothing tells.

    Args:
        path: A file, a folder, or a checkpoint's prefix.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        return _CHECKPOINT if path.parent.is_dir() and Path(f"{path}.index").is_file() else None
    try:
        with path.open("rb") as file:
            known = _file(path, file, file.read(_HEAD))
    except (OSError, ValueError, struct.error, RecursionError):
        known = None
    return known or (None if _is_model(path) else _by_name(path))


def _is_model(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head[4:8] == b"TFL3" or head.startswith(_HDF5) or zipfile.is_zipfile(path)


def _by_name(path: Path) -> Kind | None:
    if re.fullmatch(r".*\.data-\d{5}-of-\d{5}", path.name):
        return _CHECKPOINT
    return _BY_NAME.get(path.suffix.lower())


def _folder(path: Path) -> Kind | None:
    names = {entry.name for entry in path.iterdir()}
    if "saved_model.pb" in names:
        return None
    if (path.parent / "saved_model.pb").is_file() and path.name in ("variables", "assets"):
        return Kind("a part of a SavedModel", f"Give the whole folder, '{path.parent}'")
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return _CHECKPOINT
    if "model.json" in names:
        return recognize(path / "model.json")
    if path.suffix.lower() == ".mlpackage":
        return _CORE_ML
    if any(name.endswith(".safetensors") or name == "pytorch_model.bin" for name in names):
        return _WEIGHTS
    return None


def _file(path: Path, file: BinaryIO, head: bytes) -> Kind | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return Kind("empty", "Copy or download it again")
    if head.startswith(b"version https://git-lfs"):
        return Kind("a pointer of Git LFS, not the file itself", "Fetch it: git lfs pull")
    if text[:15].lower().startswith((b"<!doctype html", b"<html")):
        return Kind("a web page, as a download that failed leaves it", "Download the file itself")
    if head.startswith(_HDF5):
        return _hdf5(path)
    if zipfile.is_zipfile(path):
        return _archive(path) if head[4:8] != b"TFL3" else None
    if head.startswith(_LEGACY_TORCH) or head[4:8] in (b"ET12", b"PTMF"):
        return _TORCH
    if head.startswith(b"GGUF"):
        return Kind("a GGUF file of a language model", "Give a Keras model or a float .tflite")
    if head.startswith(b"\x93NUMPY"):
        return Kind("a NumPy array, no model", "Give arrays as data, --data FILE.npz")
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar":
        return Kind("a packed archive", "Unpack it and give what is in it, a file or the folder of a SavedModel")
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Kind("a Python pickle", "Save the model in Keras's own format, model.save(FILE.keras), and give that")
    if text.startswith(b"model_checkpoint_path:"):
        return _CHECKPOINT
    if text.startswith((b"{", b"[")):
        return _json(path)
    return _safetensors(head) or _checkpoint_index(file) or _protobuf(file)


def _hdf5(path: Path) -> Kind | None:
    import h5py

    with h5py.File(path) as file:
        if "model_config" in file.attrs:
            return None
        known = "layer_names" in file.attrs or {"layers", "_layer_checkpoint_dependencies", "vars"} & set(file)
    return _KERAS_WEIGHTS if known else Kind("an HDF5 file without a Keras model", _WITH_MODEL)


def _archive(path: Path) -> Kind | None:
    with limits.archive(path) as archive:
        names = archive.namelist()
    if {"metadata.json", "config.json"} <= set(names):
        return None
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        return _TORCH
    if any(name.endswith(".npy") for name in names):
        return Kind("an archive of NumPy arrays, no model", "Give it as data, --data FILE.npz")
    inner = [name for name in names if name.endswith((".tflite", ".keras", ".h5", "saved_model.pb"))]
    listed = ", ".join(f"'{name}'" for name in inner[:3])
    what = f"an archive that holds {listed}" if inner else "an archive without a model of Keras or TFLite"
    return Kind(what, "Unpack it and give what is in it, a file or the folder of a SavedModel")


def _json(path: Path) -> Kind | None:
    content = limits.json_file(path)
    if not isinstance(content, dict):
        return None
    if content.get("format") == "graph-model":
        return _JS_GRAPH
    if content.get("format") == "layers-model" or "modelTopology" in content:
        return _JS_LAYERS
    if "weight_map" in content:
        return _WEIGHTS
    if "class_name" in content and "config" in content:
        return Kind(
            "a model's structure without its weights (to_json)",
            "Save the whole model, model.save(FILE.keras), and give that",
        )
    return None


def _safetensors(head: bytes) -> Kind | None:
    size = int.from_bytes(head[:8], "little")
    return _WEIGHTS if head[8:9] == b"{" and 2 <= size < 2**32 and b'"dtype"' in head else None


def _checkpoint_index(file: BinaryIO) -> Kind | None:
    file.seek(0, 2)
    file.seek(max(0, file.tell() - len(_LEVELDB)))
    return _CHECKPOINT if file.read() == _LEVELDB else None


def _protobuf(file: BinaryIO) -> Kind | None:
    """ONNX, Core ML, a SavedModel's graph and a GraphDef are messages without a magic number."""
    file.seek(0)
    fields = list(_fields(file))
    kinds = dict(fields)
    numbers = set(kinds)
    if kinds.get(1) == 0:  # a version
        if kinds.get(7) == 2 and numbers <= {*range(1, 9), 14, 20, 25, 26}:
            return _ONNX
        if max(numbers) >= 200:
            return _CORE_ML
        if numbers == {1, 2}:
            return Kind("the graph of a SavedModel", "Give the folder that it lies in, with its variables")
    if kinds.get(1) == 2 and numbers <= {1, 2, 3, 4} and len(fields) > len(numbers):
        return _GRAPH
    return None


def _fields(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Number and wire type of the top fields of a protobuf message, https://protobuf.dev/programming-guides/encoding.

    Raises:
        ValueError: it is none.
    """
    file.seek(0, 2)
    end = file.tell()
    file.seek(0)
    for _ in range(_FIELDS):
        if file.tell() == end:
            return
        key = _varint(file)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _varint(file)
        elif wire in (1, 2, 5):
            file.seek({1: 8, 5: 4}.get(wire) or _varint(file), 1)
        if number == 0 or wire not in (0, 1, 2, 5) or file.tell() > end:
            raise ValueError("no protobuf message")
        yield number, wire


def _varint(file: BinaryIO) -> int:
    value: Any = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return int(value)
    raise ValueError("no protobuf message")
