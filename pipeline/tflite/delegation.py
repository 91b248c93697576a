"""Which operators XNNPACK truly takes, in how many pieces, and why not the others.

LiteRT decides it when it loads the model, which happens in the process of the dry run. It does not say why it leaves an
operator out; `why_not` infers that from what is known of XNNPACK.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT, OperatorT

from pipeline.errors import PipelineError
from pipeline.tflite import flatbuffer, guard
from pipeline.tflite.example_shapes import example_shapes
from pipeline.tflite.verdict import is_float

# One operator at a time, in each type, under LiteRT 2.3.
FLOAT_ONLY = frozenset(
    {"ABS", "AVERAGE_POOL_2D", "CEIL", "COS", "DIV", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LOG", "MAXIMUM", "MINIMUM"}
    | {"NEG", "PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIN", "SOFTMAX", "SQRT", "SQUARE"}
    | {"SQUARED_DIFFERENCE"}
)
"""Operators that XNNPACK takes in float32 but not in int8."""
NEVER = frozenset({"GATHER", "L2_NORMALIZATION", "LOG_SOFTMAX", "MIRROR_PAD", "PACK", "RESIZE_NEAREST_NEIGHBOR"})
"""Operators that it does not take at all."""
_INSTEAD = {
    "AVERAGE_POOL_2D": "take a MEAN over both axes (GlobalAveragePooling2D), which it takes in int8",
    "HARD_SWISH": "take ReLU6, or a fused ReLU",
    "GELU": "take ReLU, or the model's float16 format",
    "PRELU": "take LeakyReLU with one slope",
    "RESIZE_NEAREST_NEIGHBOR": "take bilinear resizing",
    "MIRROR_PAD": "take padding with zeros",
    "EXPAND_DIMS": "take RESHAPE",
    "MAXIMUM": "take ReLU, where one side is 0",
    "MINIMUM": "take ReLU6, where one side is 6",
    "RELU": "take the same fused into the operator before it",
    "RELU6": "take the same fused into the operator before it",
    "SOFTMAX": "leave it out at the end of a classifier, logits rank the same",
}


@dataclass(frozen=True)
class Delegation:
    """What XNNPACK does with the main graph."""

    operators: int
    partitions: tuple[tuple[int, ...], ...]
    """The operators' places, by the piece of the graph that runs in one call of XNNPACK."""

    @property
    def taken(self) -> frozenset[int]:
        return frozenset(place for partition in self.partitions for place in partition)

    @property
    def share(self) -> float:
        """0 to 1."""
        return len(self.taken) / self.operators if self.operators else 0.0


def measure(model: Path) -> Delegation:
    """Load a model in another process and ask what its delegate took.

    Raises:
        InputError: it cannot be loaded, or loading it kills the process.
        PipelineError: the process cannot be started.
    """
    known = example_shapes(model)
    shapes = known.shapes if known else None
    outcome = guard.check(model, str(model), shapes=shapes)
    if outcome is None or outcome.delegated is None:
        raise PipelineError(f"No process could be started to load {model} in.")
    return Delegation(*outcome.delegated)


def why_not(model: ModelT, place: int) -> str:
    """The likely reason why XNNPACK left an operator of the main graph out; ends without a full stop."""
    graph = model.subgraphs[0]
    operator = graph.operators[place]
    kind = flatbuffer.operator_name(model, operator)
    if flatbuffer.builtin_code(model.operatorCodes[operator.opcodeIndex]) == BuiltinOperator.CUSTOM:
        return "it is a custom operator"
    types = _activation_types(model, operator)
    quantized = types & {"int8", "uint8", "int16"}
    if "int16" in types:
        return "XNNPACK takes no int16 activations"
    if kind in NEVER:
        return f"XNNPACK has no {kind}"
    if quantized and kind in FLOAT_ONLY:
        return f"XNNPACK takes {kind} in float only, not in {' or '.join(sorted(quantized))}"
    if any(is_float(dtype) for dtype in types) and _integer_weights(model, operator):
        return "dynamic range: integer weights under float activations, which XNNPACK does not take here"
    if not types:
        return "it computes on shapes or indices, not on values that XNNPACK knows"
    if others := sorted(types - {"float32", "int8", "uint8"}):
        return f"XNNPACK takes no {' or '.join(others)}"
    if _open(model, operator):
        return "its shape is open beyond the batch, or depends on values known only when it runs"
    if kind == "QUANTIZE" and len(types) > 1:
        return f"it changes {' to '.join(sorted(types))} or back, which XNNPACK does not take"
    if "uint8" in types:
        return "uint8, the scheme before int8, which XNNPACK takes for fewer operators"
    return "its attributes or shapes are outside what XNNPACK takes, or it is too small a piece on its own"


def instead(kind: str) -> str | None:
    """What computes nearly the same and is taken, if anything is known."""
    return _INSTEAD.get(kind)


def _activation_types(model: ModelT, operator: OperatorT) -> set[str]:
    tensors = model.subgraphs[0].tensors
    read = [tensors[i] for i in operator.inputs if i >= 0 and not flatbuffer.is_constant(model, tensors[i])]
    return {flatbuffer.tensor_type(tensor) for tensor in [*read, *(tensors[i] for i in operator.outputs)]}


def _integer_weights(model: ModelT, operator: OperatorT) -> bool:
    tensors = model.subgraphs[0].tensors
    constants = [tensors[i] for i in operator.inputs if i >= 0 and flatbuffer.is_constant(model, tensors[i])]
    return any(flatbuffer.tensor_type(tensor) in ("int8", "int4", "uint8") for tensor in constants)


def _open(model: ModelT, operator: OperatorT) -> bool:
    for index in operator.outputs:
        signature = model.subgraphs[0].tensors[index].shapeSignature
        if signature is not None and any(int(side) < 0 for side in list(signature)[1:]):
            return True
    return False
