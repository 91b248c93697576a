"""A `.keras` file of Keras 2, of every version that wrote them.

Keras keeps the state of a layer at its path in the model's attributes. TensorFlow 2.12 to 2.14 went through attributes
in alphabetical order, and so came to a model's layers by `_layer_checkpoint_dependencies`; later versions go in reverse
and come to them by `layers`. Up to 2.13 a layer that is met again counts when the layers of one class are numbered.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from pipeline import limits
from pipeline.models.backend import tf_keras
from pipeline.models.stored_size import WEIGHTS, stored_weights

_EARLY = "_layer_checkpoint_dependencies"
_BUILT_TWICE = "tensorflow_model_optimization"
"""The package whose layers would be built by their configuration, and again at their first call."""


def load(path: Path, known: dict[str, Any], *, compiled: bool, trusted: bool = False) -> Any:
    """The `tf_keras` model in a `.keras` file.

    Args:
        path: The file, whatever it is called.
        known: Classes and functions that its configuration names.
        compiled: Compile it as it was.
        trusted: Whether code that came with the file may run; see :mod:`pipeline.models.trust`.

    Raises:
        Exception: whatever `tf_keras` raises over a configuration or weights that it does not take.
    """
    from tf_keras.src.saving.saving_lib import DiskIOStore
    from tf_keras.src.saving.serialization_lib import ObjectSharingScope, deserialize_keras_object

    with zipfile.ZipFile(path) as archive:
        config = limits.json_value(limits.member(archive, "config.json"))
        _build_once(config)
        if not compiled:
            config["compile_config"] = None
        with ObjectSharingScope():
            model = deserialize_keras_object(config, known, safe_mode=not trusted)
        has_assets = any(name.startswith("assets/") for name in archive.namelist())
        assets = DiskIOStore("assets", archive=archive, mode="r") if has_assets else None
        try:
            with stored_weights(archive) as file:
                _set_state(model, file, assets)
        finally:
            if assets is not None:
                assets.close()
    return model


def load_weights(model: Any, path: Path) -> None:
    """Put the weights of a `.keras` or `.weights.h5` file of Keras 2 into a model of the same architecture.

    Raises:
        ValueError: they do not fit.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, stored_weights(archive) as file:
            _set_state(model, file, None)
    else:
        with h5py.File(path) as file:
            _set_state(model, file, None)


def has_early_layout(path: Path) -> bool:
    """Whether weights lie where later versions of `tf_keras` do not look for them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if WEIGHTS not in archive.namelist():
                return False
            with stored_weights(archive) as file:
                return _EARLY in file
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return _EARLY in file


def _build_once(item: Any) -> None:
    if isinstance(item, dict):
        if str(item.get("module")).partition(".")[0] == _BUILT_TWICE:
            item.pop("build_config", None)
        item = list(item.values())
    if isinstance(item, list):
        for inner in item:
            _build_once(inner)


def _set_state(model: Any, file: Any, assets: Any) -> None:
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapper

    walks = [
        list(_parts(model, early=early, count_again=again))
        for early, again in ((False, False), (True, False), (True, True))
    ]
    parts = next((walk for walk in walks if _all_there(walk, file)), walks[0])
    for place, part in parts:
        stored = file.get(f"{place}/vars" if place else "vars", {})
        if isinstance(part, QuantizeWrapper):
            _set_wrapper(part, stored)
        elif hasattr(part, "load_own_variables") and not isinstance(part, tf_keras.optimizers.Optimizer):
            part.load_own_variables(stored)
        if assets is not None and hasattr(part, "load_assets"):
            part.load_assets(assets.get(place))


def _set_wrapper(wrapper: Any, stored: Any) -> None:
    """tfmot's wrapper lists the weights of a layer that was built before it a second time, at the front.

    Raises:
        ValueError: variables are missing, or of another shape.
    """
    own = [*wrapper._trainable_weights, *wrapper._non_trainable_weights]
    values = [stored[str(place)] for place in range(len(stored))]
    if len(values) < len(wrapper._non_trainable_weights):
        raise ValueError(f"Layer '{wrapper.name}' expected {len(own)} variables, but received {len(values)}.")
    for variable, value in zip(reversed(own), reversed(values), strict=False):
        variable.assign(value)


def _all_there(parts: list[tuple[str, Any]], file: Any) -> bool:
    """Whether the file has something for every layer that has weights of its own."""
    layers = ((place, part) for place, part in parts if isinstance(part, tf_keras.layers.Layer))
    return all(
        len(file.get(f"{place}/vars" if place else "vars", ()))
        for place, layer in layers
        if layer._trainable_weights or layer._non_trainable_weights
    )


def _parts(model: Any, *, early: bool, count_again: bool) -> Iterator[tuple[str, Any]]:
    """Everything in a model that has a state, at its path in the file, each once.

    Args:
        model: The model.
        early: Whether it is gone through as TensorFlow 2.12 to 2.14 did.
        count_again: Whether what is met again counts in the numbers behind the names of one class.
    """
    from tf_keras.src.saving.saving_lib import ATTR_SKIPLIST, _is_keras_trackable
    from tf_keras.src.utils.generic_utils import to_snake_case

    skipped = ATTR_SKIPLIST - {_EARLY} if early else ATTR_SKIPLIST | {_EARLY}
    met: set[int] = set()

    def visit(part: Any, place: str) -> Iterator[tuple[str, Any]]:
        if id(part) in met:
            return
        met.add(id(part))
        yield place, part
        for name in sorted(dir(part), reverse=not early):
            if name.startswith("__") or name in skipped:
                continue
            try:
                value = getattr(part, name)
            except Exception:  # a property that cannot be read now holds no layers
                continue
            inner = f"{place}/{name}" if place else name
            if _is_keras_trackable(value):
                yield from visit(value, inner)
            elif isinstance(value, list | dict | tuple | set):
                yield from visit_all(list(value.values()) if isinstance(value, dict) else list(value), inner)

    def visit_all(values: list[Any], place: str) -> Iterator[tuple[str, Any]]:
        counts: dict[str, int] = {}
        for value in values:
            if not _is_keras_trackable(value) or (id(value) in met and not count_again):
                continue
            name = to_snake_case(type(value).__name__)
            number = counts.get(name, 0)
            counts[name] = number + 1
            yield from visit(value, f"{place}/{name}_{number}" if number else f"{place}/{name}")

    return visit(model, "")
