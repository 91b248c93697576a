"""Operators without an integer kernel, written as operators that have one and answer the same.

TFLite squares, negates and (safely) divides in float only, but multiplies in integers. A repeat (UpSampling1D,
np.repeat) comes from Keras 2 as a SPLIT into single rows and a CONCATENATION of each several times, and runs as one
GATHER.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator, ModelT, OperatorT, TensorType

from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune
from pipeline.tflite.signs import is_never_negative


def plain_operators(content: bytes) -> bytes:
    """The float model with MUL for SQUARE, NEG, ZEROS_LIKE, POW by 2 and DIV by a constant, and GATHER for repeats.

    What is divided by a tensor that is never negative (a norm, a deviation) is multiplied twice by its RSQRT.
    ADD_N becomes one ADD after the other. Operators whose outputs nothing reads, which ai-edge-quantizer would leave
    half quantized, go as well. The content itself where there is nothing to change.
    """
    model = flatbuffer.read(content)
    editor = Editor(model)
    changed = False
    for operator in list(editor.graph.operators):
        change = _CHANGES.get(flatbuffer.operator_name(model, operator))
        changed |= change is not None and change(editor, operator)
    changed |= _drop_unread(model)
    if not changed:
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _square(editor: Editor, operator: OperatorT) -> bool:
    [x] = operator.inputs
    return _is_float(editor, int(x)) and _multiply(editor, operator, int(x), int(x))


def _negate(editor: Editor, operator: OperatorT) -> bool:
    [x] = operator.inputs
    return _is_float(editor, int(x)) and _multiply(editor, operator, int(x), _number(editor, operator, np.float32(-1)))


def _nothing(editor: Editor, operator: OperatorT) -> bool:
    [x] = operator.inputs
    return _is_float(editor, int(x)) and _multiply(editor, operator, int(x), _number(editor, operator, np.float32(0)))


def _sum(editor: Editor, operator: OperatorT) -> bool:
    """The terms added one after the other."""
    terms, output = [int(index) for index in operator.inputs], int(operator.outputs[0])
    if len(terms) < 2 or not _is_float(editor, output):
        return False
    place, total = _place(editor, operator), terms[0]
    name = flatbuffer.tensor_name(editor.graph.tensors[output])
    del editor.graph.operators[place]
    for count, term in enumerate(terms[1:], 2):
        last = count == len(terms)
        made = output if last else editor.like(output, f"{name}/sum_of_{count}")
        editor.operator(BuiltinOperator.ADD, [total, term], [made], ("AddOptions", {}), place=place + count - 2)
        total = made
    return True


def _power(editor: Editor, operator: OperatorT) -> bool:
    x, power = map(int, operator.inputs)
    values = _constant(editor.model, power)
    if not _is_float(editor, x) or values is None or values.ndim or float(values) != 2:
        return False
    return _multiply(editor, operator, x, x)


def _divide(editor: Editor, operator: OperatorT) -> bool:
    x, divisor = map(int, operator.inputs)
    values = _constant(editor.model, divisor)
    if not _is_float(editor, x) or _constant(editor.model, x) is not None:
        return False
    if values is None:
        return is_never_negative(editor.model, divisor) and _times_roots(editor, operator, x, divisor)
    with np.errstate(divide="ignore", over="ignore"):
        factor = (1 / values.astype(np.float64)).astype(np.float32)
    if not np.isfinite(factor).all() or (factor == 0).any():
        return False
    return _multiply(editor, operator, x, _number(editor, operator, factor))


def _times_roots(editor: Editor, operator: OperatorT, x: int, divisor: int) -> bool:
    """x · RSQRT(divisor) · RSQRT(divisor): both have integer kernels, and DIV's gives up on a divisor of 0 steps."""
    place, output = _place(editor, operator), int(operator.outputs[0])
    name = flatbuffer.tensor_name(editor.graph.tensors[output])
    root, product = editor.like(divisor, f"{name}/rsqrt"), editor.like(output, f"{name}/product")
    editor.operator(BuiltinOperator.RSQRT, [divisor], [root], place=place)
    editor.operator(BuiltinOperator.MUL, [x, root], [product], ("MulOptions", {}), place=place + 1)
    return _multiply(editor, operator, product, root)


