"""What a Keras model takes and gives, and what its last operator does to each output."""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import quiet_tensorflow
from pipeline.models.named_function import NamedFunction, named_function
from pipeline.tasks.task import Endings
from pipeline.tensors import Signature

_THROUGH = (
    *("Identity", "IdentityN", "Reshape", "Squeeze", "ExpandDims", "Cast", "StopGradient"),
    *("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "FakeQuantWithMinMaxArgs"),
)
"""Operations that leave every value what it is, but for rounding."""
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def signature_of(model: Any) -> Signature:
    """Inputs and outputs of a model of `tf_keras` or Keras 3, or of a SavedModel's signature.

    The names are those that its flatbuffer has too.

    Raises:
        InputError: as :func:`~pipeline.models.named_function.named_function`.

    >>> signature_of(tf_keras.Sequential([tf_keras.Input((4,), name="x"), tf_keras.layers.Dense(2, name="y")]))
    ... # doctest: +SKIP
    Signature(inputs=(TensorSpec(name='x', shape=(-1, 4), …),), outputs=(TensorSpec(name='y', shape=(-1, 2), …),))
    """
    return _function(model).signature


def endings_of(model: Any) -> Endings:
    """Whether each output is a softmax's, a sigmoid's or neither's, by output name.

    Reshapes and fake-quantization behind it do not count. It is read off the graph that TensorFlow computes, so a
    layer, an activation, a function and a subclassed model's code are the same to it.

    Raises:
        InputError: as :func:`signature_of`.
    """
    function = _function(model)
    traced, names = function.trace()
    producers = [_final_operation(tensor) for tensor in traced.outputs]
    if any(kind in _CALLS for kind in producers):  # functions in the graph, as a SavedModel has them
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        with quiet_tensorflow():
            inlined = convert_variables_to_constants_v2(traced, lower_control_flow=False)
        producers = [_final_operation(tensor) for tensor in inlined.outputs]
    kinds = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
    return {name: kinds.get(kind, "none") for name, kind in zip(names, producers, strict=True)}  # type: ignore[misc]


def _function(model: Any) -> NamedFunction:
    return model if isinstance(model, NamedFunction) else named_function(model)


def _final_operation(tensor: Any) -> str:
    """The type of the operation that decides what the values of a graph's tensor are."""
    operation = tensor.op
    while operation.type in _THROUGH:
        place = tensor.value_index if operation.type == "IdentityN" else 0
        tensor = operation.inputs[place]
        operation = tensor.op
    return str(operation.type)
