"""Calls with `training=False`, as transfer learning makes them of a frozen base: what they say, said by the layers.

Batch-norm keeps its statistics, and nothing is dropped out. The argument itself must go: a fake-quant behind such a
call would be told the same, and never learn its range.
"""

from __future__ import annotations

from typing import Any

from pipeline.training.qat.graph import Call, Graph, Layer
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.recurrent import KINDS

TRAINING_ONLY = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise"),
    *("AlphaDropout", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
    *("RandomContrast", "RandomBrightness", "RandomCrop"),
)
"""They act in training alone, and are gone from the exported model."""
_DROPPING = (*KINDS, "MultiHeadAttention", "Attention", "AdditiveAttention")
"""Layers in which only dropout differs between training and inference."""


def without_fixed_mode(graph: Graph) -> list[Change]:
    """Take the argument off layers that are always called in inference mode; one with other calls besides keeps it."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        if not all(_is_inference(call) for call in calls) or not _still(layer, calls[0]):
            continue
        for call in calls:
            del call.kwargs["training"]
            if _acts_in_training_only(call):
                graph.drop(call)
        done = "dropped" if _acts_in_training_only(calls[0]) else "held as in inference"
        changes.append(Change(layer.name, layer.kind.__name__, "called with training=False", done))
    return changes


def _is_inference(call: Call) -> bool:
    mode = call.kwargs.get("training")
    return isinstance(mode, bool | int) and not mode


def _acts_in_training_only(call: Call) -> bool:
    return call.is_a(*TRAINING_ONLY) or call.layer.kind.__name__ == "StochasticDepth"


def _still(layer: Layer, call: Call) -> bool:
    """Set a layer so that it computes in training what it does in inference; False where that cannot be said of it."""
    if _acts_in_training_only(call):
        return len(call.inputs) == len(call.outputs) == 1
    if call.is_a("BatchNormalization"):
        layer.fixed_statistics = True
        return True
    if call.is_a(*_DROPPING):
        layer.config.update(_without_dropout(layer.config))
        return True
    inner = layer.config.get("layer") if call.is_a("Bidirectional") else None
    if inner is not None and inner["class_name"] in KINDS:
        for key in {"layer", "backward_layer"} & set(layer.config):
            own = layer.config[key]
            layer.config[key] = {**own, "config": {**own["config"], **_without_dropout(own["config"])}}
        return True
    return False


def _without_dropout(config: dict[str, Any]) -> dict[str, Any]:
    return {key: 0.0 for key in ("dropout", "recurrent_dropout") if key in config}
