"""A new classification head for fine-tuning on other classes than the weights were trained on."""

from __future__ import annotations

from typing import Any

from pipeline.errors import InputError
from pipeline.models.backend import tf_keras


def number_of_classes(model: Any) -> int:
    """Units of the model's only output.

    Raises:
        InputError: the output is not [batch, classes].
    """
    shape = tuple(model.outputs[0].shape)
    if len(model.outputs) != 1 or len(shape) != 2 or shape[1] is None:
        found = [tuple(output.shape) for output in model.outputs]
        raise InputError(f"The model '{model.name}' is not a classifier with one [batch, classes] output: {found}.")
    return int(shape[1])


def replace_head(model: Any, classes: int) -> Any:
    """The model with its last Dense or 1x1 Conv2D layer replaced by a new one of `classes` units, softmax behind it.

    Everything before that layer is kept with its weights; what came after it (reshape, softmax) goes.

    Raises:
        InputError: no such layer is found.
    """
    for layer in reversed(model.layers):
        if isinstance(layer, tf_keras.layers.Dense) or (
            isinstance(layer, tf_keras.layers.Conv2D) and tuple(layer.kernel_size) == (1, 1)
        ):
            break
        if layer.weights:
            layer = None
            break
    else:
        layer = None
    if layer is None:
        raise InputError(
            f"The model '{model.name}' answers {number_of_classes(model)} classes, the data has {classes}, and "
            "its head cannot be replaced: it does not end in a Dense or 1x1 Conv2D layer."
        )
    features = layer.input
    if len(features.shape) == 4:
        flat = all(side == 1 for side in features.shape[1:3])
        pool = tf_keras.layers.Flatten() if flat else tf_keras.layers.GlobalAveragePooling2D()
        features = pool(features)
    outputs = tf_keras.layers.Dense(classes, activation="softmax", name="new_predictions")(features)
    return tf_keras.Model(model.inputs, outputs, name=model.name)
