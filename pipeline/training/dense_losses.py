"""Losses of detectors and segmenters: over anchors, heat maps, and the pixels of a mask.

Each gives a value an image, [B]: sums over an image's anchors or cells in shares of how many of them hold an object (1
where none does), so that an image with many objects counts no more than one with a few.

What is regressed has a target with one value more than the output, its weight: 0 where there is nothing to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.models.backend import tf
from pipeline.tflite.endings import Ending

SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1, whose logarithms are none."""
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
HEATMAP_ALPHA, HEATMAP_BETA = 2.0, 4.0

Corners = Callable[[Any], tuple[Any, Any]]
"""From the four values of a box, [B, …, 4], to its upper left and lower right corner, [B, …, 2] each."""


def focal(targets: Any, found: Any, ending: Ending) -> Any:
    """T. Lin et al., Focal Loss for Dense Object Detection, 2017, https://arxiv.org/abs/1708.02002.

    Of targets between 0 and 1, as a centre's nearness is, the quality focal loss, which is the same at both ends (X. Li
    et al., Generalized Focal Loss, 2020, https://arxiv.org/abs/2006.04388).

    Args:
        targets: [B, …, C], 0 to 1; negative: ignored.
        found: Probabilities of a sigmoid, or logits.
        ending: Of the model.
    """
    logits = _logits(found, ending)
    wanted = tf.maximum(targets, 0.0)
    missing = tf.abs(wanted - tf.sigmoid(logits))
    balance = wanted * FOCAL_ALPHA + (1 - wanted) * (1 - FOCAL_ALPHA)
    loss = balance * missing**FOCAL_GAMMA * tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
    positive = tf.cast(tf.reduce_max(targets, axis=-1) > 0, loss.dtype)
    return _over_image(tf.where(targets >= 0, loss, 0.0)) / _positives(positive)


def heatmap_focal(targets: Any, found: Any, ending: Ending) -> Any:
    """The focal loss of centres: H. Law, J. Deng, CornerNet, 2018, https://arxiv.org/abs/1808.01244, equation 1.

    Args:
        targets: [B, h, w, C]: 1 in the cell of a centre, a Gaussian's value around it; negative: ignored.
        found: Probabilities of a sigmoid, or logits.
        ending: Of the model.
    """
    logits = _logits(found, ending)
    share = tf.sigmoid(logits)
    centre = targets >= 1
    hit = (1 - share) ** HEATMAP_ALPHA * tf.nn.softplus(-logits)
    near = tf.clip_by_value(1 - targets, 0.0, 1.0) ** HEATMAP_BETA
    other = near * share**HEATMAP_ALPHA * tf.nn.softplus(logits)
    loss = tf.where(targets >= 0, tf.where(centre, hit, other), 0.0)
    return _over_image(loss) / _positives(tf.cast(centre, loss.dtype))


def smooth_l1(targets: Any, found: Any) -> Any:
    """Fast R-CNN's (Girshick 2015, https://arxiv.org/abs/1504.08083): d²/2 within 1, |d| − ½ outside.

    Args:
        targets: [B, …, D + 1], the weight last; [B, …, D] where all count.
        found: [B, …, D].
    """
    values, weights = _weighted(targets, found)
    apart = tf.abs(found - values)
    loss = tf.where(apart < 1, apart**2 / 2, apart - 0.5)
    return _over_image(tf.reduce_sum(loss, axis=-1) * weights) / _positives(weights)


def masked_l1(targets: Any, found: Any) -> Any:
    """|d|; as :func:`smooth_l1`."""
    values, weights = _weighted(targets, found)
    return _over_image(tf.reduce_sum(tf.abs(found - values), axis=-1) * weights) / _positives(weights)


