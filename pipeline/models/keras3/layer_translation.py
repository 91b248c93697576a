"""One Keras 3 layer → its `tf_keras` counterpart, by its configuration. No weights yet: the counterpart is not built.

Nothing is dropped silently: an argument that Keras 2 does not know must stand at its default, or have nothing to do
with what the layer computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import one_line
from pipeline.models.backend import tf_keras
from pipeline.models.keras3 import activation_functions as activations
from pipeline.models.keras3.problems import CannotCarryError

RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
"""Arguments by Keras 3's name, and Keras 2's."""

WITHOUT_EFFECT = frozenset(
    {
        "activity_regularizer",
        "autocast",
        "bounding_box_format",
        "data_format",  # channels_first is refused before
        "flash_attention",
        "quantization_config",
        "seed",
        "use_cudnn",
        "value_range",
    }
)
"""Arguments that do not change what a layer computes in inference, beyond what other arguments say already."""

RECURRENT = (
    "LSTM",
    "GRU",
    "SimpleRNN",
    "LSTMCell",
    "GRUCell",
    "SimpleRNNCell",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
)
"""Their activations are inside the recurrence, where nothing can be put behind them."""

AUGMENTATION = frozenset(
    {
        "AugMix",
        "AutoContrast",
        "CutMix",
        "MixUp",
        "RandAugment",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomElasticTransform",
        "RandomErasing",
        "RandomFlip",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHue",
        "RandomInvert",
        "RandomPerspective",
        "RandomPosterization",
        "RandomRotation",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
    }
)
"""Change images in training and nothing in inference. The recipe's `data.augment` takes their place."""

