"""tfmot's default 8-bit scheme with per-channel weights everywhere and ranges that fit a short fine-tuning.

Which tensors are quantized (which layers fuse, what stays unquantized between a convolution and its batch-norm) is
tfmot's knowledge and stays so: every `QuantizeConfig` it chooses is wrapped, and only its quantizers are replaced.
"""

from __future__ import annotations

from typing import Any

import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_layout_transform,
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
)

from pipeline.models.backend import tf_keras
from pipeline.training.qat.quantizers import PerChannelWeights, RunningRange


def weight_axes(layer: Any, rank: int) -> list[int]:
    """Axes of a layer's kernel that share a scale: all but the output channels'."""
    if isinstance(layer, tf_keras.layers.DepthwiseConv2D | tf_keras.layers.DepthwiseConv1D):
        return list(range(rank - 2))  # [h, w, channels, multiplier]
    if isinstance(layer, tf_keras.layers.Conv2DTranspose):
        return [0, 1, 3]  # [h, w, out, in]
    return list(range(rank - 1))


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class PerChannelConfig(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """Quantizes what the inner config quantizes, with this project's quantizers."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [
            (weight, PerChannelWeights(weight_axes(layer, len(weight.shape))))
            for weight, _ in self.inner.get_weights_and_quantizers(layer)
        ]

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(activation, RunningRange()) for activation, _ in self.inner.get_activations_and_quantizers(layer)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        self.inner.set_quantize_weights(layer, quantize_weights)

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        self.inner.set_quantize_activations(layer, quantize_activations)

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [RunningRange() for _ in self.inner.get_output_quantizers(layer)]

    def get_config(self) -> dict[str, Any]:
        return {"inner": tf_keras.utils.legacy.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerChannelConfig:
        with tfmot.quantization.keras.quantize_scope():
            return cls(tf_keras.utils.legacy.deserialize_keras_object(config["inner"]))


class _Registry(default_8bit_quantize_registry.Default8BitQuantizeRegistry):  # type: ignore[misc]
    def get_quantize_config(self, layer: Any) -> Any:
        return PerChannelConfig(super().get_quantize_config(layer))


class _Layout(default_8bit_quantize_layout_transform.Default8BitQuantizeLayoutTransform):  # type: ignore[misc]
    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> Any:
        transformed, chosen = super().apply(model, layer_quantize_map)
        for entry in chosen.values():
            config = entry.get("quantize_config")
            if config is not None and not isinstance(config, PerChannelConfig):
                entry["quantize_config"] = PerChannelConfig(config)
        return transformed, chosen


class EightBitPerChannel(default_8bit_quantize_scheme.Default8BitQuantizeScheme):  # type: ignore[misc]
    """int8 activations per tensor, int8 weights per output channel (Dense and depthwise included)."""

    def get_layout_transformer(self) -> Any:
        return _Layout()

    def get_quantize_registry(self) -> Any:
        return _Registry()


CUSTOM_OBJECTS = {
    "PerChannelConfig": PerChannelConfig,
    "PerChannelWeights": PerChannelWeights,
    "RunningRange": RunningRange,
}
"""Needed beside `tfmot.quantization.keras.quantize_scope` to load a QAT model."""
