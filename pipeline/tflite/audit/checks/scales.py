"""Are the scales usable: finite, positive, and such that an output has its 8 bits?"""

from __future__ import annotations

import numpy as np

from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import count, operator, short, some
from pipeline.tflite.audit.subject import Subject

CHECK = "scales"
SMALLEST, LARGEST = 1e-8, 1e4
"""Activation scales beyond these are no ranges that a sane network has: 256 steps of 1e-8 are 0.0000026 in all."""
XNNPACK_MOST = 256.0
"""XNNPACK refuses layers whose accumulators would be multiplied with this or more."""
VANISHING = 2.0**-32
"""Below this multiplier every int32 accumulator becomes 0."""


def check(subject: Subject) -> list[Finding]:
    return [*_broken(subject), *_extreme(subject), *_multipliers(subject)]


def _broken(subject: Subject) -> list[Finding]:
    names = []
    for graph in subject.model.subgraphs:
        for tensor in graph.tensors:
            parameters = flatbuffer.quantization(tensor)
            if parameters is not None and not np.all(np.isfinite(parameters.scales) & (parameters.scales > 0)):
                names.append(short(flatbuffer.tensor_name(tensor)))
    if not names:
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"{len(names)} tensors have a scale that is zero, negative or not finite: {some(names)}.",
            "Their values mean nothing, and kernels may refuse the model or divide by zero.",
            "Quantize again. Look for NaN in the weights and for activations that calibration never saw move.",
            {"tensors": names[:20], "count": len(names)},
        )
    ]


def _extreme(subject: Subject) -> list[Finding]:
    found = {
        short(flatbuffer.tensor_name(tensor)): float(parameters.scales[0])
        for _, tensor in subject.activations()
        if (parameters := flatbuffer.quantization(tensor)) is not None
        and (0 < parameters.scales[0] < SMALLEST or LARGEST < parameters.scales[0] < np.inf)
    }
    if not found:
        return []
    named = [f"'{name}' ({scale:.3g})" for name, scale in found.items()]
    return [
        Finding(
            CHECK,
            "warning",
            f"{len(found)} activations have a scale outside of {SMALLEST:g} to {LARGEST:g}: {some(named)}.",
            "Such a range is rarely what the network computes: an activation that is always zero in calibration, or "
            "one that explodes.",
            "Look at the activation's values on real data (`pipeline doctor --data`), and calibrate on more of it.",
            {"scales": dict(list(found.items())[:20]), "count": len(found)},
        )
    ]


def _multipliers(subject: Subject) -> list[Finding]:
    coarse, refused, vanishing = [], [], []
    for layer in subject.layers:
        live = np.any(layer.weights != layer.zero_points[:, None], axis=1)
        multipliers = layer.multipliers[live & np.isfinite(layer.multipliers)]
        if not len(multipliers):
            continue
        if multipliers.max() >= XNNPACK_MOST:
            refused.append(f"{operator(layer.operator)} ({multipliers.max():.3g})")
        elif multipliers.max() > 1:
            coarse.append(f"{operator(layer.operator)} ({multipliers.max():.3g})")
        if multipliers.min() < VANISHING:
            vanishing.append(f"{operator(layer.operator)} ({multipliers.min():.3g})")
    findings = []
    if refused:
        findings.append(
            Finding(
                CHECK,
                "error",
                f"In {count(len(refused), 'layer')} input scale × weight scale / output scale is {XNNPACK_MOST:g} or "
                f"more: {some(refused)}.",
                "A single step of the accumulator spans the whole output: all answers are at its ends, and XNNPACK "
                "does not take the layer.",
                "The output's range was calibrated far too narrow: calibrate on real examples, prepared as in use.",
                {"layers": refused[:20]},
            )
        )
    if vanishing:
        findings.append(
            Finding(
                CHECK,
                "note",
                f"In {count(len(vanishing), 'layer')} input scale × weight scale / output scale is below 2^-32 for "
                f"some channel: {some(vanishing)}.",
                "Whatever the weights of such a channel sum up, it makes no step of the output: the channel is dead.",
                "Its weights are next to zero, often since training: take it out if size or speed matter. If they are "
                "not, the output's range is far too wide.",
                {"layers": vanishing[:20]},
            )
        )
    if coarse:
        findings.append(
            Finding(
                CHECK,
                "note",
                f"In {count(len(coarse), 'layer')} input scale × weight scale / output scale is above 1: "
                f"{some(coarse)}.",
                "The output's steps are finer than what the layer can tell apart: not all of its 256 values are used.",
                "Usually harmless. A wider weight range or a percentile on the input would give the steps back.",
                {"layers": coarse[:20]},
            )
        )
    return findings
