"""From a trained float model to one that trains with int8's rounding in it."""

from __future__ import annotations

from typing import Any

import tensorflow_model_optimization as tfmot

from pipeline.errors import InputError
from pipeline.models.backend import tf_keras
from pipeline.training.qat.scheme import EightBitPerChannel


def quantize_aware(model: Any) -> Any:
    """A copy of the model, with the same weights, that computes as int8 will.

    Args:
        model: A built Functional or Sequential `tf_keras` model of layers that
            `tensorflow-model-optimization` supports.

    Raises:
        InputError: the model is subclassed, or tfmot refuses a layer (it is named).
    """
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    try:
        annotated = tf_keras.models.clone_model(
            model, clone_function=lambda layer: layer if _is_input(layer) else annotate(layer)
        )
        annotated.set_weights(model.get_weights())
        return tfmot.quantization.keras.quantize_apply(annotated, scheme=EightBitPerChannel())
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"tensorflow-model-optimization cannot quantize '{model.name}': {' '.join(str(error).split())[:400]} "
            "The post-training road takes every model: run the recipe with --ptq."
        ) from error


def _is_input(layer: Any) -> bool:
    return isinstance(layer, tf_keras.layers.InputLayer)
