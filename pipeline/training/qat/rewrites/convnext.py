"""ConvNeXt's own layers, which `tf_keras.applications` defines and nothing else can load.

LayerScale multiplies channels by trained factors: a :class:`~pipeline.models.fake_quant.operation.ChannelScale`, which
the converter folds into the convolution before it. StochasticDepth is a Dropout of whole examples.
"""

from __future__ import annotations

from pipeline.models.fake_quant.operation import ChannelScale
from pipeline.training.qat.graph import Graph, Layer
from pipeline.training.qat.rewrites.change import Change

_MODULE = "applications.convnext"


def convnext_to_standard(graph: Graph) -> list[Change]:
    """Replace LayerScale and StochasticDepth."""
    changes = []
    for layer in list(graph.layers()):
        if _MODULE not in layer.kind.__module__:
            continue
        if layer.kind.__name__ == "LayerScale":
            replacement: Layer = graph.layer(
                ChannelScale, layer.name, layer.weights, trainable=layer.config.get("trainable", True)
            )
        elif layer.kind.__name__ == "StochasticDepth":
            shape = (None, *(1 for _ in graph.calls_of(layer)[0].input.shape[1:]))
            replacement = graph.layer("Dropout", layer.name, rate=layer.config["drop_path_rate"], noise_shape=shape)
        else:
            continue
        for call in graph.calls_of(layer):
            graph.replace(call, (replacement, call.input, call.output))
        changes.append(
            Change(
                layer.name, layer.kind.__name__, "a class of one application", f"the layer {replacement.kind.__name__}"
            )
        )
    return changes
