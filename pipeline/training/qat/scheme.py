"""The quantization scheme as tfmot takes it: what the canonical form's layers need, and no transformation of its own.

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

from pipeline.models.fake_quant.int8_config import Int8Config, has_kernel


class Int8Registry(quantize_registry.QuantizeRegistry):  # type: ignore[misc]
    """The `QuantizeConfig` of a layer that was annotated without one: its kernel and its output are rounded."""

    def supports(self, layer: Any) -> bool:
        return has_kernel(type(layer))

    def get_quantize_config(self, layer: Any) -> Any:
        return Int8Config(weights=True, output="running")


class _AsItIs(quantize_layout_transform.QuantizeLayoutTransform):  # type: ignore[misc]
    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> Any:
        return model, layer_quantize_map


class EightBitPerChannel(quantize_scheme.QuantizeScheme):  # type: ignore[misc]
    """int8 activations per tensor, int8 weights per output channel (Dense and depthwise included)."""

    def get_layout_transformer(self) -> Any:
        return _AsItIs()

    def get_quantize_registry(self) -> Any:
        return Int8Registry()
