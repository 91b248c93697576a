"""Keras 3's `.h5` files name classes without their modules, and Keras 3 cannot read its own operations back from them.

`Add` may be the layer or the operation, `Relu` is no layer at all. An operation's configuration has no `trainable`,
by which it is told; with the module beside the class, Keras 3 reads the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from pipeline import limits

APPLICATIONS = {
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
}
"""Layers that Keras 3's applications make for themselves, and where."""


def read_config(path: Path) -> dict[str, Any]:
    """The model's configuration, every class with its module."""
    with h5py.File(path) as file:
        config = limits.json_value(file.attrs["model_config"])
    _complete(config)
    return dict(config)


def load(path: Path) -> Any:
    """The Keras 3 model of an `.h5` file."""
    import keras

    config = read_config(path)
    kind = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    model = kind.from_config(config["config"])
    model.load_weights(path)
    return model


def _complete(value: Any) -> None:
    if isinstance(value, list):
        for inner in value:
            _complete(inner)
    elif isinstance(value, dict):
        config = value.get("config")
        if isinstance(value.get("class_name"), str) and isinstance(config, dict) and "module" not in value:
            module = _module(value["class_name"], is_layer="trainable" in config or "layers" in config)
            if module is not None:
                value |= {"module": module, "registered_name": None}
        for inner in value.values():
            _complete(inner)


def _module(name: str, *, is_layer: bool) -> str | None:
    """Where Keras 3 keeps a class; None for what is no layer and no operation, or is the user's own."""
    import keras
    from keras.src.ops import core, image, math, nn, numpy

    if name in ("Functional", "Sequential"):
        return "keras.src.models.functional" if name == "Functional" else "keras"
    if is_layer or name == "InputLayer":
        return APPLICATIONS.get(name) or _if_in(keras.layers, name, "keras.layers")
    for module in (numpy, nn, core, image, math):
        if _if_in(module, name, module.__name__):
            return str(module.__name__)
    return None


def _if_in(module: Any, name: str, label: str) -> str | None:
    return label if isinstance(getattr(module, name, None), type) else None
