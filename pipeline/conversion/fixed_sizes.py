"""Open dimensions of a .tflite at the size at which it will run, and shapes that are known then, known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.schema_py_generated import ModelT
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.models.input_sizes import Sizes, with_sizes
from pipeline.tensors import OPEN, TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune
from pipeline.tflite.runner import Runner, without_messages

_SHAPE_ARITHMETIC = frozenset(
    (
        *("SHAPE", "STRIDED_SLICE", "SLICE", "PACK", "UNPACK", "CONCATENATION", "GATHER", "RESHAPE", "SQUEEZE"),
        *("EXPAND_DIMS", "CAST", "ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM"),
        *("REDUCE_PROD", "SUM", "RANGE", "FILL", "SELECT", "SELECT_V2", "EQUAL", "LESS", "GREATER", "NOT_EQUAL"),
    )
)
"""What computes a shape from another one."""


def with_fixed_sizes(content: bytes, sizes: Sizes | None) -> bytes:
    """The model with open dimensions of its inputs fixed; :func:`fold_shapes` brings the rest in line.

    Args:
        content: A .tflite file's content.
        sizes: By input name, without the batch. What is not named stays open.

    Raises:
        InputError: as `with_sizes`; or the graph does not run at these sizes.
    """
    if not sizes:
        return content
    specs = Runner(content).signature.inputs
    wanted = with_sizes(specs, sizes)
    if wanted == specs:
        return content
    if not any(OPEN in spec.shape[1:] for spec in wanted):
        _run(content, wanted, 1)
    model = flatbuffer.read(content)
    for index, spec in zip(model.subgraphs[0].inputs, wanted, strict=True):
        _set_shape(model.subgraphs[0].tensors[index], spec.shape)
    return flatbuffer.serialize(model)


def fold_shapes(content: bytes) -> bytes:
    """The model with all dimensions known that do not depend on the batch, and without what computes them.

    The graph is run with a batch of one and of two: what is the same in both is fixed. Where an input leaves more open
    than its batch, or nothing is computed, the content itself is given back.

    Args:
        content: A float .tflite file's content.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    ends = [_open_shape(graph.tensors[index]) for index in graph.inputs]
    if any(OPEN in shape[1:] for shape in ends):
        return content
    computed = any(operator_name(model, operator) == "SHAPE" for operator in graph.operators)
    if not computed and not any(OPEN in _open_shape(tensor)[1:] for tensor in graph.tensors):
        return content
    specs = Runner(content).signature.inputs
    try:
        one = _run(content, specs, 1)
    except InputError:  # whoever runs it is told
        return content
    try:
        two = _run(content, specs, 2) if any(spec.shape[:1] == (OPEN,) for spec in specs) else one
    except InputError:  # it takes one example only
        two = one
    _set_shapes(model, one, two)
    _fold(model, one, two)
    prune(model)
    return flatbuffer.serialize(model)


def _run(content: bytes, specs: Sequence[TensorSpec], batch: int) -> list[NDArray[Any] | None]:
    """The values of all tensors of the main graph on zeros."""
    shapes = [[batch if side == OPEN else side for side in spec.shape] for spec in specs]
    with without_messages(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that preserving all tensors takes memory
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        details = interpreter.get_input_details()
        try:
            for entry, shape in zip(details, shapes, strict=True):
                interpreter.resize_tensor_input(entry["index"], shape)
            interpreter.allocate_tensors()
            for entry, shape in zip(details, shapes, strict=True):
                interpreter.set_tensor(entry["index"], np.zeros(shape, entry["dtype"]))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            listed = ", ".join(f"'{spec.name}' {shape}" for spec, shape in zip(specs, shapes, strict=True))
            raise InputError(
                f"The .tflite model does not run with inputs of the sizes {listed}: {one_line(error)}"
            ) from error
    count = len(flatbuffer.read(content).subgraphs[0].tensors)
    return [_value(interpreter, index) for index in range(count)]


def _value(interpreter: Any, index: int) -> NDArray[Any] | None:
    try:
        return np.asarray(interpreter.get_tensor(index))
    except ValueError:  # nothing is there, as in resources
        return None


def _set_shapes(model: ModelT, one: Sequence[NDArray[Any] | None], two: Sequence[NDArray[Any] | None]) -> None:
    graph = model.subgraphs[0]
    for tensor, first, second in zip(graph.tensors, one, two, strict=True):
        if first is None or second is None or flatbuffer.is_constant(model, tensor):
            continue
        if first.ndim == second.ndim:
            sides = zip(first.shape, second.shape, strict=True)
            _set_shape(tensor, [side if side == other else OPEN for side, other in sides])


def _open_shape(tensor: Any) -> tuple[int, ...]:
    signature = tensor.shapeSignature
    if signature is not None and len(signature):
        return tuple(int(side) for side in signature)
    return flatbuffer.tensor_shape(tensor)


def _set_shape(tensor: Any, shape: Sequence[int]) -> None:
    tensor.shape = np.array([1 if side == OPEN else side for side in shape], np.int32)
    tensor.shapeSignature = np.array(shape, np.int32) if OPEN in shape else None


def _fold(model: ModelT, one: Sequence[NDArray[Any] | None], two: Sequence[NDArray[Any] | None]) -> None:
    """Constants in place of what is computed from fixed dimensions alone."""
    graph, editor = model.subgraphs[0], Editor(model)
    of_shapes = {index for index, tensor in enumerate(graph.tensors) if flatbuffer.is_constant(model, tensor)}
    ends = set(graph.outputs)
    for operator in graph.operators:
        kind = operator_name(model, operator)
        if kind != "SHAPE" and not (
            kind in _SHAPE_ARITHMETIC and all(index in of_shapes for index in operator.inputs if index >= 0)
        ):
            continue
        of_shapes |= set(operator.outputs)
        for index in operator.outputs:
            first, second = one[index], two[index]
            if first is not None and second is not None and index not in ends and np.array_equal(first, second):
                editor.fill(index, first)
    for operator in graph.operators:
        shape = _computed(model, operator)
        if shape is not None:
            operator.inputs = [operator.inputs[0], editor.constant(f"reshape_{len(graph.tensors)}", shape)]
    _drop_known(model, of_shapes)


def _computed(model: ModelT, operator: Any) -> NDArray[np.int32] | None:
    """What a RESHAPE to a computed shape reshapes to, -1 for the batch; None where more than that varies."""
    if operator_name(model, operator) != "RESHAPE" or len(operator.inputs) < 2:
        return None
    tensors = model.subgraphs[0].tensors
    if flatbuffer.is_constant(model, tensors[operator.inputs[1]]):
        return None
    shape = _open_shape(tensors[operator.outputs[0]])
    if shape.count(OPEN) > 1 or 0 in shape:
        return None
    return np.array(shape, np.int32)


def _drop_known(model: ModelT, of_shapes: set[int]) -> None:
    """Leave out what computes shapes that are constants now, or that nobody reads."""
    graph = model.subgraphs[0]
    ends = set(graph.outputs)
    while True:
        read = set(flatbuffer.consumers(graph)) | ends
        kept = [
            operator
            for operator in graph.operators
            if not (
                set(operator.outputs) <= of_shapes
                and all(
                    index not in read or flatbuffer.is_constant(model, graph.tensors[index])
                    for index in operator.outputs
                )
            )
        ]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept
