"""Tiny tf_keras models for the tests that need TensorFlow; import it inside a test or fixture."""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import tf_keras


def model() -> Any:
    """Convolution, depthwise convolution, Dense, with batch-norm, a shortcut and softmax; 8x8x1 in, 10 classes out."""
    layers = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="tiny")


def with_dropout() -> Any:
    """First weights and dropout that nothing but the seed decides."""
    layers = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(inputs))
    x = layers.Dense(16, activation="relu")(layers.Dropout(0.3)(layers.Flatten()(x)))
    return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Dropout(0.3)(x)), name="dropping")


def no_model() -> str:
    """What a wrong model.function returns."""
    return "not a model"


def without_batch_norm() -> Any:
    """What computes the same on a batch and on the parts of it; the same weights every time."""
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.Flatten()(x)
    return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="plain")
