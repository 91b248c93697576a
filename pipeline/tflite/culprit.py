"""Which operator a model fails at, found by running ever shorter beginnings of its graph in another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from pipeline.tflite.dry_run import dry_run
from pipeline.tflite.dry_run_process import READY
from pipeline.tflite.plausible_inputs import KINDS
from pipeline.tflite.prune import prune


@dataclass(frozen=True)
class Culprit:
    """The operator that a model fails at."""

    index: int
    type: str
    output: str
    """Its first output's name."""

    def __str__(self) -> str:
        return f"operator {self.index} {self.type} ('{self.output}')"


def find_culprit(
    content: bytes,
    step: str,
    *,
    kernels: str = "xnnpack",
    batch: int | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
) -> Culprit | None:
    """The first operator of the main graph at which a model crashes or gives up, by cutting the graph behind it.

    Args:
        content: Of a model whose dry run did so.
        step: `READY`, or the kind of input on which it did.
        kernels: As it was run; so are `batch` and `shapes`.
        batch: See there.
        shapes: See there.

    Returns:
        None where no part of the graph does it alone.
    """
    kinds = KINDS[:1] if step == READY else (step,)

    def fails(part: bytes) -> bool:
        outcome = dry_run(part, kernels=kernels, batch=batch, shapes=shapes, kinds=kinds)
        return outcome is not None and bool(outcome.crash or outcome.failed)

    try:
        operators = flatbuffer.read(content).subgraphs[0].operators
        low, high = 0, len(operators)
        if not operators or not fails(_first_operators(content, high)):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(_first_operators(content, middle)) else (middle, high)
    except (*flatbuffer.CORRUPT, InputError):
        return None
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    operator = graph.operators[high - 1]
    output = flatbuffer.tensor_name(graph.tensors[operator.outputs[0]]) if operator.outputs else ""
    return Culprit(high - 1, flatbuffer.operator_name(model, operator), output)


def _first_operators(content: bytes, count: int) -> bytes:
    """The model up to its operator `count`, whose outputs are the model's."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    graph.operators = graph.operators[:count]
    graph.outputs = [int(index) for index in graph.operators[-1].outputs]
    model.signatureDefs = []
    prune(model)
    return flatbuffer.serialize(model)
