"""A Keras 3 model whose graph is Python code."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """Images [B, 8, 8, 3] → 4 numbers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.convolution = keras.layers.Conv2D(8, 3, activation="relu")
        self.pooling = keras.layers.GlobalAveragePooling2D()
        self.dense = keras.layers.Dense(4)

    def call(self, images: Any) -> Any:
        return self.dense(self.pooling(self.convolution(images)))


def never_called() -> keras.Model:
    """What nothing is known of but its code; its weights are random, and the same each time."""
    keras.utils.set_random_seed(3)
    return Subclassed()
