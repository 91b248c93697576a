"""Change a float model's outputs so that parts of very different ranges no longer share one: only when asked for.

What the app reads changes with it. `split`: each part is an output of its own, in the shape that it has before the
joining. `normalize`: the wide parts are divided by a power of two, exactly; the reader multiplies them back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.float_comparison import part_of
from pipeline.quantization.mends import EXAMPLES
from pipeline.quantization.mixed_ranges import mixed_ranges
from pipeline.quantization.output_parts import part_labels
from pipeline.quantization.tap import Inputs
from pipeline.tensors import Array
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.few_steps import FEWEST_STEPS, Mixed, Part
from pipeline.tflite.joins import JOINS, Join, joins
from pipeline.tflite.prune import prune
from pipeline.tflite.signature import output_names, sign_outputs

Way = Literal["split", "normalize"]


@dataclass(frozen=True)
class Change:
    """What was done to one output."""

    output: str
    """The name that it had."""
    outputs: tuple[str, ...] = ()
    """Split: the names of those that stand in its place, in the parts' order."""
    axis: int | None = None
    """Normalized: the axis of the output along which the part lies."""
    start: int = 0
    stop: int = 0
    """Where on it the part lies, the end not included."""
    factor: float = 1.0
    """What the reader multiplies these values with."""

    def __str__(self) -> str:
        if self.outputs:
            return f"the output '{self.output}' is split into {', '.join(map(repr, self.outputs))}"
        return (
            f"the values {self.start} to {self.stop - 1} along axis {self.axis} of the output '{self.output}' are "
            f"divided by {self.factor:g}: multiply them with it"
        )

    def to_json(self) -> dict[str, Any]:
        if self.outputs:
            return {"output": self.output, "split": list(self.outputs)}
        place = {"axis": self.axis, "start": self.start, "stop": self.stop}
        return {"output": self.output, **place, "multiply_by": self.factor}


def outputs_apart(content: bytes, inputs: Inputs, way: Way, *, threads: int = 2) -> tuple[bytes, tuple[Change, ...]]:
    """Change the outputs that join parts of very different ranges.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples; the first `mends.EXAMPLES` are used.
        way: How.
        threads: Interpreter threads.

    Returns:
        The model, and what was changed; the same content and nothing where no output is such.

    Raises:
        InputError: the parts cannot be taken apart: the model computes with the joined tensor, or joins it again.
    """
    if not joins(flatbuffer.read(content)):
        return content, ()
    ranges = calibrate(content, part_of(inputs(), 0, EXAMPLES), threads=threads)
    found = [one for one in mixed_ranges(content, ranges) if one[1].outputs and one[0].factors is None]
    if not found:
        return content, ()
    for join, mixed in found:
        _check(flatbuffer.read(content), join, mixed, way)
    if way == "split":
        return _split(content, found)
    return _normalize(content, found)


def _check(model: ModelT, join: Join, mixed: Mixed, way: Way) -> None:
    again = [
        place for place in join.behind if flatbuffer.operator_name(model, model.subgraphs[0].operators[place]) in JOINS
    ]
    if join.computed_with or again:
        raise InputError(
            f"quantize.mixed_ranges: {way} takes an output apart where its parts are joined last. '{mixed.tensor}' is "
            f"{'computed with' if join.computed_with else 'joined with others'} again before the output. Take float, "
            "which leaves the outputs as they are, or auto."
        )


def _split(content: bytes, found: Sequence[tuple[Join, Mixed]]) -> tuple[bytes, tuple[Change, ...]]:
    model = flatbuffer.read(content)
    editor, graph, names = Editor(model), model.subgraphs[0], output_names(model)
    placed: dict[int, list[int]] = {}
    changes = []
    gone: set[int] = set()
    for join, mixed in found:
        tensors = [_joined(editor, join, group) for group in _groups(join, mixed, graph_names(model))]
        for position in join.outputs:
            placed[position] = tensors
        gone |= {join.place, *join.behind}
        changes += [
            Change(names[position], tuple(f"{names[position]}_{number}" for number in range(len(tensors))))
            for position in join.outputs
        ]
    graph.operators = [operator for place, operator in enumerate(graph.operators) if place not in gone]
    new_names: list[str] = []
    outputs: list[int] = []
    renamed = {change.output: change.outputs for change in changes}
    for position, index in enumerate(graph.outputs):
        outputs += placed.get(position, [int(index)])
        new_names += renamed.get(names[position], (names[position],))
    graph.outputs = outputs
    sign_outputs(model, new_names)
    prune(model)
    return flatbuffer.serialize(model), tuple(changes)


def graph_names(model: ModelT) -> list[str]:
    """Of the main graph's tensors, by index."""
    return [flatbuffer.tensor_name(tensor) for tensor in model.subgraphs[0].tensors]


