"""Which values get a fake-quant: each one that TFLite stores in int8 and rounds, once, and no other.

The rules are the kernels' (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec)
and those of the writer, ai-edge-quantizer:

- Batch-norm and ReLU behind a convolution are fused into it: only the last of them is rounded. A ReLU is fused into
  ADD, SUB, MUL and the pools too.
- What goes into a CONCATENATION, MAXIMUM or MINIMUM and nowhere else, reshaped or not, is written on its steps, and
  rounded there.
- AVERAGE_POOL_2D and RESIZE_BILINEAR round onto the steps of their input (:mod:`pipeline.training.qat.snap`).
- Whatever only moves values (RESHAPE, TRANSPOSE, PAD, MAX_POOL_2D, slices) stays on its input's steps.
- LOGISTIC, TANH and SOFTMAX have the range that their kernel fixes. One that the model ends in stays exact in
  training: a probability rounded to 1/256 can be 0, whose logarithm the loss needs.
- Everything else has a range of its own. That of a value that a float operator makes serves the int8 ones behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.models.backend import tf_keras
from pipeline.models.fake_quant.int8_config import Range
from pipeline.models.fake_quant.operation import Operation
from pipeline.training.qat.fusing import fused_values
from pipeline.training.qat.graph import Call, Graph, Value, is_input
from pipeline.training.qat.rewrites.fixed_mode import TRAINING_ONLY
from pipeline.training.qat.rewrites.fused_activations import activation_name
from pipeline.training.qat.rewrites.operators import plain_name

_ONLY_MOVES = (
    *("Reshape", "Flatten", "Permute", "RepeatVector", "MaxPooling2D", "MaxPooling1D"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D"),
)
_MOVING_FUNCTIONS = frozenset(
    {"__operators__.getitem", "reshape", "transpose", "pad", "slice", "strided_slice", "split", "unstack", "gather"}
    | {"squeeze", "expand_dims", "broadcast_to", "stop_gradient", "tile", "reverse", "nn.space_to_depth"}
)
_JOINING = ("Concatenate", "Maximum", "Minimum")
_RESIZING = frozenset({"image.resize", "image.resize_bilinear"})
_FIXED: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
}


@dataclass(frozen=True)
class Rounded:
    """A value that int8 rounds, and how its range comes about."""

    value: Value
    range: Range
    exact_in_training: bool = False


def place_fake_quants(graph: Graph) -> list[Rounded]:
    """The values of a canonical graph that get a fake-quant, in the order of the calls."""
    inside = fused_values(graph)
    found = []
    for call in graph.calls:
        for value in call.outputs:
            if value.dtype != "float32" or id(value) in inside:
                continue
            how = _range(call)
            if how is not None and not (how == "running" and _joins(graph, call, value)):
                last = graph.is_output(value) and not graph.consumers(value)
                found.append(Rounded(value, how, exact_in_training=last and isinstance(how, tuple)))
    return found


def _range(call: Call) -> Range | None:
    if is_input(call):
        return "input"
    fixed = _fixed(call)
    if fixed is not None:
        return fixed
    return None if only_moves(call.layer.kind, call.layer.config) else "running"


def _joins(graph: Graph, call: Call, value: Value) -> bool:
    """Whether int8 computes a value in the steps of the operator behind it; the writer's choice."""
    consumer = graph.single_consumer(value)
    while consumer is not None and _reshapes(consumer):
        consumer = graph.single_consumer(consumer.output)
    free = not call.is_a(*_JOINING) and not keeps_scale(call.layer.kind, call.layer.config)
    return free and consumer is not None and consumer.is_a(*_JOINING)


def _reshapes(call: Call) -> bool:
    """Whether every value goes on, in another shape or order."""
    if call.layer.kind is Operation:
        return plain_name(call.layer.config["function"]) in ("reshape", "transpose")
    return call.is_a("Reshape", "Flatten", "Permute")


def keeps_scale(kind: type, config: Mapping[str, Any]) -> bool:
    """Whether a layer rounds onto its input's steps; as :func:`only_moves`."""
    if kind is Operation:
        return plain_name(config["function"]) in _RESIZING
    return kind in (tf_keras.layers.AveragePooling2D, tf_keras.layers.UpSampling2D, tf_keras.layers.Resizing)


def only_moves(kind: type, config: Mapping[str, Any]) -> bool:
    """Whether a layer only moves values, in inference at least, so that they stay on their steps.

    Args:
        kind: Its class.
        config: As its `get_config` gives it.
    """
    if kind in {getattr(tf_keras.layers, name) for name in (*_ONLY_MOVES, *TRAINING_ONLY)}:
        return True
    if kind is tf_keras.layers.UpSampling2D:
        return str(config.get("interpolation", "nearest")) == "nearest"
    return kind is Operation and plain_name(config["function"]) in _MOVING_FUNCTIONS


def _fixed(call: Call) -> tuple[float, float] | None:
    if call.is_a("Softmax"):
        return _FIXED["softmax"]
    if call.is_a("Activation"):
        return _FIXED.get(activation_name(call.layer.config["activation"]) or "")
    return None
