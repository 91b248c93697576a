"""Activations as TFLite computes them: fused where it fuses them, operators of their own where it does not.

A layer's `activation` argument becomes a layer behind it. ReLU and ReLU6 stay single layers, which the converter
fuses. The others become the operators that TFLite runs, because each of them rounds its result to int8: swish is
LOGISTIC and MUL, hard-swish is HARD_SWISH, hard-sigmoid is MUL, ADD with a fused ReLU6, and MUL.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.models.backend import tf, tf_keras
from pipeline.models.fake_quant.operation import HardSwish
from pipeline.training.qat.graph import Call, Graph, Value
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.operators import constant_operand, with_constant


def split_activations(graph: Graph) -> list[Change]:
    """Give every `activation` argument that is a known function a layer behind."""
    changes = []
    for layer in list(graph.layers()):
        if layer.kind is tf_keras.layers.Activation or not layer.config.get("activation"):
            continue
        if layer.kind not in TAKE_ACTIVATIONS or (name := activation_name(layer.config["activation"])) is None:
            continue
        if name == "linear":
            continue
        layer.config = {**layer.config, "activation": "linear"}
        for call in graph.calls_of(layer):
            graph.after(call.output, graph.layer("Activation", f"{layer.name}_{name}", activation=name))
        reason = f"{name} inside the layer is rounded at other places than TFLite rounds"
        changes.append(Change(layer.name, layer.kind.__name__, reason, f"{name} is a layer of its own"))
    return changes


def simplify_activations(graph: Graph) -> list[Change]:
    """Write activation layers as the operators that TFLite has for them."""
    changes = _hard_swishes(graph)
    for call in list(graph.calls):
        if len(call.inputs) != 1 or len(call.outputs) != 1:
            continue
        name = _name_of(call)
        if name == "linear":
            graph.drop(call)
        elif name in _STEPS:
            remedy = _STEPS[name](graph, call, call.input, call.output)
            if name not in ("relu", "relu6"):
                reason = f"tfmot has no {name} that is rounded where TFLite rounds it"
                changes.append(Change(call.layer.name, call.layer.kind.__name__, reason, remedy))
    return changes


_OF_TENSORFLOW = (tf.nn.relu6, tf.nn.leaky_relu)
"""Functions that Keras takes by name, and has not among its own."""


def activation_name(activation: Any) -> str | None:
    """The name of one of Keras's own activation functions; None for the user's."""
    try:
        function = tf_keras.activations.get(activation)
    except (ValueError, TypeError):
        return None
    name = str(getattr(function, "__name__", ""))
    own = getattr(tf_keras.activations, name, None)
    return {"silu": "swish"}.get(name, name) if own is function or function in _OF_TENSORFLOW else None


TAKE_ACTIVATIONS = frozenset(
    getattr(tf_keras.layers, name)
    for name in (
        *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose"),
        *("SeparableConv1D", "SeparableConv2D", "Dense", "EinsumDense"),
    )
)
"""Layers that compute an activation behind what they are named after."""


def _name_of(call: Call) -> str | None:
    layer = call.layer
    if layer.kind is tf_keras.layers.Activation:
        return activation_name(layer.config["activation"])
    if layer.kind is tf_keras.layers.ReLU and not np.any(layer.config.get("threshold")):
        slope = float(np.asarray(layer.config.get("negative_slope") or 0))
        most = layer.config.get("max_value")
        if 0 < slope < 1 and most is None:
            return "leaky_relu"
        return "clip" if not slope and most not in (None, 6) and most > 0 else None
    return None


def _relu(graph: Graph, call: Call, x: Value, y: Value) -> str:
    graph.replace(call, (graph.layer("ReLU", call.layer.name), x, y))
    return "ReLU"


def _relu6(graph: Graph, call: Call, x: Value, y: Value) -> str:
    graph.replace(call, (graph.layer("ReLU", call.layer.name, max_value=6.0), x, y))
    return "ReLU6"


def _swish(graph: Graph, call: Call, x: Value, y: Value) -> str:
    name, gate = call.layer.name, Value(x.shape)
    sigmoid = graph.layer("Activation", f"{name}_sigmoid", activation="sigmoid")
    graph.replace(call, (sigmoid, x, gate), (graph.layer("Multiply", f"{name}_multiply"), [x, gate], y))
    return "LOGISTIC and MUL, each with its own range"


def _hard_sigmoid(graph: Graph, call: Call, x: Value, y: Value) -> str:
    """Keras 2's is clip(x / 5 + 1/2, 0, 1), which is relu6(1.2 x + 3) / 6."""
    name, scaled, moved, clipped = call.layer.name, Value(x.shape), Value(x.shape), Value(x.shape)
    graph.replace(
        call,
        (with_constant(graph, "math.multiply", 1.2, f"{name}_scale"), x, scaled),
        (with_constant(graph, "math.add", 3.0, f"{name}_shift"), scaled, moved),
        (graph.layer("ReLU", f"{name}_relu6", max_value=6.0), moved, clipped),
        (with_constant(graph, "math.multiply", 1 / 6, f"{name}_sixth"), clipped, y),
    )
    return "MUL, ADD with ReLU6, MUL, each with its own range"


