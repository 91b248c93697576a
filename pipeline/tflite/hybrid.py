"""The promise of a model with keep rules: these operators compute in what was asked, and all others in the format."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.tflite.verdict import is_float

if TYPE_CHECKING:
    from pipeline.tflite.inspect import Inspection, Operator

HALF = frozenset({"float16", "bfloat16"})
"""Types of inputs and outputs that no format retypes."""
_REASONS_SHOWN = 5
_ACTIVATIONS = {"int8": "int8", "int16x8": "int16", "float16": "float32", "float32": "float32"}
_WEIGHTS = {"int8": "int8", "int16x8": "int8", "float16": "float16", "float32": "float32"}


def require_hybrid(
    inspection: Inspection,
    kept: Mapping[str, str],
    promise: str,
    io_type: str = "int8",
    float_outputs: Collection[str] = (),
) -> None:
    """Hold a model to its keep rules.

    Args:
        inspection: Of the written model.
        kept: What the kept operators compute in (float32, float16, int16x8, int8), by the name of their first output.
        promise: What all others are: int8, int8_per_tensor or int16x8.
        io_type: Type of the inputs and outputs that carry values: int8 (int16 with int16x8), uint8 or float32.
        float_outputs: Names of outputs that were to be float32 whatever the others are.

    Raises:
        PipelineError: an operator computes in something else, its weights are stored otherwise, a kept operator is
            not there, or an input or output has another type. The message names the first of them.
    """
    base = "int16x8" if promise == "int16x8" else "int8"
    ports = "int16" if promise == "int16x8" and io_type == "int8" else io_type
    operators = [operator for operator in inspection.operators if operator.compute]
    reasons = [f"there is no operator '{name}'" for name in set(kept) - {operator.output for operator in operators}]
    for operator in operators:
        asked = kept.get(operator.output, base)
        coarse = promise == "int8_per_tensor" and operator.output not in kept
        reasons += _breaks(operator, asked, coarse=coarse, kept=operator.output in kept)
    for port in (*inspection.inputs, *inspection.outputs):
        bytes_as_they_are = port.dtype in ("uint8", "int8") and (port.scale, port.zero_point) == (1, 0)
        valued = is_float(port.dtype) or (port.scale is not None and not bytes_as_they_are)
        own = "float32" if port in inspection.outputs and port.name in float_outputs else ports
        if valued and port.dtype not in (own, *HALF):
            reasons.append(f"'{port.name}' is {port.dtype}, not {own}")
    if not reasons:
        return
    name = inspection.file or "The model given as bytes"
    rest = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    raise PipelineError(
        f"{name} does not keep to its keep rules. It is {inspection.verdict.text}. What breaks them: "
        f"{'; '.join(reasons[:_REASONS_SHOWN])}{rest}. An operator that only comes in float needs a keep rule of its "
        "own."
    )


def _breaks(operator: Operator, asked: str, *, coarse: bool, kept: bool) -> list[str]:
    """What is otherwise about one operator than asked."""
    if operator.compute != _ACTIVATIONS[asked]:
        why = f"was to be kept in {asked}" if kept else f"was not to leave {asked}"
        return [f"{operator} computes in {operator.compute} and {why}"]
    weights = operator.weights
    if weights is None:
        return []
    if weights.dtype != _WEIGHTS[asked]:
        return [f"the weights '{weights.tensor}' of {operator} are {weights.dtype}, not {_WEIGHTS[asked]}"]
    if is_float(weights.dtype):
        return []
    if not weights.symmetric:
        return [f"the weights '{weights.tensor}' are not symmetric"]
    if weights.scales != 1 if coarse else not weights.per_channel:
        return [f"the weights '{weights.tensor}' have {weights.scales} scales for {weights.channels} output channels"]
    return []
