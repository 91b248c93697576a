"""MultiHeadAttention written as the operators it is made of, each of which has an int8 kernel.

Projections as Dense layers, BATCH_MATMUL, SOFTMAX, BATCH_MATMUL, and a Dense layer (Vaswani et al. 2017,
https://arxiv.org/abs/1706.03762). Keras's layer is one wrapper to tfmot, with einsums and eight values inside.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.models.fake_quant.operation import Operation, encode
from pipeline.training.qat.graph import Call, Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.operators import with_constant

Step = tuple[Layer, Any, Value]


def attention_to_operators(graph: Graph) -> list[Change]:
    """Take apart every MultiHeadAttention over sequences of known length, without a mask; others stay."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        if not calls[0].is_a("MultiHeadAttention") or not all(_plain(call) for call in calls):
            continue
        projections = _projections(graph, layer)
        for call in calls:
            graph.replace(call, *_steps(graph, call, projections))
        changes.append(
            Change(
                layer.name,
                "MultiHeadAttention",
                "one layer, but operators with int8 values between them",
                "Dense, BATCH_MATMUL and SOFTMAX layers",
            )
        )
    return changes


def _arguments(call: Call) -> tuple[Any, Any, Any]:
    """Query, value and key."""
    given = dict(zip(("query", "value", "key"), call.args, strict=False)) | call.kwargs
    return given.get("query"), given.get("value"), given.get("key") if given.get("key") is not None else given["value"]


def _plain(call: Call) -> bool:
    config = call.layer.config
    unusual = {key for key, item in call.kwargs.items() if item is not None and item is not False}
    shapes = [value.shape for value in call.inputs]
    return (
        unusual <= {"query", "value", "key", "training"}
        and len(call.args) <= 3
        and config.get("output_shape") is None
        and config.get("attention_axes") in (None, [1], (1,))
        and all(len(shape) == 3 and None not in shape[1:] for shape in shapes)
        and len(call.outputs) == 1
    )


def _projections(graph: Graph, layer: Layer) -> dict[str, Layer]:
    """The four Dense layers, with the einsums' kernels made flat."""
    weights = list(layer.weights)
    step = 2 if layer.config["use_bias"] else 1
    found = {}
    for position, name in enumerate(("query", "key", "value", "output")):
        kernel, *bias = weights[position * step : (position + 1) * step]
        flat = kernel.reshape(-1, kernel.shape[-1]) if name == "output" else kernel.reshape(kernel.shape[0], -1)
        found[name] = graph.layer(
            "Dense",
            f"{layer.name}_{name}",
            [flat, *(part.reshape(-1) for part in bias)],
            units=flat.shape[1],
            use_bias=bool(bias),
            trainable=layer.config.get("trainable", True),
        )
    return found


def _steps(graph: Graph, call: Call, projections: dict[str, Layer]) -> list[Step]:
    config, name = call.layer.config, call.layer.name
    query, value, key = _arguments(call)
    heads = int(config["num_heads"])
    steps: list[Step] = []

    def add(layer: Layer, inputs: Any, *sides: int | None) -> Value:
        steps.append((layer, inputs, Value((query.shape[0], *sides))))
        return steps[-1][2]

    def by_head(source: Value, which: str) -> Value:
        length = source.shape[1]
        width = int(projections[which].config["units"])
        flat = add(projections[which], source, length, width)
        split = graph.layer("Reshape", f"{name}_{which}_heads", target_shape=(length, heads, width // heads))
        swap = graph.layer("Permute", f"{name}_{which}_by_head", dims=(2, 1, 3))
        return add(swap, add(split, flat, length, heads, width // heads), heads, length, width // heads)

    q, k, v = by_head(query, "query"), by_head(key, "key"), by_head(value, "value")
    length, others, depth = query.shape[1], key.shape[1], int(v.shape[3] or 0)
    scale = with_constant(graph, "math.multiply", 1 / math.sqrt(int(config["key_dim"])), f"{name}_scale")
    q = add(scale, q, *q.shape[1:])
    scores = add(_matmul(graph, f"{name}_scores", transpose_b=True), [q, k], heads, length, others)
    weights = add(graph.layer("Softmax", f"{name}_softmax", axis=-1), scores, heads, length, others)
    if config.get("dropout"):
        weights = add(graph.layer("Dropout", f"{name}_dropout", rate=config["dropout"]), weights, heads, length, others)
    mixed = add(_matmul(graph, f"{name}_mix", transpose_b=False), [weights, v], heads, length, depth)
    back = add(graph.layer("Permute", f"{name}_by_position", dims=(2, 1, 3)), mixed, length, heads, depth)
    joined = graph.layer("Reshape", f"{name}_joined", target_shape=(length, heads * depth))
    flat = add(joined, back, length, heads * depth)
    steps.append((projections["output"], flat, call.output))
    return steps


def _matmul(graph: Graph, name: str, transpose_b: bool) -> Layer:
    a, b = object(), object()
    places = {id(a): 0, id(b): 1}
    arguments = encode(((a, b), {"transpose_b": transpose_b}), lambda item: places.get(id(item)))
    return graph.layer(Operation, name, function="linalg.matmul", arguments=arguments)
