"""Networks that give every pixel a class: DeepLabV3+ made light, and U-Net.

They end in logits, which rank the classes as their softmax does: XNNPACK takes no int8 softmax.
"""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import tf_keras
from pipeline.models.dense_prediction.backbone import Backbone
from pipeline.models.dense_prediction.blocks import convolution, cropped_to, resized_to, scaled, separable

layers = tf_keras.layers

OUTPUT = "mask"


def deeplabv3plus_lite(backbone: Backbone, classes: int, alpha: float | None) -> Any:
    """DeepLabV3+'s decoder behind MobileNetV3's light pyramid pooling.

    L. Chen et al., 2018, https://arxiv.org/abs/1802.02611: the coarse features are resized to stride 4, joined with
    the backbone's own there, and refined. A. Howard et al., Searching for MobileNetV3, 2019,
    https://arxiv.org/abs/1905.02244, section 6.4: instead of dilated convolutions, the mean over the image decides how
    much each channel counts.

    Returns:
        A model with the output `mask` [B, ⌈height/4⌉, ⌈width/4⌉, classes], logits.
    """
    coarse, fine = backbone.features(16), backbone.features(4)
    width = scaled(128, alpha, least=32)
    x = convolution(coarse, width, "pyramid")
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="image_mean")(coarse)
    gate = layers.Conv2D(width, 1, activation="sigmoid", name="image_gate")(mean)
    x = layers.Multiply(name="gated")([x, gate])
    detail = convolution(fine, scaled(48, alpha, least=16), "detail")
    x = layers.Concatenate(name="joined")([resized_to(x, fine, "resized"), detail])
    x = separable(x, width, "refined")
    return _model(backbone.input, x, classes, "deeplabv3plus_lite")


def u_net_on(backbone: Backbone, classes: int, alpha: float | None) -> Any:
    """A U-Net whose way down is a backbone's; as :func:`u_net`."""
    strides = (2, 4, 8, 16)
    x = backbone.features(32)
    for stride in reversed(strides):
        skip = backbone.features(stride)
        width = scaled(8 * stride, alpha, least=16)
        x = _doubled(x, skip, width, f"up_{stride}")
        x = separable(layers.Concatenate(name=f"joined_{stride}")([x, skip]), width, f"refined_{stride}")
    x = _doubled(x, backbone.input, scaled(16, alpha), "up_1")
    return _model(backbone.input, x, classes, "u_net")


def u_net(input_shape: tuple[int, ...], classes: int, alpha: float | None) -> Any:
    """O. Ronneberger, P. Fischer, T. Brox, U-Net, 2015, https://arxiv.org/abs/1505.04597.

    With a quarter of its channels, padded convolutions and batch-norm.

    Returns:
        A model with the output `mask` [B, height, width, classes], logits.
    """
    inputs = x = tf_keras.Input(input_shape)
    widths = [scaled(16 * 2**depth, alpha) for depth in range(5)]
    skips = []
    for depth, width in enumerate(widths):
        if depth:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool_{depth}")(x)
        x = _twice(x, width, f"down_{depth}")
        skips.append(x)
    for depth in reversed(range(len(widths) - 1)):
        x = _doubled(x, skips[depth], widths[depth], f"up_{depth}")
        x = layers.Concatenate(name=f"joined_{depth}")([x, skips[depth]])
        x = _twice(x, widths[depth], f"refined_{depth}")
    return _model(inputs, x, classes, "u_net")


def _twice(x: Any, filters: int, name: str) -> Any:
    x = convolution(x, filters, f"{name}_1", size=3)
    return convolution(x, filters, f"{name}_2", size=3)


def _doubled(x: Any, other: Any, filters: int, name: str) -> Any:
    """Twice the size by a transposed convolution, cut to another map's. No batch-norm: it would not fuse."""
    x = layers.Conv2DTranspose(filters, 2, 2, name=name)(x)
    return cropped_to(x, other, f"{name}_cropped")


def _model(inputs: Any, features: Any, classes: int, name: str) -> Any:
    return tf_keras.Model(inputs, layers.Conv2D(classes, 1, name=OUTPUT)(features), name=name)
