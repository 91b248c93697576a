"""The feature maps of a classifier of `tf_keras.applications`, by their stride."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line
from pipeline.models.backend import tf_keras
from pipeline.models.weights import load_weights

IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Backbone:
    """A network without its classifier."""

    model: Any
    """A `tf_keras` model of one input [B, height, width, channels] of fixed sides."""

    @property
    def input(self) -> Any:
        """A Keras tensor, as what is built on top begins."""
        return self.model.inputs[0]

    def features(self, stride: int) -> Any:
        """The last features [B, ⌈height/stride⌉, ⌈width/stride⌉, C] before the next halving.

        In networks of inverted residuals that is the wide expansion, where SSDLite reads too (Sandler et al. 2018,
        section 6.2).

        Raises:
            InputError: the network has none of this stride.
        """
        height, width = self.input.shape[1:3]
        wanted = sides_at((height, width), stride)
        found = None
        for layer in self.model.layers:
            output = layer.output
            if isinstance(layer, tf_keras.layers.ZeroPadding2D | tf_keras.layers.InputLayer):
                continue  # padded for the next halving
            if not isinstance(output, list) and len(output.shape) == 4 and tuple(output.shape[1:3]) == wanted:
                found = output
        if found is None:
            raise InputError(
                f"The backbone {self.model.name} has no features of stride {stride} for inputs of "
                f"{tuple(self.input.shape[1:])}: take another (model.backbone: MobileNetV2), or larger inputs."
            )
        return found


def sides_at(sides: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of what strides over an image, where every halving rounds up, as padding `same` does."""
    return -(-sides[0] // stride), -(-sides[1] // stride)


def build_backbone(
    name: str,
    factory: Callable[..., Any],
    input_shape: tuple[int, ...],
    *,
    alpha: float | None = None,
    weights: str | None = None,
) -> Backbone:
    """
    Args:
        name: Of the recipe, for messages.
        factory: Of `tf_keras.applications`.
        input_shape: Height, width, channels.
        alpha: Width multiplier, where the network has one.
        weights: `none`, `imagenet`, or a file of the whole ImageNet classifier or of the network without its top.

    Raises:
        InputError: no such network for these inputs, or weights that are not there or do not fit.
    """
    known = inspect.signature(factory).parameters
    options: dict[str, Any] = {"input_shape": input_shape, "weights": None, "include_top": False}
    if alpha is not None:
        if "alpha" not in known:
            raise InputError(f"{name} has no width multiplier: remove model.alpha.")
        options["alpha"] = alpha
    if "include_preprocessing" in known:
        # Preprocessing belongs to the recipe, where calibration and the phone can see it.
        options["include_preprocessing"] = False
    try:
        if weights == "imagenet":
            return Backbone(_downloaded(name, factory, options))
        model = factory(**options)
        if weights not in (None, "none"):
            _from_file(model, factory, options, Path(str(weights)))
    except ValueError as error:
        raise InputError(f"The backbone {name} cannot be built for inputs {input_shape}: {error}") from error
    return Backbone(model)


def _downloaded(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    try:
        return factory(**{**options, "weights": "imagenet"})
    except ValueError:
        raise
    except Exception as error:
        raise InputError(
            f"The ImageNet weights of {name} could not be downloaded ({one_line(error, 200)}). Where there is no "
            "network, give a file: --set model.weights=FILE.h5."
        ) from error


def _from_file(model: Any, factory: Callable[..., Any], options: Mapping[str, Any], path: Path) -> None:
    """Weights of the same network without its top, or of the whole classifier, whose top is left aside."""
    if not path.is_file():
        raise InputError(f"There is no weights file '{path}' (model.weights: none, imagenet or a file).")
    try:
        load_weights(model, path)
        return
    except InputError as error:
        first = error
    classifier = factory(**{**options, "include_top": True, "classes": IMAGENET_CLASSES})
    try:
        load_weights(classifier, path)
    except InputError:
        raise first from None
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(classifier.get_layer(layer.name).get_weights())