def _multiply(editor: Editor, operator: OperatorT, first: int, second: int) -> bool:
    """Put a MUL in an operator's place."""
    place = _place(editor, operator)
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", ActivationFunctionType.NONE)
    del editor.graph.operators[place]
    options = ("MulOptions", {"fusedActivationFunction": fused})
    editor.operator(BuiltinOperator.MUL, [first, second], list(operator.outputs), options, place=place)
    return True


def _repeat(editor: Editor, operator: OperatorT) -> bool:
    """A CONCATENATION of the single rows of one SPLIT, some of them several times."""
    graph, pieces = editor.graph, [int(index) for index in operator.inputs]
    producers = flatbuffer.producers(graph)
    makers = {producers.get(piece) for piece in pieces}
    [maker] = makers if len(makers) == 1 else [None]
    if maker is None or len(set(pieces)) == len(pieces):
        return False
    split = graph.operators[maker]
    if flatbuffer.operator_name(editor.model, split) != "SPLIT":
        return False
    axis = _constant(editor.model, int(split.inputs[0]))
    source = int(split.inputs[1])
    rank = len(flatbuffer.tensor_shape(graph.tensors[source]))
    own, rows = operator.builtinOptions, [int(index) for index in split.outputs]
    single = all(flatbuffer.tensor_shape(graph.tensors[row])[own.axis % rank] == 1 for row in rows)
    if axis is None or int(axis) % rank != own.axis % rank or not single:
        return False
    if own.fusedActivationFunction != ActivationFunctionType.NONE:
        return False
    indices = np.array([rows.index(piece) for piece in pieces], np.int32)
    place = _place(editor, operator)
    del graph.operators[place]
    options = ("GatherOptions", {"axis": own.axis % rank, "batchDims": 0})
    inputs = [source, _number(editor, operator, indices)]
    editor.operator(BuiltinOperator.GATHER, inputs, list(operator.outputs), options, place=place)
    return True


_CHANGES: dict[str, Callable[[Editor, OperatorT], bool]] = {
    "ADD_N": _sum,
    "CONCATENATION": _repeat,
    "DIV": _divide,
    "NEG": _negate,
    "POW": _power,
    "SQUARE": _square,
    "ZEROS_LIKE": _nothing,
}


def _drop_unread(model: ModelT) -> bool:
    """Drop the operators of the main graph whose outputs nothing reads; whether there were any."""
    graph = model.subgraphs[0]
    before = len(graph.operators)
    while True:
        read = set(flatbuffer.consumers(graph)) | {int(index) for index in graph.outputs}
        kept = [
            operator
            for operator in graph.operators
            if not read.isdisjoint(map(int, operator.outputs)) or _has_effects(model, operator)
        ]
        if len(kept) == len(graph.operators):
            return len(kept) < before
        graph.operators = kept


def _has_effects(model: ModelT, operator: OperatorT) -> bool:
    """Whether it may do something beside its outputs: write a variable, run a subgraph, or be a user's own."""
    name = flatbuffer.operator_name(model, operator)
    variables = any(i >= 0 and model.subgraphs[0].tensors[int(i)].isVariable for i in operator.inputs)
    return variables or not len(operator.outputs) or name in ("CALL_ONCE", "WHILE", "IF", "CUSTOM", "VAR_HANDLE")


def _number(editor: Editor, operator: OperatorT, values: np.ndarray | np.float32) -> int:
    name = flatbuffer.tensor_name(editor.graph.tensors[int(operator.outputs[0])])
    return editor.constant(f"{name}/operand_{len(editor.graph.tensors)}", np.asarray(values))


def _constant(model: ModelT, index: int) -> np.ndarray | None:
    return flatbuffer.tensor_data(model, model.subgraphs[0].tensors[index])


def _is_float(editor: Editor, index: int) -> bool:
    return bool(editor.graph.tensors[index].type == TensorType.FLOAT32)


def _place(editor: Editor, operator: OperatorT) -> int:
    return next(place for place, other in enumerate(editor.graph.operators) if other is operator)
