"""How alike two images are, and how well a score tells two groups apart: SSIM, AUC."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

WINDOW = 11
"""Pixels of SSIM's Gaussian window, a side."""
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def structural_similarity(first: NDArray[Any], second: NDArray[Any], data_range: float) -> NDArray[np.float64]:
    """SSIM of each image, [B], the mean over all places and channels; −1..1, 1 for the same image.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error visibility to structural
    similarity. IEEE Transactions on Image Processing 13 (2004) 600–612: an 11×11 Gaussian window of σ = 1.5, K₁ = 0.01,
    K₂ = 0.03, only where the window lies whole within the image; as `tf.image.ssim`.

    Args:
        first: [B, H, W, C], H and W at least 11.
        second: The same shape.
        data_range: The highest value a pixel can have less the lowest.
    """
    one, two = first.astype(np.float64), second.astype(np.float64)
    mean_one, mean_two = _smooth(one), _smooth(two)
    variances = _smooth(one * one + two * two) - mean_one**2 - mean_two**2
    covariance = _smooth(one * two) - mean_one * mean_two
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_one * mean_two + c1) / (mean_one**2 + mean_two**2 + c1)
    contrast_and_structure = (2 * covariance + c2) / (variances + c2)
    similarity: NDArray[np.float64] = (luminance * contrast_and_structure).mean(axis=(1, 2, 3))
    return similarity


def _smooth(images: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = np.exp(-np.square(np.arange(WINDOW) - WINDOW // 2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    rows: NDArray[np.float64] = sliding_window_view(images, WINDOW, axis=1) @ kernel
    smoothed: NDArray[np.float64] = sliding_window_view(rows, WINDOW, axis=2) @ kernel
    return smoothed


def area_under_curve(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """The chance that a positive example's score lies above a negative one's, equal scores counting half (AUC).

    NaN where one of both groups is empty.

    Args:
        scores: [N].
        positive: [N].
    """
    above, below = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if not above or not below:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - above * (above + 1) / 2) / (above * below))
