"""Layers over sequences, [batch, steps, channels], turned into the two-dimensional operators that TFLite runs.

TFLite has no one-dimensional convolution: a Conv1D is a CONV_2D on an image of height 1 between two RESHAPEs. Written
so, batch-norm and activation stand next to the convolution, into which the converter folds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.training.qat.graph import Call, Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change

_ELEMENTWISE = ("BatchNormalization", "Activation", "ReLU", "Dropout")


def sequences_to_images(graph: Graph) -> list[Change]:
    """Give Conv1D, DepthwiseConv1D, SeparableConv1D and the pools their two-dimensional form; unknown lengths stay."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        build = next((made for kind, made in _TWO_DIMENSIONAL.items() if calls[0].is_a(kind)), None)
        if build is None or any(None in (*call.input.shape[1:], *call.output.shape[1:]) for call in calls):
            continue
        replacement = build(graph, layer)
        for call in calls:
            _replace(graph, call, replacement)
        reason = "TFLite has no one-dimensional operators"
        changes.append(
            Change(layer.name, layer.kind.__name__, reason, f"{replacement.kind.__name__} on an image of height 1")
        )
    _move_reshapes_back(graph)
    return changes


def _replace(graph: Graph, call: Call, replacement: Layer) -> None:
    x, y, name = call.input, call.output, call.layer.name
    image, result = _with_height(x), _with_height(y)
    steps: list[tuple[Layer, Value, Value]] = [(_reshape(graph, f"{name}_image", image), x, image)]
    before = image
    if call.layer.config.get("padding") == "causal":
        left = (call.layer.config["kernel_size"][0] - 1) * call.layer.config["dilation_rate"][0]
        before = Value((x.shape[0], 1, int(x.shape[1] or 0) + left, x.shape[2]))
        padding = graph.layer("ZeroPadding2D", f"{name}_causal", padding=((0, 0), (left, 0)))
        steps.append((padding, image, before))
    steps += [(replacement, before, result), (_reshape(graph, f"{name}_sequence", y), result, y)]
    graph.replace(call, *steps)


def _with_height(value: Value) -> Value:
    return Value((value.shape[0], 1, *value.shape[1:]))


def _reshape(graph: Graph, name: str, value: Value) -> Layer:
    return graph.layer("Reshape", name, target_shape=tuple(value.shape[1:]))


def _move_reshapes_back(graph: Graph) -> None:
    """Move a RESHAPE back to a sequence behind the elementwise layers that read it alone."""
    moved = True
    while moved:
        moved = False
        for back in list(graph.calls):
            if not back.is_a("Reshape") or len(back.input.shape) != 4 or back.input.shape[1] != 1:
                continue
            if tuple(back.input.shape[2:]) != tuple(back.output.shape[1:]):
                continue
            consumer = graph.single_consumer(back.output)
            if consumer is None or not consumer.is_a(*_ELEMENTWISE) or graph.shared(consumer.layer):
                continue
            if len(consumer.inputs) != 1 or (
                consumer.is_a("Activation") and consumer.layer.config["activation"] == "softmax"
            ):
                continue
            if consumer.is_a("BatchNormalization"):
                consumer.layer.config["axis"] = [3]
            image, result = back.input, consumer.output
            middle = Value(image.shape)
            consumer.reads(lambda value, image=image: image)  # type: ignore[misc]
            consumer.outputs = [middle]
            graph.calls.remove(back)
            back.reads(lambda value, middle=middle: middle)  # type: ignore[misc]
            back.outputs = [result]
            graph.calls.insert(graph.position(consumer) + 1, back)
            moved = True


def _convolution(kind: str, *keys: str) -> Callable[[Graph, Layer], Layer]:
    def build(graph: Graph, layer: Layer) -> Layer:
        config = layer.config
        kept = {key: config[key] for key in (*keys, "use_bias", "activation", "trainable") if key in config}
        padding = "valid" if config["padding"] == "causal" else config["padding"]
        # Kernels are [steps, in, out]; a bias has no such axis.
        weights = [weight[None] if weight.ndim == 3 else weight for weight in layer.weights]
        return graph.layer(
            kind,
            f"{layer.name}_2d",
            weights,
            kernel_size=(1, config["kernel_size"][0]),
            strides=_strides(config["strides"][0], kind),
            dilation_rate=(1, config["dilation_rate"][0]),
            padding=padding,
            **kept,
        )

    return build


def _strides(step: int, kind: str) -> tuple[int, int]:
    """Depthwise kernels take one stride for both directions; the height is 1, so any will do."""
    return (step, step) if kind != "Conv2D" else (1, step)


def _pool(kind: str) -> Callable[[Graph, Layer], Layer]:
    def build(graph: Graph, layer: Layer) -> Layer:
        size, strides = _first(layer.config["pool_size"]), _first(layer.config["strides"])
        return graph.layer(
            kind, f"{layer.name}_2d", pool_size=(1, size), strides=(1, strides), padding=layer.config["padding"]
        )

    return build


def _first(value: Any) -> int:
    return int(value[0]) if isinstance(value, list | tuple) else int(value)


_TWO_DIMENSIONAL: dict[str, Callable[[Graph, Layer], Layer]] = {
    "Conv1D": _convolution("Conv2D", "filters", "groups"),
    "DepthwiseConv1D": _convolution("DepthwiseConv2D", "depth_multiplier"),
    "SeparableConv1D": _convolution("SeparableConv2D", "filters", "depth_multiplier"),
    "MaxPooling1D": _pool("MaxPooling2D"),
    "AveragePooling1D": _pool("AveragePooling2D"),
}
