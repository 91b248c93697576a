"""The classes that a saved QAT model of this project names, which Keras must know to load it."""

from __future__ import annotations

from typing import Any

from pipeline.models.fake_quant.frozen import FrozenQuantizeWrapper
from pipeline.models.fake_quant.int8_config import Int8Config
from pipeline.models.fake_quant.operation import ChannelScale, HardSwish, Operation, PlainLayerNormalization
from pipeline.models.fake_quant.quantizers import FixedRange, PerChannelWeights, RunningRange, WidestRange

QAT_OBJECTS = {
    made.__name__: made
    for made in (
        *(Int8Config, PerChannelWeights, RunningRange, WidestRange, FixedRange),
        *(Operation, HardSwish, ChannelScale, PlainLayerNormalization, FrozenQuantizeWrapper),
    )
}
"""Needed beside `tfmot.quantization.keras.quantize_scope`."""


def wrapped_layers(model: Any) -> list[str]:
    """Names of the layers that tfmot's fake-quant is around already, this project's QAT or plain tfmot's."""
    from pipeline.models.stored_config import FAKE_QUANT

    return [layer.name for layer in getattr(model, "layers", ()) if type(layer).__name__ in FAKE_QUANT]
