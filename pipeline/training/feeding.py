"""Named arrays as a Keras model's call takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.models.named_function import spec_of
from pipeline.tensors import Array, Tensors, TensorSpec, in_order


def input_specs(model: Any) -> tuple[TensorSpec, ...]:
    """The inputs of a built `tf_keras` model, in its order; `OPEN` for open dimensions."""
    return tuple(spec_of(name, tensor) for name, tensor in zip(model.input_names, model.inputs, strict=True))


def as_called(model: Any, inputs: Tensors | Array) -> Any:
    """Arrays in a model's order and dtypes: a list, or the array alone where it has one input.

    Args:
        model: A built `tf_keras` model.
        inputs: By input name, [B, …]; or the array of the one input.

    Raises:
        InputError: a name that the model does not have or one that is missing, another shape, or values that an
            integer input cannot hold.
    """
    given = {"x": inputs} if isinstance(inputs, np.ndarray) else inputs
    arrays = in_order(given, input_specs(model), f"The model '{model.name}'")
    return arrays[0] if len(arrays) == 1 else arrays
