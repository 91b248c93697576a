"""This project's `QuantizeConfig`s: an int8 kernel with a scale an output channel, and an output with a range."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow_model_optimization as tfmot

from pipeline.models.backend import tf_keras
from pipeline.models.fake_quant.quantizers import FixedRange, PerChannelWeights, RunningRange, WidestRange

Range = Literal["input", "running"] | tuple[float, float]
"""input: the widest that was seen; running: follows the batches; a pair: fixed by the kernel."""

LINEAR = ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense")
"""Layers whose kernel is int8 with a scale an output channel."""


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class Int8Config(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """How one layer is quantized.

    Args:
        weights: Round the kernel.
        output: Where the output's range comes from; None: the output is not rounded here.
        exact_in_training: Round an output with a fixed range in inference only.
    """

    def __init__(self, weights: bool = False, output: Range | None = None, exact_in_training: bool = False) -> None:
        self.weights, self.exact_in_training = weights, exact_in_training
        self.output: Any = tuple(output) if isinstance(output, list | tuple) else output

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        if not self.weights:
            return []
        kernel = getattr(layer, kernel_attribute(layer))
        return [(kernel, PerChannelWeights(weight_axes(layer, len(kernel.shape))))]

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for weight in quantize_weights:
            setattr(layer, kernel_attribute(layer), weight)

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        if self.output is None:
            return []
        if isinstance(self.output, tuple):
            low, high = self.output
            return [FixedRange(low, high, self.exact_in_training)]
        return [WidestRange() if self.output == "input" else RunningRange()]

    def get_config(self) -> dict[str, Any]:
        return {"weights": self.weights, "output": self.output, "exact_in_training": self.exact_in_training}


def has_kernel(kind: type) -> bool:
    """Whether layers of the class have a kernel that int8 stores."""
    return kind in {getattr(tf_keras.layers, name) for name in LINEAR}


def kernel_attribute(layer: Any) -> str:
    """The attribute in which a layer keeps its kernel."""
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"


def weight_axes(layer: Any, rank: int) -> list[int]:
    """Axes of a layer's kernel that share a scale: all but the output channels'."""
    if isinstance(layer, tf_keras.layers.DepthwiseConv2D | tf_keras.layers.DepthwiseConv1D):
        return list(range(rank - 2))  # [h, w, channels, multiplier]
    if isinstance(layer, tf_keras.layers.Conv2DTranspose):
        return [0, 1, 3]  # [h, w, out, in]
    return list(range(rank - 1))