def _leaky_relu(graph: Graph, call: Call, x: Value, y: Value) -> str:
    config = call.layer.config
    slope = config.get("alpha", config.get("negative_slope", 0.2 if "activation" in config else 0.3))
    graph.replace(call, (graph.layer("LeakyReLU", call.layer.name, alpha=float(slope)), x, y))
    return "one LEAKY_RELU"


def _clip(graph: Graph, call: Call, x: Value, y: Value) -> str:
    """min(max(x, 0), c) is relu6(6 x / c) · c / 6."""
    name, most = call.layer.name, float(call.layer.config["max_value"])
    scaled, clipped = Value(x.shape), Value(x.shape)
    graph.replace(
        call,
        (with_constant(graph, "math.multiply", 6 / most, f"{name}_scale"), x, scaled),
        (graph.layer("ReLU", f"{name}_relu6", max_value=6.0), scaled, clipped),
        (with_constant(graph, "math.multiply", most / 6, f"{name}_back"), clipped, y),
    )
    return "MUL with ReLU6 and MUL, each with its own range"


_STEPS = {
    "clip": _clip,
    "relu": _relu,
    "relu6": _relu6,
    "swish": _swish,
    "hard_sigmoid": _hard_sigmoid,
    "leaky_relu": _leaky_relu,
}


def _hard_swishes(graph: Graph) -> list[Change]:
    """x · relu6(x + 3) · 1/6, as MobileNetV3 writes it, to one HARD_SWISH."""
    changes = []
    for sixth in list(graph.calls):
        gate = _times_a_sixth(graph, sixth)
        product = graph.single_consumer(sixth.output) if gate is not None else None
        if gate is None or product is None or not product.is_a("Multiply") or len(product.inputs) != 2:
            continue
        [x] = [value for value in product.inputs if value is not sixth.output]
        if gate is not x:
            continue
        layer = graph.layer(HardSwish, product.layer.name)
        graph.replace(product, (layer, x, product.output))
        graph.prune()
        reason = "hard-swish written as four operators"
        changes.append(Change(product.layer.name, "Multiply", reason, "one HARD_SWISH"))
    return changes


def _times_a_sixth(graph: Graph, call: Call) -> Value | None:
    """x where the call is the last of relu6(x + 3) · 1/6."""
    sixth = constant_operand(call)
    if sixth is None or call.layer.config["function"] != "math.multiply" or not np.allclose(sixth, 1 / 6):
        return None
    relu6 = graph.producer(call.input)
    if not relu6.is_a("ReLU") or relu6.layer.config.get("max_value") != 6:
        return None
    shift = graph.producer(relu6.input)
    three = constant_operand(shift)
    if three is None or shift.layer.config["function"] != "math.add" or not np.allclose(three, 3):
        return None
    return shift.input
