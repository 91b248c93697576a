"""Which values get a fake-quant: each one that TFLite stores in int8 and rounds, once, and no other.

The rules are the kernels' (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec)
and those of the writer, ai-edge-quantizer:

- A convolution takes up the batch-norm and the ReLU behind it: only the last of them is rounded. ADD, SUB, MUL and
  the pools take up a ReLU too.
- Whatever only moves values (RESHAPE, TRANSPOSE, PAD, MAX_POOL_2D, slices) stays on its input's steps.
- LOGISTIC, TANH and SOFTMAX have the range that their kernel fixes.
- Everything else has a range of its own. That of a value that a float operator makes serves the int8 ones behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.models.backend import tf_keras
from pipeline.training.qat.graph import Call, Graph, Value, is_input
from pipeline.training.qat.operation import ChannelScale, Operation
from pipeline.training.qat.rewrites.activations import activation_name
from pipeline.training.qat.rewrites.lone_batch_norm import FOLDS_BATCH_NORM

Range = Literal["input", "running"] | tuple[float, float]
"""input: the widest that was seen; running: follows the batches; a pair: fixed by the kernel."""

LINEAR = ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense")
"""Layers whose kernel is int8 with a scale an output channel."""

_FUSES_RELU = ("Add", "Subtract", "Multiply", "AveragePooling2D")
_ONLY_MOVES = (
    *("Reshape", "Flatten", "Permute", "RepeatVector", "MaxPooling2D", "MaxPooling1D"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D"),
)
TRAINING_ONLY = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise"),
    *("AlphaDropout", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
    *("RandomContrast", "RandomBrightness", "RandomCrop"),
)
"""They act in training alone, and are gone from the exported model."""
_MOVING_FUNCTIONS = frozenset(
    {"__operators__.getitem", "reshape", "transpose", "pad", "slice", "strided_slice", "split", "unstack", "gather"}
    | {"squeeze", "expand_dims", "broadcast_to", "stop_gradient", "tile", "reverse", "nn.space_to_depth"}
)
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


def place(graph: Graph) -> list[Rounded]:
    """The values of a canonical graph that get a fake-quant, in the order of the calls."""
    taken_up = _taken_up(graph)
    found = []
    for call in graph.calls:
        for value in call.outputs:
            if value.dtype != "float32" or id(value) in taken_up:
                continue
            how = _range(graph, call, value)
            if how is not None:
                found.append(Rounded(value, how))
    return found


def _range(graph: Graph, call: Call, value: Value) -> Range | None:
    if is_input(call):
        return "input"
    fixed = _fixed(call)
    if fixed is not None:
        # A probability rounded to 1/256 can be 0, whose logarithm the loss needs; the last layer stays exact.
        return None if graph.is_output(value) and not graph.readers(value) else fixed
    if call.is_a(*_ONLY_MOVES, *TRAINING_ONLY) or (call.is_a("UpSampling2D") and _nearest(call)):
        return None
    if call.layer.kind is Operation and call.layer.config["function"] in _MOVING_FUNCTIONS:
        return None
    return "running"


def _fixed(call: Call) -> tuple[float, float] | None:
    if call.is_a("Softmax"):
        return _FIXED["softmax"]
    if call.is_a("Activation"):
        return _FIXED.get(activation_name(call.layer.config["activation"]) or "")
    return None


def _nearest(call: Call) -> bool:
    return str(call.layer.config.get("interpolation", "nearest")) == "nearest"


def _taken_up(graph: Graph) -> set[int]:
    """Values inside a convolution with what it takes up, and before a ReLU that is fused."""
    inside: set[int] = set()
    for call in graph.calls:
        linear = call.is_a(*LINEAR)
        if not linear and not call.is_a(*_FUSES_RELU) and not _adds_or_scales(call):
            continue
        value = call.output
        reader = graph.only_reader(value)
        while linear and reader is not None and _folds(call, reader):
            inside.add(id(value))
            value = reader.output
            reader = graph.only_reader(value)
        if reader is not None and is_fused_relu(reader):
            inside.add(id(value))
    return inside


def _adds_or_scales(call: Call) -> bool:
    return call.layer.kind is Operation and call.layer.config["function"] in ("math.add", "math.multiply")


def _folds(linear: Call, reader: Call) -> bool:
    if reader.layer.kind is ChannelScale:
        return linear.is_a(*FOLDS_BATCH_NORM)
    return reader.is_a("BatchNormalization") and linear.is_a(*FOLDS_BATCH_NORM)


def is_fused_relu(call: Call) -> bool:
    """ReLU or ReLU6, which TFLite computes inside the operator before it."""
    config = call.layer.config
    return (
        call.layer.kind is tf_keras.layers.ReLU
        and config.get("max_value") in (None, 6)
        and not config.get("negative_slope")
        and not config.get("threshold")
    )