TEXT = ("TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "HashedCrossing", "CategoryEncoding")


@dataclass(frozen=True)
class Counterpart:
    """A `tf_keras` layer, and what follows it where Keras 2's layer cannot hold it (an activation)."""

    layer: Any
    after: Callable[[Any], Any] | None = None
    has_weights: bool = False
    """Whether it has its weights already: a nested model, or a wrapper around one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = self.layer(*args, **kwargs)
        return output if self.after is None else self.after(output)


Nested = Callable[[Any], Any]
"""From a nested Keras 3 model to its carried counterpart."""


def counterpart(layer: Any, nested: Nested) -> Counterpart:
    """The Keras 2 layer that computes what a Keras 3 layer computes.

    Args:
        layer: A Keras 3 layer.
        nested: Carries a model that the layer wraps, as TimeDistributed may.

    Raises:
        CannotCarryError: there is none, and why.
    """
    name = type(layer).__name__
    if type(layer).__module__.split(".")[0] != "keras":
        raise CannotCarryError("it is a layer of your own")
    if name in AUGMENTATION:
        return Counterpart(tf_keras.layers.Activation("linear", name=layer.name))
    if name in TEXT:
        raise CannotCarryError("it reads text or categories, which belongs before the model")
    kind = class_of(name)
    if kind is None:
        raise CannotCarryError("Keras 2 has no such layer")
    config = layer.get_config()
    if config.get("data_format") == "channels_first":
        raise CannotCarryError("channels_first; TFLite computes in channels_last, build the model so")
    config, after = _without_activation(layer, config, nested)
    arguments = _arguments(type(layer), kind, config)
    if name == "Normalization" and layer.built:
        arguments |= _statistics(layer)
    inner = _wrapped(layer, config, nested)
    arguments |= {
        key: [one.layer for one in found] if key == "cells" else found[0].layer for key, found in inner.items()
    }
    every = [one for found in inner.values() for one in found]
    try:
        made = kind(**arguments)
    except (ValueError, TypeError, KeyError) as error:
        raise CannotCarryError(f"Keras 2 refuses its configuration: {one_line(error, 200)}") from error
    made._name = layer.name  # Bidirectional and others name themselves after what they wrap
    # Elementwise behind the inner layer is elementwise behind the wrapper.
    after = after or next((one.after for one in every if one.after is not None), None)
    return Counterpart(made, after, any(one.has_weights for one in every))


def class_of(name: str) -> Any:
    """Keras 2's class of a Keras 3 layer's name; None where there is none."""
    return unregistered().get(name) or getattr(tf_keras.layers, name, None)


def unregistered() -> dict[str, Any]:
    """Layers of `tf_keras` that it cannot load from its own files without being told their classes."""
    from tf_keras.src.applications import convnext, inception_resnet_v2

    return {
        "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
        "LayerScale": convnext.LayerScale,
        "StochasticDepth": convnext.StochasticDepth,
        "SpectralNormalization": tf_keras.layers.SpectralNormalization,
    }


def _without_activation(
    layer: Any, config: dict[str, Any], nested: Nested
) -> tuple[dict[str, Any], Callable[[Any], Any] | None]:
    """The configuration with Keras 2's activation names, and what must follow the layer instead."""
    config = dict(config)
    after: Callable[[Any], Any] | None = None
    recurrent = type(layer).__name__ in RECURRENT
    for key in ("activation", "recurrent_activation"):
        if key not in config:
            continue
        function = getattr(layer, key, config[key])
        if hasattr(function, "get_config"):  # a layer as activation
            if recurrent:
                raise CannotCarryError(f"its {key} is a layer, inside a recurrence")
            config[key], after = "linear", counterpart(function, nested)
            continue
        name = activations.name_of(function)
        if name in activations.SAME:
            config[key] = activations.SAME[name]
        elif recurrent:
            raise CannotCarryError(f"Keras 2 has no {key} '{name}' that computes the same, and it is in a recurrence")
        else:
            config[key], after = "linear", _Composed(name, f"{layer.name}_{name}")
    return config, after


class _Composed:
    """An activation built of layers, behind a layer that may be called several times."""

    def __init__(self, activation: str, prefix: str) -> None:
        self._build, self._prefix, self._calls = activations.COMPOSED[activation], prefix, 0

    def __call__(self, x: Any) -> Any:
        self._calls += 1
        return self._build(x, self._prefix if self._calls == 1 else f"{self._prefix}_{self._calls}")


def _arguments(theirs: Any, ours: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration in Keras 2's words.

    Raises:
        CannotCarryError: an argument that Keras 2 does not know is not at its default.
    """
    known, defaults = accepted(ours), _defaults(theirs)
    renamed = RENAMED.get(theirs.__name__, {})
    arguments: dict[str, Any] = {}
    for key, value in config.items():
        if key.endswith("_initializer"):
            continue  # the weights are there already
        if renamed.get(key, key) in known:
            if not _is_layer(value):
                arguments[renamed.get(key, key)] = simplify(value)
        elif key not in WITHOUT_EFFECT and value is not None and value != defaults.get(key, value):
            raise CannotCarryError(f"Keras 2 has no {key}={value!r} there")
    return arguments


def accepted(kind: Any) -> set[str]:
    """Names of a Keras 2 constructor's arguments, through the classes that hand `**kwargs` upwards."""
    names = {"name", "trainable", "dtype"}
    for parent in kind.__mro__:
        if parent is tf_keras.layers.Layer:
            break
        names |= set(inspect.signature(parent.__init__).parameters)
    return names - {"self", "kwargs", "args"}


def _defaults(kind: Any) -> dict[str, Any]:
    return {
        key: parameter.default
        for parent in reversed(kind.__mro__)
        for key, parameter in inspect.signature(parent.__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def simplify(value: Any) -> Any:
    """Keras 3 writes policies, arrays, regularizers and constraints as objects with a module; Keras 2 without."""
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    if value["class_name"] in ("DTypePolicy", "FloatDTypePolicy"):
        return value["config"]["name"]
    if value["class_name"] in ("__numpy__", "__tensor__"):
        return value["config"]["value"]
    if "module" in value:
        return {"class_name": value["class_name"], "config": value.get("config", {})}
    return value


def _is_layer(value: Any) -> bool:
    """Whether a value of a configuration describes a layer, a model or a list of them."""
    import keras

    if isinstance(value, list):
        return bool(value) and all(map(_is_layer, value))
    if not isinstance(value, dict) or "class_name" not in value or "config" not in value:
        return False
    kind = getattr(keras.layers, str(value["class_name"]), None) or getattr(keras, str(value["class_name"]), None)
    is_kind = isinstance(kind, type) and issubclass(kind, keras.layers.Layer)
    return is_kind or value["class_name"] == "Functional"


def _wrapped(layer: Any, config: dict[str, Any], nested: Nested) -> dict[str, list[Counterpart]]:
    """Twins of the layers inside a wrapper (TimeDistributed, Bidirectional) or an RNN, by its argument."""
    import keras

    found: dict[str, list[Counterpart]] = {}
    for key, value in config.items():
        if not _is_layer(value) or key in ("activation", "recurrent_activation"):
            continue
        live = getattr(layer, key, None)
        if isinstance(live, keras.Model):
            found[key] = [Counterpart(nested(live), has_weights=True)]
            continue
        entries = value if isinstance(value, list) else [value]
        found[key] = [counterpart(keras.saving.deserialize_keras_object(entry), nested) for entry in entries]
    return found


def _statistics(layer: Any) -> dict[str, Any]:
    """Mean and variance of a Normalization as constants, whether they were given or adapted."""
    import numpy as np

    full = np.shape(layer.mean)
    kept = [full[axis] for axis in sorted(axis % len(full) for axis in layer.axis)]
    mean, variance = (np.asarray(value, np.float32).reshape(kept).tolist() for value in (layer.mean, layer.variance))
    return {"mean": mean, "variance": variance}