def giou(targets: Any, found: Any, corners: Corners) -> Any:
    """1 − GIoU: H. Rezatofighi et al., 2019, https://arxiv.org/abs/1902.09630.

    An overlap stays what it is where both axes are moved and stretched, so boxes are compared about their anchor or
    point and in its units, which need not be known.

    Args:
        targets: [B, …, 5]: four values that say a box, and the weight.
        found: [B, …, 4].
        corners: What the values say.
    """
    values, weights = _weighted(targets, found)
    (low, high), (other_low, other_high) = corners(found), corners(values)
    own, other = tf.reduce_prod(high - low, axis=-1), tf.reduce_prod(other_high - other_low, axis=-1)
    sides = tf.maximum(tf.minimum(high, other_high) - tf.maximum(low, other_low), 0.0)
    common = tf.reduce_prod(sides, axis=-1)
    union = tf.maximum(own + other - common, SMALLEST)
    around = tf.reduce_prod(tf.maximum(high, other_high) - tf.minimum(low, other_low), axis=-1)
    loss = 1 - common / union + (around - union) / tf.maximum(around, SMALLEST)
    # What holds no object has an arbitrary box, whose loss may be none.
    return _over_image(tf.where(weights > 0, loss * weights, 0.0)) / _positives(weights)


def about_anchors(variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2)) -> Corners:
    """The corners of boxes that are encoded against anchors: centre and size, as SSD has them (Liu et al. 2016)."""
    moved, grown = list(variances[:2]), list(variances[2:])

    def corners(encoded: Any) -> tuple[Any, Any]:
        centre = encoded[..., :2] * moved
        half = tf.exp(tf.clip_by_value(encoded[..., 2:] * grown, -10.0, 10.0)) / 2
        return centre - half, centre + half

    return corners


def about_points(distances: Any) -> tuple[Any, Any]:
    """The corners of boxes that are distances from a point to the four sides, as FCOS has them (Tian et al. 2019)."""
    return -distances[..., :2], tf.maximum(distances[..., 2:], SMALLEST - distances[..., :2])


def dice(targets: Any, found: Any, ending: Ending) -> Any:
    """1 − 2·|both| / (|one| + |other|): F. Milletari et al., V-Net, 2016, https://arxiv.org/abs/1606.04797.

    The mean over the classes that an image has: of one that it lacks, a single pixel's worth of probability would cost
    as much as a whole object, and a network that has learned nothing yet would learn to answer background.

    Args:
        targets: One-hot [B, …, C]; all zeros: ignored.
        found: Probabilities, or logits of a softmax.
        ending: Of the model.
    """
    counts = _counted(targets)[..., None]
    shares = (tf.nn.softmax(found) if ending == "none" else found) * counts
    rest = list(range(1, len(targets.shape) - 1))
    both = tf.reduce_sum(shares * targets, axis=rest)
    wanted = tf.reduce_sum(targets, axis=rest)
    loss = 1 - 2 * both / tf.maximum(tf.reduce_sum(shares, axis=rest) + wanted, SMALLEST)
    there = tf.cast(wanted > 0, loss.dtype)
    return _over_image(loss * there) / _positives(there)


def dice_crossentropy(targets: Any, found: Any, ending: Ending, smoothing: float = 0.0) -> Any:
    """:func:`dice` and the mean cross-entropy of the pixels that count (F. Isensee et al., nnU-Net, 2018)."""
    counts = _counted(targets)
    classes = tf.cast(tf.shape(targets)[-1], found.dtype)
    wanted = targets * (1 - smoothing) + smoothing / classes
    chances = tf.nn.log_softmax(found) if ending == "none" else tf.math.log(tf.maximum(found, SMALLEST))
    entropy = -tf.reduce_sum(wanted * chances, axis=-1) * counts
    return dice(targets, found, ending) + _over_image(entropy) / _positives(counts)


def _logits(found: Any, ending: Ending) -> Any:
    if ending == "none":
        return found
    held = tf.clip_by_value(found, SMALLEST, 1 - SMALLEST)
    return tf.math.log(held) - tf.math.log1p(-held)


def _weighted(targets: Any, found: Any) -> tuple[Any, Any]:
    """The values [B, …, D] and their weights [B, …]."""
    values = found.shape[-1]
    if targets.shape[-1] == values:
        return targets, tf.ones_like(targets[..., 0])
    return targets[..., :values], targets[..., values]


def _counted(targets: Any) -> Any:
    """Which pixels are not ignored, [B, …], as 0 or 1."""
    return tf.cast(tf.reduce_max(targets, axis=-1) > 0, targets.dtype)


def _over_image(values: Any) -> Any:
    return tf.reduce_sum(tf.reshape(values, [tf.shape(values)[0], -1]), axis=-1)


def _positives(weights: Any) -> Any:
    return tf.maximum(_over_image(weights), 1.0)
