"""Do the zero points leave the 256 steps to values that occur?"""

from __future__ import annotations

import numpy as np

from pipeline.finding import Finding, percent
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import short, some
from pipeline.tflite.audit.subject import LIMITS, Subject
from pipeline.tflite.inspect import Operator

CHECK = "zero points"
WASTED, NOTED = 0.25, 0.03
"""Share of the steps from which on waste is a warning, and a note."""
_NONNEGATIVE = frozenset({"RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC", "SOFTMAX"})
_FUSED = frozenset({"RELU", "RELU6"})
_SIX = 6.0
_SLACK = 1.02


def check(subject: Subject) -> list[Finding]:
    return [*_outside(subject), *_asymmetric_weights(subject), *_wasted(subject)]


def _outside(subject: Subject) -> list[Finding]:
    names = []
    for _, tensor in subject.activations():
        parameters, limits = flatbuffer.quantization(tensor), LIMITS.get(flatbuffer.tensor_type(tensor))
        if parameters is None or limits is None:
            continue
        if parameters.zero_points.min() < limits[0] or parameters.zero_points.max() > limits[1]:
            names.append(short(flatbuffer.tensor_name(tensor)))
    if not names:
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"{len(names)} activations have a zero point that their type cannot store: {some(names)}.",
            "Zero is not among their values: padding and ReLU bring in something else, and kernels may refuse them.",
            "Quantize again: a range must hold zero.",
            {"activations": names[:20], "count": len(names)},
        )
    ]


def _asymmetric_weights(subject: Subject) -> list[Finding]:
    names = [
        short(layer.operator.weights.tensor)
        for layer in subject.layers
        if layer.operator.weights and layer.operator.weights.dtype == "int8" and layer.zero_points.any()
    ]
    if not names:
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"int8 weights of {len(names)} layers have a zero point that is not 0: {some(names)}.",
            "The int8 scheme is symmetric in the weights: kernels take the zero point for 0, and the sums are wrong.",
            "Quantize again with symmetric weights.",
            {"weights": names[:20], "count": len(names)},
        )
    ]


def _wasted(subject: Subject) -> list[Finding]:
    shares: dict[str, float] = {}
    for operator, tensor in subject.activations():
        share = _share(operator, tensor)
        if share >= NOTED:
            shares[short(flatbuffer.tensor_name(tensor))] = share
    if not shares:
        return []
    worst = sorted(shares.items(), key=lambda entry: -entry[1])
    named = [f"'{name}' ({percent(share)})" for name, share in worst]
    most = worst[0][1]
    return [
        Finding(
            CHECK,
            "warning" if most >= WASTED else "note",
            f"{len(shares)} activations keep steps for values that cannot occur, below 0 after a ReLU or beyond its "
            f"bound of 6: {some(named)}.",
            f"Of 256 steps {percent(most)} are never used: that is {-np.log2(1 - most):.1f} of 8 bits."
            if most < 1
            else "None of the steps is ever used.",
            "Calibrate the activation after its ReLU, not before, and let the converter fuse the two.",
            {"shares": dict(worst[:20]), "count": len(shares)},
        )
    ]


def _share(operator: Operator | None, tensor: object) -> float:
    """Share of the steps that stand for values which the operator cannot give."""
    if operator is None or not (operator.name in _NONNEGATIVE or operator.fused_activation in _FUSED):
        return 0.0
    parameters = flatbuffer.quantization(tensor)
    limits = LIMITS.get(flatbuffer.tensor_type(tensor))
    if parameters is None or limits is None or limits[0] == LIMITS["int16"][0]:
        return 0.0  # int16 is symmetric by its scheme
    low, high = limits
    zero, scale = int(parameters.zero_points[0]), float(parameters.scales[0])
    below = min(max(zero - low, 0), high - low)
    above = 0.0
    six = "RELU6" in (operator.name, operator.fused_activation)
    if six and np.isfinite(scale) and scale > 0 and (high - zero) * scale > _SIX * _SLACK:
        above = (high - zero) - _SIX / scale
    return min(1.0, (below + above) / (high - low))
