"""The wrapper around a layer that is not trained: its kernel is rounded like any other, and never moves."""

from __future__ import annotations

from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapperV2

from pipeline.models.backend import tf_keras


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class FrozenQuantizeWrapper(QuantizeWrapperV2):  # type: ignore[misc]
    """tfmot's wrapper, that keeps to `layer.trainable`: tfmot's own trains the kernel of a frozen layer all the same.

    A class of its own, because the order in which a file holds the weights is that of trained and other ones: the
    file must be read by what wrote it.
    """

    @property
    def trainable_weights(self) -> list[Any]:
        return list(super().trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        held = [] if self.trainable else self._trainable_weights
        return list(self._dedup_weights([*held, *super().non_trainable_weights]))
