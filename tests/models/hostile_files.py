"""Model files that write a file called `executed` into the current folder if anything of theirs is run."""

from __future__ import annotations

import base64
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.models.backend import tf, tf_keras

MARK = "executed"
EVIL = f"open({MARK!r}, 'w').close()\n"
"""A module of this text lies in the folder as `evil.py`."""


def _byte_code() -> Any:
    """What Keras 2 keeps of a lambda."""

    def function(x: Any) -> Any:
        open("executed", "w").close()  # noqa: PTH123  # byte code must stand on its own
        return x

    return [base64.b64encode(marshal.dumps(function.__code__)).decode(), None, None]


def _plain() -> Any:
    layers = tf_keras.layers
    inputs = tf_keras.Input((4,), name="x")
    x = layers.Dense(4, name="dense")(inputs)
    return tf_keras.Model(inputs, layers.Activation("relu", name="victim")(x))


def _lambda() -> dict[str, Any]:
    return {
        "class_name": "Lambda",
        "config": {
            "name": "victim", "trainable": True, "dtype": "float32", "function": _byte_code(),
            "function_type": "lambda", "module": "builtins", "output_shape": None, "output_shape_type": "raw",
            "output_shape_module": None, "arguments": {},
        },
    }  # fmt: skip


def _replaced(config: Any, new: dict[str, Any]) -> Any:
    """The configuration with another layer in place of `victim`, wherever it stands."""
    if isinstance(config, list):
        return [_replaced(item, new) for item in config]
    if not isinstance(config, dict):
        return config
    if isinstance(config.get("config"), dict) and config["config"].get("name") == "victim":
        return {**config, **new}
    return {key: _replaced(value, new) for key, value in config.items()}


def h5(path: Path, new: dict[str, Any], own: list[str] | None = None, entry: str = "custom_objects.json") -> Path:
    _plain().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(_replaced(json.loads(file.attrs["model_config"]), new))
        if own is not None:
            file.attrs[entry] = json.dumps(own)
    return path


def archive(path: Path, new: dict[str, Any], own: list[str] | None = None, keras3: bool = False) -> Path:
    if keras3:
        import keras

        inputs = keras.Input((4,), name="x")
        outputs = keras.layers.Activation("relu", name="victim")(keras.layers.Dense(4)(inputs))
        keras.Model(inputs, outputs).save(path)
    else:
        _plain().save(path)
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    entries["config.json"] = json.dumps(_replaced(json.loads(entries["config.json"]), new)).encode()
    if own is not None:
        entries["custom_objects.json"] = json.dumps(own).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def _of(module: str, kind: str, config: Any = None) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": kind,
        "registered_name": None,
        "config": {"name": "victim", **(config or {})},
    }


def _keras3_lambda() -> dict[str, Any]:
    code = _byte_code()
    function = {"class_name": "__lambda__", "config": {"code": code[0], "defaults": None, "closure": None}}
    return _of("keras.layers", "Lambda", {"function": function, "arguments": {}})


def _activation() -> dict[str, Any]:
    function = {"class_name": "__lambda__", "config": {"value": _byte_code()}}
    return {"class_name": "Activation", "config": {"name": "victim", "activation": function}}


def _saved_keras(path: Path) -> Path:
    layers = tf_keras.layers
    inputs = tf_keras.Input((4,), name="x")
    model = tf_keras.Model(inputs, layers.Lambda(lambda x: x * 2, name="victim")(layers.Dense(4)(inputs)))
    model.save(path, save_format="tf")
    return path


class _Writes(tf.Module):  # type: ignore[misc]
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(MARK, "written")]):
            return tf.identity(x)


class _Calls(tf.Module):  # type: ignore[misc]
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        return tf.ensure_shape(tf.py_function(lambda value: np.asarray(value), [x], tf.float32), [None, 4])


def _saved(path: Path, module: Any) -> Path:
    tf.saved_model.save(module, str(path), signatures=module.__call__.get_concrete_function())
    return path


POPEN = {"class_name": "Popen", "config": {"name": "victim", "args": ["touch", MARK]}}
NESTED = {"class_name": "TimeDistributed", "config": {"name": "victim", "layer": _lambda()}}
WRAPPED = {
    "class_name": "QuantizeWrapperV2",
    "config": {
        "name": "victim",
        "layer": {"class_name": "Activation", "config": {"name": "inner", "activation": "relu"}},
        "quantize_config": {"module": "evil", "class_name": "Config", "config": {}},
    },
}

HOSTILE: dict[str, Callable[[Path], Path]] = {
    "Keras 2 Lambda, h5": lambda folder: h5(folder / "a.h5", _lambda()),
    "Keras 2 Lambda, keras": lambda folder: archive(folder / "a.keras", _lambda()),
    "Keras 3 Lambda, keras": lambda folder: archive(folder / "a.keras", _keras3_lambda(), keras3=True),
    "Lambda in TimeDistributed": lambda folder: h5(folder / "a.h5", NESTED),
    "Lambda in a SavedModel": lambda folder: _saved_keras(folder / "saved"),
    "lambda as an activation": lambda folder: archive(folder / "a.keras", _activation()),
    "Popen named beside an h5": lambda folder: h5(folder / "a.h5", POPEN, ["subprocess:Popen"]),
    "Popen named beside a keras": lambda folder: archive(folder / "a.keras", POPEN, ["subprocess:Popen"]),
    "Popen as a Keras 3 class": lambda folder: archive(
        folder / "a.keras", _of("subprocess", "Popen", {"args": ["touch", MARK]}), keras3=True
    ),
    "the old name of the list": lambda folder: h5(folder / "a.h5", POPEN, ["subprocess:Popen"], "own_classes.json"),
    "own module, h5": lambda folder: h5(folder / "a.h5", {"class_name": "Mine"}, ["evil:Mine"]),
    "own module, keras": lambda folder: archive(folder / "a.keras", _of("evil", "Mine")),
    "own module, Keras 3": lambda folder: archive(folder / "a.keras", _of("evil", "Mine"), keras3=True),
    "own function": lambda folder: archive(
        folder / "a.keras",
        _of("keras.layers", "Activation", {"activation": {"module": "evil", "class_name": "function", "config": "f"}}),
        keras3=True,
    ),
    "exec": lambda folder: archive(folder / "a.keras", _of("builtins", "exec"), keras3=True),
    "a download by Keras": lambda folder: archive(
        folder / "a.keras",
        _of("keras.utils", "get_file", {"fname": MARK, "origin": "file:///etc/hostname"}),
        keras3=True,
    ),
    "a SavedModel by Keras": lambda folder: archive(
        folder / "a.keras", _of("keras.layers", "TFSMLayer", {"filepath": "elsewhere"}), keras3=True
    ),
    "a pickle by Keras": lambda folder: archive(
        folder / "a.keras", _of("keras.layers", "TorchModuleWrapper", {"module": "pickle"}), keras3=True
    ),
    "a function of tf.io": lambda folder: h5(
        folder / "a.h5", {"class_name": "TFOpLambda", "config": {"name": "victim", "function": "io.write_file"}}
    ),
    "a QuantizeConfig": lambda folder: h5(folder / "a.h5", WRAPPED, ["evil:Config"]),
    "an operator that writes": lambda folder: _saved(folder / "saved", _Writes()),
    "an operator that calls Python": lambda folder: _saved(folder / "saved", _Calls()),
}
