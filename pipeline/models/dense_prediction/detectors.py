"""Detectors on a feature pyramid: SSDLite over anchors, and CenterNet, which needs none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipeline.models.backend import tf_keras
from pipeline.models.dense_prediction.backbone import Backbone
from pipeline.models.dense_prediction.blocks import convolution, depthwise, resized_to, scaled, separable

layers = tf_keras.layers

RARE = 0.01
"""What a classifier of anchors answers before it is trained, so that the background does not drown the rest (Lin et
al. 2017, section 4.1)."""
COARSEST = 32
"""Stride of the last features of the networks that serve as backbones."""
CENTERNET_STRIDE = 4
"""Of the heat map's cells."""
RARE_CENTRE = 0.1
"""The same for a heat map (Zhou et al. 2019, following CornerNet)."""


def ssd_lite(backbone: Backbone, classes: int, levels: Sequence[tuple[int, int]], alpha: float | None) -> Any:
    """SSD with separable heads on a feature pyramid, as the TF Object Detection API's SSD-FPNLite has it.

    M. Sandler et al., MobileNetV2, 2018, https://arxiv.org/abs/1801.04381, section 6.2; T. Lin et al., Feature Pyramid
    Networks, 2017, https://arxiv.org/abs/1612.03144.

    Args:
        backbone: Its features of the strides up to 32 come together in the pyramid; further maps are made by halving.
        classes: Without a background: each anchor's classes are yes or no (Lin et al. 2017).
        levels: The stride of each feature map, and its anchors a cell.
        alpha: Width multiplier of pyramid and heads.

    Returns:
        A model with the outputs `boxes` [B, A, 4], encoded, and `scores` [B, A, classes], sigmoid; anchors map after
        map, row after row, those of a cell together.
    """
    strides = [stride for stride, _ in levels]
    maps = _pyramid(backbone, min(strides), _width(alpha))
    coarsest = COARSEST
    while coarsest < max(strides):
        maps[2 * coarsest] = separable(maps[coarsest], _width(alpha), f"extra_{2 * coarsest}", stride=2)
        coarsest *= 2
    boxes, scores = [], []
    for stride, count in levels:
        boxes.append(_flat_head(maps[stride], count, 4, f"boxes_{stride}", bias=0.0))
        scores.append(_flat_head(maps[stride], count, classes, f"scores_{stride}", bias=_logit(RARE)))
    answers = [
        _joined(boxes, "boxes"),
        layers.Activation("sigmoid", name="scores")(_joined(scores, "logits")),
    ]
    return tf_keras.Model(backbone.input, answers, name="ssd_lite")


def centernet(backbone: Backbone, classes: int, alpha: float | None) -> Any:
    """X. Zhou, D. Wang, P. Krähenbühl, Objects as Points, 2019, https://arxiv.org/abs/1904.07850.

    On a feature pyramid, with bilinear resizing where the paper learns a transposed convolution.

    Returns:
        A model with the outputs `heatmap` [B, h, w, classes], sigmoid, `size` [B, h, w, 2], height and width as shares
        of the input, and `offset` [B, h, w, 2], y and x of the centre in cells.
    """
    x = _pyramid(backbone, CENTERNET_STRIDE, _width(alpha))[CENTERNET_STRIDE]
    centres = _head(x, classes, "heatmap", bias=_logit(RARE_CENTRE))
    answers = [
        layers.Activation("sigmoid", name="heatmap")(centres),
        layers.Activation("linear", name="size")(_head(x, 2, "size", bias=0.1)),
        layers.Activation("linear", name="offset")(_head(x, 2, "offset", bias=0.5)),
    ]
    return tf_keras.Model(backbone.input, answers, name="centernet")


def _width(alpha: float | None) -> int:
    return scaled(128, alpha, least=32)


def _pyramid(backbone: Backbone, finest: int, width: int) -> dict[int, Any]:
    """Maps of one width by stride, from 32 on: each the backbone's and, resized, the coarser one."""
    x = convolution(backbone.features(COARSEST), width, f"lateral_{COARSEST}")
    found, stride = {COARSEST: x}, COARSEST
    while stride > finest:
        stride //= 2
        side = convolution(backbone.features(stride), width, f"lateral_{stride}", activate=False)
        x = layers.Add(name=f"merged_{stride}")([side, resized_to(x, side, f"resized_{stride}")])
        found[stride] = x = separable(x, width, f"refined_{stride}")
    return found


def _head(x: Any, filters: int, name: str, bias: float) -> Any:
    x = depthwise(x, f"{name}_depthwise")
    start = tf_keras.initializers.Constant(bias)
    return layers.Conv2D(filters, 1, name=f"{name}_values", bias_initializer=start)(x)


def _flat_head(x: Any, count: int, values: int, name: str, bias: float) -> Any:
    """[B, h, w, C] → [B, h · w · count, values]."""
    return layers.Reshape((-1, values), name=f"{name}_flat")(_head(x, count * values, name, bias))


def _joined(parts: list[Any], name: str) -> Any:
    if len(parts) > 1:
        return layers.Concatenate(axis=1, name=name)(parts)
    return layers.Activation("linear", name=name)(parts[0])


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
