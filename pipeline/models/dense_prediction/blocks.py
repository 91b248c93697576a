"""What the networks are put together of: convolutions with batch-norm, and what brings two maps to one size.

Every step is one int8 operator: batch-norm and ReLU6 fuse into the convolution before them.
"""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import tf_keras

layers = tf_keras.layers


def convolution(x: Any, filters: int, name: str, *, size: int = 1, stride: int = 1, activate: bool = True) -> Any:
    """Convolution, batch-norm and, if `activate`, ReLU6."""
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False, name=name)(x)
    return _normalized(x, name, activate)


def separable(x: Any, filters: int, name: str, *, stride: int = 1) -> Any:
    """A depthwise 3x3 and a 1x1 convolution, each with batch-norm and ReLU6 (Howard et al. 2017)."""
    x = depthwise(x, f"{name}_depthwise", stride=stride)
    return convolution(x, filters, f"{name}_pointwise")


def depthwise(x: Any, name: str, *, stride: int = 1) -> Any:
    """A depthwise 3x3 convolution, batch-norm and ReLU6."""
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
    return _normalized(x, name, activate=True)


def resized_to(x: Any, other: Any, name: str) -> Any:
    """Bilinear, to the height and width of another map."""
    height, width = other.shape[1:3]
    if tuple(x.shape[1:3]) == (height, width):
        return x
    return layers.Resizing(height, width, "bilinear", name=name)(x)


def cropped_to(x: Any, other: Any, name: str) -> Any:
    """The upper left of a map that doubling made a row or column too large."""
    down, right = (int(own) - int(wanted) for own, wanted in zip(x.shape[1:3], other.shape[1:3], strict=True))
    return layers.Cropping2D(((0, down), (0, right)), name=name)(x) if down or right else x


def scaled(filters: float, alpha: float | None, least: int = 8) -> int:
    """Channels under a width multiplier, a multiple of 8, as the MobileNets round them."""
    return max(least, int(filters * (alpha or 1.0) + 4) // 8 * 8)


def _normalized(x: Any, name: str, activate: bool) -> Any:
    x = layers.BatchNormalization(name=f"{name}_BN")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x
