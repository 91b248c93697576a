"""Merges of many values, and of averages, as TFLite runs them: two values at a time, each sum rounded."""

from __future__ import annotations

from pipeline.training.qat.graph import Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.operators import with_constant

_MERGES = ("Add", "Multiply", "Maximum", "Minimum")


def pairwise_merges(graph: Graph) -> list[Change]:
    """Turn Add and the like over three and more values into chains, and Average into a sum and a factor."""
    changes = []
    for call in list(graph.calls):
        average = call.is_a("Average")
        if not (average or call.is_a(*_MERGES)) or len(call.inputs) < 2 or (len(call.inputs) == 2 and not average):
            continue
        name, values, shape = call.layer.name, call.inputs, call.output.shape
        steps: list[tuple[Layer, list[Value] | Value, Value]] = []
        total = values[0]
        kind = "Add" if average else call.layer.kind.__name__
        for number, value in enumerate(values[1:], 1):
            last = number == len(values) - 1 and not average
            result = call.output if last else Value(shape)
            steps.append((graph.layer(kind, f"{name}_{number}"), [total, value], result))
            total = result
        if average:
            mean = with_constant(graph, "math.multiply", 1 / len(values), f"{name}_mean")
            steps.append((mean, total, call.output))
        graph.replace(call, *steps)
        reason = f"{len(values)} values in one layer, but an int8 value after each step"
        remedy = f"{kind} of two at a time" + (", and a factor" if average else "")
        changes.append(Change(name, call.layer.kind.__name__, reason, remedy))
    return changes
