"""Does an EXP (box sizes, often) span more than int8's steps, so that its small values become 0?"""

from __future__ import annotations

import math

from pipeline.diagnosis.measured_ranges import Measured
from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import short

CHECK = "exponentials"
_STEPS = 255


def wide_exponentials(content: bytes, measured: Measured) -> list[Finding]:
    """
    Args:
        content: A float .tflite file's content.
        measured: Its activations' ranges.
    """
    model = flatbuffer.read(content)
    low, high = (end.tolist() for end in measured.ends)
    ends = dict(zip(measured.names, zip(low, high, strict=True), strict=True))
    found = []
    for operator in model.subgraphs[0].operators:
        if flatbuffer.operator_name(model, operator) != "EXP":
            continue
        name = flatbuffer.tensor_name(model.subgraphs[0].tensors[int(operator.outputs[0])])
        least, most = ends.get(name, (0.0, 0.0))
        step = most / _STEPS
        if not 0 <= least < step / 2 or not math.isfinite(most):
            continue
        found.append(
            Finding(
                CHECK,
                "note",
                f"EXP '{short(name)}' gives {least:.3g} to {most:.3g}: in int8 in steps of {step:.3g}. What its input "
                f"puts below {math.log(step / 2):.3g} becomes 0.",
                "Sizes that come from it lose their small values first.",
                f"If small ones matter, keep it in float: --keep '{name}=float32'; or bound its input in the training.",
                {"tensor": name, "range": [least, most], "step": step},
            )
        )
    return found