def _groups(join: Join, mixed: Mixed, names: Sequence[str]) -> list[list[int]]:
    """The parts, neighbours of like ranges together; constants go with their neighbours."""
    widths = {part.tensor: part.high - part.low for part in mixed.parts}
    groups: list[list[int]] = []
    for index in join.parts:
        width = widths.get(names[index], 0.0)
        own = [widths[names[other]] for other in groups[-1] if widths.get(names[other])] if groups else []
        alike = not width or not own or max(*own, width) <= 256 / FEWEST_STEPS * min(*own, width)
        if groups and alike:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _joined(editor: Editor, join: Join, group: Sequence[int]) -> int:
    """One tensor of some of a joining's parts, made at the end of the graph."""
    tensors = editor.graph.tensors
    operator = editor.graph.operators[join.place]
    if len(group) == 1:
        return group[0]
    shapes = [list(flatbuffer.tensor_shape(tensors[index])) for index in group]
    kind, axis = flatbuffer.builtin_code(editor.model.operatorCodes[operator.opcodeIndex]), operator.builtinOptions.axis
    name = f"{flatbuffer.tensor_name(tensors[join.joined])}/{len(tensors)}"
    if kind == BuiltinOperator.PACK:
        place = axis % (len(shapes[0]) + 1)
        shape = [*shapes[0][:place], len(group), *shapes[0][place:]]
        made = editor.tensor(name, shape)
        editor.operator(kind, group, [made], ("PackOptions", {"axis": axis, "valuesCount": len(group)}))
        return made
    place = axis % len(shapes[0])
    shape = [*shapes[0][:place], sum(one[place] for one in shapes), *shapes[0][place + 1 :]]
    made = editor.tensor(name, shape)
    first_part = tensors[group[0]].shapeSignature
    if first_part is not None and len(first_part):
        tensors[made].shapeSignature = np.array(
            [int(side) if at != place else shape[place] for at, side in enumerate(first_part)], np.int32
        )
    editor.operator(kind, group, [made], ("ConcatenationOptions", {"axis": axis}))
    return made


def _normalize(content: bytes, found: Sequence[tuple[Join, Mixed]]) -> tuple[bytes, tuple[Change, ...]]:
    model = flatbuffer.read(content)
    editor, names = Editor(model), output_names(model)
    labels = part_labels(content, [join for join, _ in found])
    changes: list[Change] = []
    work = [(join, mixed, editor.graph.operators[join.place]) for join, mixed in found]
    for join, mixed, operator in work:
        narrow = max(part.high - part.low for part in mixed.lost)
        by_name = {part.tensor: part for part in mixed.parts}
        for number, index in enumerate(join.parts, 1):
            part = by_name.get(flatbuffer.tensor_name(editor.graph.tensors[index]))
            factor = 1.0 if part is None else _factor(part, narrow)
            if factor == 1:
                continue
            for position in join.outputs:
                changes.append(_place(names[position], labels.get(names[position]), number, factor))
            divided = editor.like(index, f"{flatbuffer.tensor_name(editor.graph.tensors[index])}/normalized")
            constant = editor.constant(f"normalize_{len(editor.graph.tensors)}", np.array(1 / factor, np.float32))
            at = next(place for place, other in enumerate(editor.graph.operators) if other is operator)
            editor.operator(BuiltinOperator.MUL, [index, constant], [divided], ("MulOptions", {}), place=at)
            operator.inputs = [divided if int(own) == index else int(own) for own in operator.inputs]
    return flatbuffer.serialize(model), tuple(changes)


def _factor(part: Part, narrow: float) -> float:
    """The power of two that brings a wide part nearest to the width of the widest of the narrow ones."""
    width = part.high - part.low
    if part.lost or width <= 256 / FEWEST_STEPS * narrow:
        return 1.0
    return float(2 ** round(math.log2(width / narrow)))


def _place(name: str, labels: Array | None, number: int, factor: float) -> Change:
    """Where a part lies in an output.

    Raises:
        InputError: it is no stretch along one axis.
    """
    if labels is not None:
        mine = labels == number
        for axis in range(1, mine.ndim):
            along = np.flatnonzero(mine.any(tuple(other for other in range(mine.ndim) if other != axis)))
            if len(along) and np.take(mine, along, axis).all() and along[-1] - along[0] + 1 == len(along):
                return Change(name, axis=axis, start=int(along[0]), stop=int(along[-1]) + 1, factor=factor)
    raise InputError(
        f"quantize.mixed_ranges: normalize cannot say where the wide part lies in the output '{name}': what follows "
        "the joining spreads it. Take split, float or auto."
    )
