"""Does the integer model leave integers in the middle?"""

from __future__ import annotations

from collections import Counter

from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import count, operator, short, some
from pipeline.tflite.audit.subject import Subject
from pipeline.tflite.inspect import Operator
from pipeline.tflite.verdict import CONVERSIONS, is_float

CHECK = "float islands"


def check(subject: Subject) -> list[Finding]:
    operators = [op for op in subject.inspection.operators if op.subgraph == 0]
    if not any(op.compute in ("int8", "uint8", "int16") for op in operators):
        return []
    islands = _islands(subject, operators)
    return [*_in_float(subject, islands), *_detours(islands), *_requantized(operators)]


def _islands(subject: Subject, operators: list[Operator]) -> list[list[Operator]]:
    """Connected groups of operators on float values, conversions included; those at the ends too."""
    graph = subject.model.subgraphs[0]
    group: dict[int, int] = {}  # float tensor → island
    members: dict[int, list[Operator]] = {}

    for op in operators:
        own = graph.operators[op.index]
        floats = [
            index
            for index in (*own.inputs, *own.outputs)
            if index >= 0
            and is_float(flatbuffer.tensor_type(graph.tensors[index]))
            and not flatbuffer.is_constant(subject.model, graph.tensors[index])
        ]
        if not floats:
            continue
        joined = sorted({group[index] for index in floats if index in group})
        number = joined[0] if joined else len(members)
        members.setdefault(number, []).append(op)
        for other in joined[1:]:
            members[number] += members.pop(other)
            group.update({index: number for index, old in group.items() if old == other})
        group.update(dict.fromkeys(floats, number))
    return [sorted(island, key=lambda op: op.index) for island in members.values()]


def _in_float(subject: Subject, islands: list[list[Operator]]) -> list[Finding]:
    inside = [island for island in islands if any(op.name not in CONVERSIONS for op in island)]
    if not inside:
        return []
    computing = [op for island in inside for op in island if op.name not in CONVERSIONS]
    conversions = sum(op.name in CONVERSIONS for island in inside for op in island)
    described = subject.inspection.metadata
    facts = described.provenance if described else {}
    meant = bool(facts.get("keep"))
    joined = [repr(short(str(name))) for name in facts.get("mixed_ranges") or []]
    why = f", since one int8 scale would leave parts of {some(joined)} without steps"
    kinds = ", ".join(f"{count} {name}" for name, count in Counter(op.name for op in computing).most_common())
    return [
        Finding(
            CHECK,
            "note" if meant else "warning",
            f"{count(len(computing), 'operator')} in float, in {count(len(inside), 'place')} ({kinds}): "
            f"{some([operator(op) for op in computing])}.",
            f"Each is as slow as in the float model, and {conversions} QUANTIZE and DEQUANTIZE go with them.",
            f"They were kept so by the recipe{why if joined else ''}."
            if meant
            else "If that was not meant: the quantizer knows no int8 form of them, or had no range. See what they are "
            "with `pipeline inspect --operators`, and replace them in the model.",
            {"operators": [op.index for op in computing], "islands": len(inside), "conversions": conversions},
        )
    ]


def _detours(islands: list[list[Operator]]) -> list[Finding]:
    """DEQUANTIZE straight into QUANTIZE, with nothing between."""
    empty = [
        island
        for island in islands
        if all(op.name in CONVERSIONS for op in island) and {op.name for op in island} == CONVERSIONS
    ]
    if not empty:
        return []
    return [
        Finding(
            CHECK,
            "warning",
            f"In {count(len(empty), 'place')} values are dequantized and quantized again with nothing between: "
            f"{some([operator(island[0]) for island in empty])}.",
            "Two passes over the tensor for nothing, and one more rounding.",
            "One QUANTIZE changes the scale directly: quantize again from the float model.",
            {"places": [island[0].index for island in empty]},
        )
    ]


def _requantized(operators: list[Operator]) -> list[Finding]:
    changed = [
        op for op in operators if op.name == "QUANTIZE" and op.inputs and not is_float(op.inputs[0]) and not op.boundary
    ]
    if not changed:
        return []
    return [
        Finding(
            CHECK,
            "note",
            f"{len(changed)} QUANTIZE change the scale of integers: {some([operator(op) for op in changed])}.",
            "Each is a pass over the tensor and one more rounding.",
            "Where the branches of a concatenation or an addition may share a range, give them one.",
            {"operators": [op.index for op in changed]},
        )
    ]
