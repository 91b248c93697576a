"""Rounding that is learned from data: each weight goes up or down so that the layer's output changes least.

The objective is AdaRound's (M. Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, ICML
2020): the squared error of the layer's output on calibration data. It is solved without gradients, one input after the
other, by handing each one's rounding error on to those that are still to be rounded, as in E. Frantar et al., GPTQ
(ICLR 2023) after B. Hassibi and D. Stork's optimal brain surgeon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.quantization.im2col import Im2col
from pipeline.quantization.quantized_weights import LARGEST, QuantizedWeights

DAMPING = 0.01
"""Added to the diagonal, as a share of its mean: keeps the solution near the weights where data says little."""

_BLOCK = 64
"""Inputs whose errors are handed on together to the later ones."""


def learned(weights: NDArray[np.float32], scales: NDArray[np.float32], axis: int, im2col: Im2col) -> QuantizedWeights:
    """Round a layer's weights for the inputs that it was seen to get.

    Args:
        weights: float32, as `pipeline.quantization.weighted_operators` describes them.
        scales: float32 [channels] or [1]; they stay as they are.
        axis: The output channels' axis.
        im2col: What the layer multiplied its weights with.

    Returns:
        Weights of the same scales, some of them a step or more away from the nearest.
    """
    channels = weights.shape[axis]
    rows = np.moveaxis(weights, axis, 0).reshape(channels, -1).astype(np.float64)
    steps = np.broadcast_to(scales.astype(np.float64), (channels,))
    stored = np.empty(rows.shape, np.int8)
    for members, inputs in im2col.groups(channels):
        centred = inputs - inputs.mean(axis=0, keepdims=True)  # the mean's error is bias correction's
        hessian = (centred.T @ centred).astype(np.float64) / max(len(centred), 1)
        stored[members] = _round(rows[members], steps[members], hessian)
    shape = np.moveaxis(weights, axis, 0).shape
    return QuantizedWeights(np.ascontiguousarray(np.moveaxis(stored.reshape(shape), 0, axis)), scales, axis)


def _round(rows: NDArray[np.float64], steps: NDArray[np.float64], hessian: NDArray[np.float64]) -> NDArray[np.int8]:
    """Rows [out, in] on their steps [out], for inputs of covariance [in, in]."""
    diagonal = np.diag(hessian).copy()
    damped = hessian + np.diag(np.full(len(diagonal), DAMPING * diagonal.mean() + 1e-12))
    order = np.argsort(-diagonal, kind="stable")  # the inputs that matter most have the most others to hand on to
    try:
        upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    except np.linalg.LinAlgError:  # inputs beyond float64: nothing can be learned from them
        upper = np.eye(len(order))
    left = rows[:, order].copy()
    rounded = np.empty_like(left)
    for start in range(0, left.shape[1], _BLOCK):
        end = min(start + _BLOCK, left.shape[1])
        errors = np.empty((len(left), end - start))
        for place in range(start, end):
            rounded[:, place] = np.clip(np.rint(left[:, place] / steps), -LARGEST, LARGEST)
            error = (left[:, place] - rounded[:, place] * steps) / upper[place, place]
            left[:, place + 1 : end] -= np.outer(error, upper[place, place + 1 : end])
            errors[:, place - start] = error
        left[:, end:] -= errors @ upper[start:end, end:]
    result = np.empty(rows.shape, np.int8)
    result[:, order] = rounded
    return result
