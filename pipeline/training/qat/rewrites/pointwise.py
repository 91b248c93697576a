"""Dense over the last axis of an image or a sequence, written as the 1x1 convolution that it is.

As Keras computes it, it becomes RESHAPE, FULLY_CONNECTED, RESHAPE with a shape computed at run time. A Dense layer on
vectors stays: in the float flatbuffer its weights are plain, and are quantized there with a scale a channel.
"""

from __future__ import annotations

from pipeline.training.qat.graph import Graph, Value
from pipeline.training.qat.rewrites.change import Change


def dense_to_pointwise(graph: Graph) -> list[Change]:
    """Replace Dense layers on [batch, height, width, channels] and [batch, steps, channels]."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        if not calls[0].is_a("Dense") or any(len(call.input.shape) not in (3, 4) for call in calls):
            continue
        if any(len(call.input.shape) == 3 and None in call.input.shape[1:] for call in calls):
            continue
        kernel, *bias = layer.weights
        kept = ("use_bias", "activation", "trainable", "kernel_regularizer")
        replacement = graph.layer(
            "Conv2D",
            f"{layer.name}_1x1",
            [kernel[None, None], *bias],
            filters=layer.config["units"],
            kernel_size=1,
            **{key: layer.config[key] for key in kept if key in layer.config},
        )
        for call in calls:
            x, y = call.input, call.output
            if len(x.shape) == 4:
                graph.replace(call, (replacement, x, y))
                continue
            image, result = Value((x.shape[0], 1, *x.shape[1:])), Value((y.shape[0], 1, *y.shape[1:]))
            to_image = graph.layer("Reshape", f"{layer.name}_image", target_shape=tuple(image.shape[1:]))
            back = graph.layer("Reshape", f"{layer.name}_sequence", target_shape=tuple(y.shape[1:]))
            graph.replace(call, (to_image, x, image), (replacement, image, result), (back, result, y))
        reason = "over more than vectors, with shapes computed at run time"
        changes.append(Change(layer.name, "Dense", reason, "a 1x1 Conv2D"))
    return changes
