"""What a graph computes from shapes and constants alone, computed once and left out of it.

Keras asks for shapes while the model runs: a Reshape with an open batch, a transposed convolution, `tf.shape` in a
Lambda become SHAPE → STRIDED_SLICE → PACK → …. XNNPACK takes none of these, and cuts the graph in pieces around them.
They are known where the inputs' sizes are; LiteRT itself says what they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT, OperatorT, TensorT
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.tensors import OPEN
from pipeline.tflite import flatbuffer, guard
from pipeline.tflite.edit import Editor
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune
from pipeline.tflite.runtime_messages import without_messages
from pipeline.tflite.signature import input_names

_OF_SHAPES = frozenset({"SHAPE", "RANK"})
"""Operators that read how large a tensor is, not what is in it."""
_NEVER_FOLDED = frozenset(
    {"QUANTIZE", "DEQUANTIZE"}  # a fake-quantized constant is a pair of these: its scale was learned
    | {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"}  # other answers every time
    | {"CALL", "CALL_ONCE", "IF", "WHILE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}
    | {"HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE"}
)
_RESHAPES = frozenset({"EXPAND_DIMS", "SQUEEZE"})
"""Operators that say in another way what RESHAPE says, which XNNPACK takes."""
_SIDE_EFFECTS = frozenset({"CALL", "CALL_ONCE", "IF", "WHILE", "ASSIGN_VARIABLE", "HASHTABLE_IMPORT"})
_SMALL = 2**16
"""Bytes up to which a constant may be larger than what it is computed from."""

Values = Sequence[NDArray[Any] | None]
"""By tensor of the main graph; None for what has no array."""


def fold_constants(content: bytes) -> bytes:
    """The model without what it computes from shapes and constants, and with all shapes that are known then.

    The graph is run with a batch of one and of two: what is the same in both is a constant. The batch stays open, a
    reshape to it says −1. Where a shape depends on the batch in another way (a transposed convolution's), the batch is
    fixed at one, as a phone runs it. EXPAND_DIMS and SQUEEZE become reshapes too. Where more than the batch is open,
    only reshapes with one computed side are changed.

    Args:
        content: A .tflite file's content.

    Returns:
        The content itself where there is nothing to fold.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    ends = [open_shape(graph.tensors[index]) for index in graph.inputs]
    if any(OPEN in shape[1:] for shape in ends):
        return _infer_reshapes(content)
    reshapes = any(operator_name(model, operator) in _RESHAPES for operator in graph.operators)
    if not (reshapes or _foldable(model) or any(OPEN in open_shape(tensor)[1:] for tensor in graph.tensors)):
        return content
    try:
        one = run_on_zeros(content, [_with_batch(shape, 1) for shape in ends])
    except InputError:  # whoever runs it is told
        return _infer_reshapes(content)
    two, opened = one, any(shape[:1] == (OPEN,) for shape in ends)
    if opened:
        try:
            two = run_on_zeros(content, [_with_batch(shape, 2) for shape in ends])
        except InputError:  # it takes one example only
            opened = False
    folded = _folded(content, one, two)
    if opened and _computes_shapes(folded):
        return _folded(content, one, one)
    return folded


def run_on_zeros(content: bytes, shapes: Sequence[Sequence[int]]) -> Values:
    """The values of all tensors of the main graph.

    Args:
        content: A .tflite file's content.
        shapes: Of every input.

    Raises:
        InputError: it does not run with inputs of these shapes.
    """
    guard.check(content, "The .tflite model", kernels="builtin", shapes=shapes)
    with without_messages(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that preserving all tensors takes memory
        try:
            interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            details = interpreter.get_input_details()
            for entry, shape in zip(details, shapes, strict=True):
                interpreter.resize_tensor_input(entry["index"], shape)
            interpreter.allocate_tensors()
            for entry, shape in zip(details, shapes, strict=True):
                interpreter.set_tensor(entry["index"], np.zeros(shape, entry["dtype"]))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            names = input_names(flatbuffer.read(content))
            listed = ", ".join(f"'{name}' {list(shape)}" for name, shape in zip(names, shapes, strict=True))
            raise InputError(
                f"The .tflite model does not run with inputs of the sizes {listed}: {one_line(error)}"
            ) from error
    count = len(flatbuffer.read(content).subgraphs[0].tensors)
    return [_value(interpreter, index) for index in range(count)]


def open_shape(tensor: TensorT) -> tuple[int, ...]:
    """A tensor's shape with `OPEN` where the file leaves it open."""
    signature = tensor.shapeSignature
    if signature is not None and len(signature):
        return tuple(int(side) for side in signature)
    return flatbuffer.tensor_shape(tensor)


def set_shape(tensor: TensorT, shape: Sequence[int]) -> None:
    """Give a tensor a shape, in place; `OPEN` for what stays open."""
    tensor.shape = np.array([1 if side == OPEN else side for side in shape], np.int32)
    tensor.shapeSignature = np.array(shape, np.int32) if OPEN in shape else None


def _with_batch(shape: Sequence[int], batch: int) -> list[int]:
    return [batch if side == OPEN else side for side in shape]


def _value(interpreter: Any, index: int) -> NDArray[Any] | None:
    try:
        return np.asarray(interpreter.get_tensor(index))
    except ValueError:  # nothing is there, as in resources
        return None


def _foldable(model: ModelT) -> list[OperatorT]:
    """The operators of the main graph that compute from shapes and constants alone, in order."""
    graph = model.subgraphs[0]
    known = {index for index, tensor in enumerate(graph.tensors) if flatbuffer.is_constant(model, tensor)}
    found = []
    for operator in graph.operators:
        kind = operator_name(model, operator)
        read = [index for index in operator.inputs if index >= 0]
        if kind in _OF_SHAPES or (read and known.issuperset(read) and not _is_special(model, operator)):
            known |= set(operator.outputs)
            found.append(operator)
    return found


def _is_special(model: ModelT, operator: OperatorT) -> bool:
    custom = flatbuffer.builtin_code(model.operatorCodes[operator.opcodeIndex]) == BuiltinOperator.CUSTOM
    return custom or operator_name(model, operator) in _NEVER_FOLDED


def _computes_shapes(content: bytes) -> bool:
    model = flatbuffer.read(content)
    return any(operator_name(model, operator) in _OF_SHAPES for operator in model.subgraphs[0].operators)


def _folded(content: bytes, one: Values, two: Values) -> bytes:
    model = flatbuffer.read(content)
    graph, editor = model.subgraphs[0], Editor(model)
    for tensor, first, second in zip(graph.tensors, one, two, strict=True):
        if first is None or second is None or flatbuffer.is_constant(model, tensor):
            continue
        if first.ndim == second.ndim:
            sides = zip(first.shape, second.shape, strict=True)
            set_shape(tensor, [side if side == other else OPEN for side, other in sides])
    for operator in _foldable(model):
        size = sum(value.nbytes for index in operator.inputs if index >= 0 and (value := one[index]) is not None)
        for index in operator.outputs:
            first, second = one[index], two[index]
            if first is None or second is None or index in graph.outputs or first.dtype.kind not in "fiub":
                continue
            if np.array_equal(first, second) and first.nbytes <= max(size, _SMALL):
                editor.fill(index, first)
    for operator in graph.operators:
        shape = _one_unknown(model, operator)
        if shape is not None:
            operator.inputs = [operator.inputs[0], editor.constant(f"reshape_{len(graph.tensors)}", shape)]
    _drop_unread(model)
    for operator in list(graph.operators):
        if operator_name(model, operator) in _RESHAPES:
            _make_reshape(editor, operator)
    prune(model)
    return flatbuffer.serialize(model)


def _make_reshape(editor: Editor, operator: OperatorT) -> None:
    """RESHAPE in place of an operator of `_RESHAPES`, where no more than one side is open."""
    place = next(number for number, other in enumerate(editor.graph.operators) if other is operator)
    shape = list(open_shape(editor.graph.tensors[operator.outputs[0]]))
    if not shape or shape.count(OPEN) > 1 or 0 in shape:
        return
    if OPEN not in shape:
        shape[0] = OPEN  # so that it runs at another batch than the file's
    new = editor.constant(f"reshape_{len(editor.graph.tensors)}", np.array(shape, np.int32))
    del editor.graph.operators[place]
    options = ("ReshapeOptions", {"newShape": shape})
    editor.operator(BuiltinOperator.RESHAPE, [operator.inputs[0], new], operator.outputs, options, place=place)


def _one_unknown(model: ModelT, operator: OperatorT) -> NDArray[np.int32] | None:
    """What a RESHAPE to a computed shape reshapes to, −1 for the batch; None where more than that varies."""
    if not _is_computed_reshape(model, operator):
        return None
    shape = open_shape(model.subgraphs[0].tensors[operator.outputs[0]])
    return np.array(shape, np.int32) if shape.count(OPEN) <= 1 and 0 not in shape else None


def _is_computed_reshape(model: ModelT, operator: OperatorT) -> bool:
    if operator_name(model, operator) != "RESHAPE" or len(operator.inputs) < 2:
        return False
    return not flatbuffer.is_constant(model, model.subgraphs[0].tensors[operator.inputs[1]])


def _infer_reshapes(content: bytes) -> bytes:
    """−1 in place of the one computed side of a reshape's shape: what can be said where sizes are open."""
    model = flatbuffer.read(content)
    graph, editor = model.subgraphs[0], Editor(model)
    producers = flatbuffer.producers(graph)
    changed = False
    for operator in graph.operators:
        if not _is_computed_reshape(model, operator) or operator.inputs[1] not in producers:
            continue
        pack = graph.operators[producers[operator.inputs[1]]]
        if operator_name(model, pack) != "PACK":
            continue
        sides = [flatbuffer.tensor_data(model, graph.tensors[index]) for index in pack.inputs]
        shape = [OPEN if side is None else int(side) for side in sides]
        # A literal −1 among the constants would make two unknowns, and a 0 leaves an inferred one undefined.
        if shape.count(OPEN) == 1 and 0 not in shape:
            constant = editor.constant(f"reshape_{len(graph.tensors)}", np.array(shape, np.int32))
            operator.inputs = [operator.inputs[0], constant]
            changed = True
    if not changed:
        return content
    _drop_unread(model)
    prune(model)
    return flatbuffer.serialize(model)


def _drop_unread(model: ModelT) -> None:
    """Leave out operators whose outputs are constants now, or that nobody reads."""
    graph = model.subgraphs[0]
    while True:
        read = set(flatbuffer.consumers(graph)) | set(graph.outputs)
        kept = [
            operator
            for operator in graph.operators
            if operator_name(model, operator) in _SIDE_EFFECTS
            or not len(operator.outputs)
            or any(
                index in read and not flatbuffer.is_constant(model, graph.tensors[index]) for index in operator.outputs
            )
        ]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept
