"""Does the model need operators that a runtime does not bring by itself?"""

from __future__ import annotations

from collections import Counter

from ai_edge_litert.schema_py_generated import BuiltinOperator

from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.subject import Subject

CHECK = "custom operators"


def check(subject: Subject) -> list[Finding]:
    found = custom(subject)
    if not found:
        return []
    listed = ", ".join(f"{count} {name}" for name, count in found.items())
    known = subject.delegation is not None
    return [
        Finding(
            CHECK,
            "note" if known else "error",
            f"The model needs {sum(found.values())} custom operators: {listed}.",
            "LiteRT brings them, but XNNPACK takes none: they run on a slower kernel."
            if known
            else "LiteRT does not bring them: only an app that registers them can run the model. Nothing here can.",
            "See whether the app's runtime brings them too."
            if known
            else "Cut the model before them, or export it with builtin operators only.",
            {"operators": dict(found)},
        )
    ]


def custom(subject: Subject) -> Counter[str]:
    """How many of each, by name."""
    return Counter(
        flatbuffer.operator_name(subject.model, operator)
        for graph in subject.model.subgraphs
        for operator in graph.operators
        if flatbuffer.builtin_code(subject.model.operatorCodes[operator.opcodeIndex]) == BuiltinOperator.CUSTOM
    )
