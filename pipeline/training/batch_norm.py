"""Batch-norm statistics that are right after a short training.

keras.applications sets the moving averages' momentum to 0.99 or 0.999, for ImageNet's hundred thousands of steps.
After a few hundred steps the averages still carry their initial values, and a model with 96 % training accuracy
answers at random. So: a momentum that fits the number of steps while training, and exact statistics at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.models.backend import tf, tf_keras
from pipeline.tensors import Array, Tensors
from pipeline.training.feeding import as_called


def layers(model: Any) -> list[Any]:
    """The model's BatchNormalization layers, inside wrappers and nested models too."""
    return [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.BatchNormalization)]


def fit_momentum(model: Any, steps_per_epoch: int) -> None:
    """Lower the momentum where needed so that the averages reach over half an epoch, not further."""
    for layer in layers(model):
        if not layer.trainable:
            continue
        layer.momentum = min(layer.momentum, max(0.5, 1 - 2 / steps_per_epoch))


def reestimate(model: Any, batches: Iterable[Tensors | Array]) -> None:
    """Replace the moving statistics by their plain mean over the given batches.

    Args:
        model: A built `tf_keras` model; weights other than the moving statistics are left alone.
        batches: Training inputs by name, [B, ...], or the arrays of the one input; 100 batches are plenty.
    """
    normalizations = [layer for layer in layers(model) if layer.trainable]
    if not normalizations:
        return
    kept = [layer.momentum for layer in normalizations]
    momentum = tf.Variable(0.0, trainable=False)
    for layer in normalizations:
        layer.momentum = momentum
    strategy = tf.distribute.get_strategy()  # each replica sees the whole batch: their mean is that of one
    step = tf.function(
        lambda x: strategy.run(lambda each: model(each, training=True), args=(x,)), reduce_retracing=True
    )
    try:
        for index, x in enumerate(batches):
            momentum.assign(index / (index + 1))  # a cumulative mean
            step(tf.nest.map_structure(tf.convert_to_tensor, as_called(model, x)))
    finally:
        for layer, value in zip(normalizations, kept, strict=True):
            layer.momentum = value


def freeze(model: Any, only: Callable[[Any], bool] = lambda layer: True) -> None:
    """Normalize by the moving statistics in training too; gamma and beta still learn.

    Args:
        model: Its layers are changed until it is saved or copied.
        only: Which BatchNormalization layers.

    `trainable = False` would stop gamma and beta as well, and beta is what takes back the mean shift that rounding
    the weights brings.
    """
    for layer in filter(only, layers(model)):
        layer._get_training_value = lambda training=None: False
