"""Named arrays as a Keras model's call takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.tensors import OPEN, Array, Tensors, TensorSpec, bind, check_fits


def input_specs(model: Any) -> tuple[TensorSpec, ...]:
    """The inputs of a built `tf_keras` model, in its order; `OPEN` for open dimensions."""
    return tuple(
        TensorSpec(
            name,
            tuple(OPEN if side is None else int(side) for side in tensor.shape),
            np.dtype(tensor.dtype.as_numpy_dtype),
        )
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    )


def as_called(model: Any, inputs: Tensors | Array) -> Any:
    """Arrays in a model's order and dtypes: a list, or the array alone where it has one input.

    Args:
        model: A built `tf_keras` model.
        inputs: By input name, [B, …]; or the array of the one input.

    Raises:
        InputError: a name that the model does not have or one that is missing, another shape, or values that an
            integer input cannot hold.
    """
    arrays = in_order(input_specs(model), inputs, f"The model '{model.name}'")
    return arrays[0] if len(arrays) == 1 else arrays


def in_order(specs: tuple[TensorSpec, ...], inputs: Tensors | Array, where: str) -> list[Array]:
    """As :func:`as_called`, always a list; `where` says in messages whose inputs they are."""
    given = bind({"x": inputs} if isinstance(inputs, np.ndarray) else inputs, specs)
    for spec in specs:
        check_fits(given[spec.name], spec, where)
    return [spec.quantize(given[spec.name]) for spec in specs]
