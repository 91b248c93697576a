"""The quantization scheme as tfmot takes it: what the canonical form's layers need, and frozen ones frozen.

tfmot's default scheme knows the layers of a few models and finds fused ones by pattern matching. Here a model is
brought into the canonical form first (:mod:`pipeline.training.qat.rewrites`), and
:mod:`pipeline.training.qat.fake_quant_placement` says which values are rounded, so that nothing is left to be matched.
"""

from __future__ import annotations

from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layout_transform,
    quantize_registry,
    quantize_scheme,
)

from pipeline.models.backend import tf_keras
from pipeline.models.fake_quant.frozen import FrozenQuantizeWrapper
from pipeline.models.fake_quant.int8_config import Int8Config, has_kernel


class Int8Registry(quantize_registry.QuantizeRegistry):  # type: ignore[misc]
    """The `QuantizeConfig` of a layer that was annotated without one: its kernel and its output are rounded."""

    def supports(self, layer: Any) -> bool:
        return has_kernel(type(layer))

    def get_quantize_config(self, layer: Any) -> Any:
        return Int8Config(weights=True, output="running")


class _WrapFrozen(quantize_layout_transform.QuantizeLayoutTransform):  # type: ignore[misc]
    """Wraps what is not trained, which tfmot would train; it takes layers that are wrapped already as they are."""

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> Any:
        def wrap(layer: Any) -> Any:
            config = layer_quantize_map.get(layer.name, {}).get("quantize_config")
            return layer if layer.trainable or config is None else FrozenQuantizeWrapper(layer, config)

        if all(layer.trainable for layer in model.layers):
            return model, layer_quantize_map
        return tf_keras.models.clone_model(model, clone_function=wrap), layer_quantize_map


class EightBitPerChannel(quantize_scheme.QuantizeScheme):  # type: ignore[misc]
    """int8 activations per tensor, int8 weights per output channel (Dense and depthwise included)."""

    def get_layout_transformer(self) -> Any:
        return _WrapFrozen()

    def get_quantize_registry(self) -> Any:
        return Int8Registry()
