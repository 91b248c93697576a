"""LayerNormalization in the form whose operators all have int8 kernels.

Keras computes it over the last axis with its batch-norm kernel, for which it fills vectors of ones and zeros as long
as the batch is at run time; FILL has no int8 form. Mean, squared difference, RSQRT and products have. QAT rounds the
result; the ranges inside are calibrated.
"""

from __future__ import annotations

from pipeline.models.fake_quant.operation import PlainLayerNormalization
from pipeline.training.qat.graph import Graph
from pipeline.training.qat.rewrites.change import Change


def plain_layer_norms(graph: Graph) -> list[Change]:
    """Replace every LayerNormalization over the last axis."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        if not calls[0].is_a("LayerNormalization"):
            continue
        axis = layer.config["axis"]
        last = [int(side) % len(calls[0].input.shape) for side in (axis if isinstance(axis, list | tuple) else [axis])]
        if last != [len(calls[0].input.shape) - 1]:
            continue
        kept = ("epsilon", "center", "scale", "trainable")
        replacement = graph.layer(
            PlainLayerNormalization, layer.name, layer.weights, **{key: layer.config[key] for key in kept}
        )
        for call in calls:
            graph.replace(call, (replacement, call.input, call.output))
        reason = "computed by a batch-norm kernel with FILL, which has no int8 form"
        remedy = "mean, squared difference and RSQRT, with the ranges inside calibrated"
        changes.append(Change(layer.name, "LayerNormalization", reason, remedy))
    return changes
