"""Find tensors that join parts of very different ranges, of which int8's one scale leaves some without steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, TensorType
from numpy.typing import NDArray

from pipeline.quantization.formats import kernel_ranges
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.few_steps import FEWEST_STEPS, Mixed, Part
from pipeline.tflite.joins import Join, joins, scalings
from pipeline.tflite.signature import output_names

_STEPS = 255


def mixed_ranges(content: bytes, ranges: Ranges, kept: Collection[str] = ()) -> list[tuple[Join, Mixed]]:
    """The joined tensors with a part that keeps fewer than `few_steps.FEWEST_STEPS` of int8's steps, in order.

    Args:
        content: A float .tflite file's content.
        ranges: (min, max) of its activations by tensor name, as measured or learned.
        kept: Outputs of operators that compute in float, which have no scale.
    """
    model = flatbuffer.read(content)
    names = output_names(model)
    given = kernel_ranges(content, "int8", ranges, kept)
    found = []
    for join in (*joins(model), *scalings(model)):
        tensor = model.subgraphs[0].tensors[join.joined]
        name = flatbuffer.tensor_name(tensor)
        if tensor.type != TensorType.FLOAT32 or name in kept or name not in given:
            continue
        low, high = min(given[name][0], 0.0), max(given[name][1], 0.0)
        scale = (high - low) / _STEPS
        parts = tuple(_parts(model, join, ranges, scale)) if scale > 0 else ()
        operator = flatbuffer.operator_name(model, model.subgraphs[0].operators[join.place])
        one = Mixed(operator, join.place, name, scale, parts, tuple(names[position] for position in join.outputs))
        # Weights are multiplied with a constant too: only where it is the last thing that happens to an output.
        if len(parts) > 1 and one.lost and (join.factors is None or (one.outputs and not join.computed_with)):
            found.append((join, one))
    return found


def _parts(model: ModelT, join: Join, ranges: Ranges, scale: float) -> Iterator[Part]:
    for index in join.parts:
        pair, name = _range(model, index, ranges), flatbuffer.tensor_name(model.subgraphs[0].tensors[index])
        if pair is None:
            continue
        if join.factors is None:
            yield Part(name, *pair, (pair[1] - pair[0]) / scale)
            continue
        narrow = narrow_factors(join.factors)
        for own in (join.factors[~narrow], join.factors[narrow]):
            if own.size:
                ends = [float(end * factor) for end in pair for factor in (own.min(), own.max())]
                widest = float(np.abs(own).max()) * (pair[1] - pair[0])
                yield Part(f"{name} · {own.max():g}", min(ends), max(ends), widest / scale)


def narrow_factors(factors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the values that are multiplied with make a part that keeps too few of the steps of the largest."""
    sizes = np.abs(factors)
    narrow: NDArray[np.bool_] = sizes < sizes.max() * FEWEST_STEPS / _STEPS
    return narrow


def _range(model: ModelT, index: int, ranges: Ranges) -> tuple[float, float] | None:
    tensor = model.subgraphs[0].tensors[index]
    values = flatbuffer.tensor_data(model, tensor)
    if values is not None and values.size:
        return float(np.min(values)), float(np.max(values))
    return ranges.get(flatbuffer.tensor_name(tensor))
