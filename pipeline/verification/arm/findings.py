"""What is remarkable about a profile's run: above all, why the instructions that make int8 fast did not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from pipeline.finding import Finding, percent, worst_first
from pipeline.tflite.inspect import Inspection, Operator
from pipeline.tflite.verdict import is_float
from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import Comparison
from pipeline.verification.arm.profiles import Profile

_MATRIX = frozenset({"CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL", "CONV_3D"})
"""Operators that multiply matrices: what dot product and matrix instructions are for."""
_BIT_EXACT = frozenset({"int8", "int8_per_tensor", "int8_float_io"})
"""Verdicts of models that XNNPACK runs in integers; its uint8 kernels for ARMv8.0 round otherwise than the others."""
_INT8_FAMILIES = frozenset({"mlal", "neondot", "neoni8mm"})
_SHOWN = 3


def examine(
    profile: Profile,
    model: Inspection,
    comparison: Comparison,
    counts: Counts | None,
    left: Set[int],
    boundary: Comparison | None = None,
) -> tuple[Finding, ...]:
    """Findings about one profile.

    Args:
        profile: What was emulated.
        model: What the file is.
        comparison: ARM's answers with the host's.
        counts: None where instructions were not counted.
        left: Indices of the main graph's operators that XNNPACK did not take on ARM.
        boundary: The comparison of what XNNPACK hands to those, where it was made.

    Returns:
        The worst first.
    """
    main = [op for op in model.operators if op.subgraph == 0]
    matrix = [op for op in main if op.name in _MATRIX]
    reasons = {op: why for op in matrix if (why := _reason(op, profile, left)) is not None}
    found = [*_differences(profile, model, comparison, [op for op in main if op.index in left], boundary)]
    found += _same_answers(comparison)
    if counts is not None:
        found += _instructions(profile, counts, matrix, reasons)
    if reasons and (counts is None or _ran(profile, counts)):
        found.append(_some_without(matrix, reasons))
    return worst_first(found)


def bit_exact(model: Inspection) -> bool:
    """Whether a model's bytes are to be the same on x86 and ARM."""
    return model.verdict.kind in _BIT_EXACT


def _differences(
    profile: Profile,
    model: Inspection,
    comparison: Comparison,
    left: Sequence[Operator],
    boundary: Comparison | None,
) -> list[Finding]:
    if not comparison.differing_bytes:
        return []
    numbers = (
        f"{comparison.differing_bytes} of {comparison.bytes_compared} output bytes are not the host's; the largest "
        f"difference is {comparison.largest:.4g}"
    )
    if comparison.first is not None:
        at = comparison.first
        numbers += f", the first in example {at.example}, output '{at.name}', at {list(at.index)}: {at.host:g} on the "
        numbers += f"host, {at.arm:g} on ARM"
    if not bit_exact(model):
        return [
            Finding(
                "parity",
                "note",
                f"{numbers}.",
                f"None to be expected: this model is {model.verdict.text}, and only full int8 is bit-exact.",
                "Compare accuracy, not bytes; or export with --int8.",
            )
        ]
    own_kernels_only = boundary is None or not boundary.differing_bytes
    if left and comparison.largest <= 1 and own_kernels_only:
        names = ", ".join(dict.fromkeys(op.name for op in left))
        if boundary is not None:
            numbers += f". All {boundary.bytes_compared} bytes that XNNPACK hands to {names} are the host's"
        return [
            Finding(
                "parity",
                "warning",
                f"{numbers}.",
                f"XNNPACK does not take {names}; TFLite's own kernels may compute in float inside, and round one step "
                "apart on x86 and ARM.",
                "Compare classes rather than bytes, or end the model before it (a softmax keeps the order).",
                {"operators": [str(op) for op in left]},
            )
        ]
    return [
        Finding(
            "parity",
            "error",
            f"{numbers}.",
            f"A phone with a {profile.core} answers otherwise than this host.",
            "Full int8 is bit-exact between x86 and ARM under XNNPACK, so this is a bug: find the operator (cut the "
            "model), and report it to XNNPACK.",
        )
    ]


def _same_answers(comparison: Comparison) -> list[Finding]:
    if comparison.varied:
        return []
    return [
        Finding(
            "parity",
            "warning",
            "All examples gave one and the same answer.",
            "That the bytes are equal proves little: most of what was computed does not show in them.",
            "Give several real examples (--recipe) to a trained model.",
        )
    ]


def _reason(operator: Operator, profile: Profile, left: Set[int]) -> str | None:
    """Why an operator cannot take XNNPACK's int8 matrix kernels; None where it can."""
    compute = str(operator.compute)
    weights = operator.weights
    if is_float(compute):
        if weights is not None and weights.dtype == "int8" and not weights.dequantized:
            return None if operator.index not in left else "dynamic range, not taken by XNNPACK"
        return f"computes in {compute}"
    if compute == "uint8" and profile.family != "mlal":
        return "uint8 activations and weights, for which LiteRT has no dot product kernels"
    if compute == "int16":
        return "int16 activations, which XNNPACK does not take"
    if operator.index in left:
        return f"XNNPACK does not take it{'' if weights is not None else ', its weights are not constant'}"
    return None


def _instructions(
    profile: Profile, counts: Counts, matrix: Sequence[Operator], reasons: dict[Operator, str]
) -> list[Finding]:
    found = []
    alien = [name for name in profile.forbidden if counts.by_kind[name]]
    if alien:
        found.append(
            Finding(
                "instructions",
                "error",
                f"{_names(alien)} ran, which a {profile.core} does not have.",
                "This is not what such a phone would run.",
                "The emulated CPU and the profile do not agree: report it.",
            )
        )
    if _ran(profile, counts):
        return found
    expected = profile.expected[0].upper()
    if not matrix:
        found.append(
            Finding(
                "instructions",
                "note",
                f"No {expected}: the model has no convolution or fully connected operator, depthwise ones aside.",
                "None; its kernels are the same on every ARM CPU.",
                "Nothing.",
            )
        )
        return found
    instead = next((name for name in counts.families if name in _INT8_FAMILIES), None)
    because = _grouped(reasons) if reasons else f"XNNPACK chose other kernels{f' ({instead})' if instead else ''}"
    found.append(
        Finding(
            "instructions",
            "warning",
            f"{expected} unused because {because}.",
            f"The model gains nothing from what a {profile.core} has for int8.",
            "Export it as full int8 (pipeline export --int8), and see with `pipeline inspect --operators` what is not.",
            {"operators": [str(op) for op in reasons]},
        )
    )
    return found


def _some_without(matrix: Sequence[Operator], reasons: dict[Operator, str]) -> Finding:
    share = len(reasons) / len(matrix)
    return Finding(
        "instructions",
        "warning",
        f"{len(reasons)} of {len(matrix)} matrix operators ({percent(share)}) do not run in int8 kernels: "
        f"{_grouped(reasons)}.",
        "They take more instructions than they need.",
        "Export them in int8 too, or leave them where accuracy needs them out (`pipeline search`).",
        {"operators": [str(op) for op in reasons]},
    )


def _ran(profile: Profile, counts: Counts) -> bool:
    """An expected instruction ran."""
    return any(counts.by_kind[name] for name in profile.expected)


def _grouped(reasons: dict[Operator, str]) -> str:
    phrases = []
    for reason, count in Counter(reasons.values()).most_common():
        named = [f"{op.name} {op.index}" for op, why in reasons.items() if why == reason]
        more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
        phrases.append(f"{', '.join(named[:_SHOWN])}{more}: {reason}")
    return "; ".join(phrases)


def _names(instructions: Sequence[str]) -> str:
    return "/".join(name.upper() for name in instructions)
