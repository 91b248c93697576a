"""What QAT puts in place of a weight or an activation: the value int8 will have, with a straight-through gradient.

Straight-through estimator: Bengio et al. 2013, https://arxiv.org/abs/1308.3432. Scheme: Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

from typing import Any

import tensorflow_model_optimization as tfmot

from pipeline.models.backend import tf, tf_keras


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class PerChannelWeights(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Symmetric int8 weights, −127..127, one scale per output channel, always from the weights as they are.

    tfmot's own quantizer keeps the range of the last training step in a variable, and knows no output channels of
    Dense and DepthwiseConv2D. Here the arithmetic is plain, so that the converter folds it into the constant.

    Args:
        reduce_axes: The axes that share a scale.
    """

    def __init__(self, reduce_axes: list[int]) -> None:
        self.reduce_axes = list(reduce_axes)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict[str, Any], **kwargs: Any) -> Any:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def straight_through(w: Any) -> Any:
            largest = tf.reduce_max(tf.abs(w), axis=self.reduce_axes, keepdims=True)
            scale = tf.where(largest > 0, largest, tf.ones_like(largest)) / 127.0
            return tf.round(w / scale) * scale, lambda upstream: upstream

        return straight_through(tf.convert_to_tensor(inputs))

    def get_config(self) -> dict[str, Any]:
        return {"reduce_axes": self.reduce_axes}


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class RunningRange(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Asymmetric int8 activations whose range follows the batches.

    The mean of the batches' minima and maxima for the first steps, an exponential moving average after that. tfmot's
    own starts from −6..6 and moves by a thousandth a step: after a short fine-tuning the start is still in it.

    Args:
        decay: Weight of the past in the moving average.
    """

    def __init__(self, decay: float = 0.99) -> None:
        self.decay = decay
        self.follows = True
        """Whether the range still moves in training; read when the training step is traced."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return _range_variables(name, layer)

    def __call__(self, inputs: Any, training: bool, weights: dict[str, Any], **kwargs: Any) -> Any:
        low, high, seen = weights["min"], weights["max"], weights["seen"]
        if training and self.follows:
            decay = tf.minimum(seen / (seen + 1.0), self.decay)
            # A range must hold zero: padding and ReLU need it exactly.
            new_low = decay * low + (1 - decay) * tf.minimum(tf.reduce_min(inputs), 0.0)
            new_high = decay * high + (1 - decay) * tf.maximum(tf.reduce_max(inputs), 0.0)
            with tf.control_dependencies([low.assign(new_low), high.assign(new_high), seen.assign_add(1.0)]):
                low, high = tf.identity(new_low), tf.identity(new_high)
        return _fake_quant(inputs, low, high)

    def get_config(self) -> dict[str, Any]:
        return {"decay": self.decay}


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class WidestRange(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Asymmetric int8 activations whose range only ever widens: the model's inputs, of which nothing may be clipped."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return _range_variables(name, layer)

    def __call__(self, inputs: Any, training: bool, weights: dict[str, Any], **kwargs: Any) -> Any:
        low, high, seen = weights["min"], weights["max"], weights["seen"]
        if training:
            first = tf.equal(seen, 0.0)
            new_low = tf.minimum(tf.reduce_min(inputs), tf.where(first, 0.0, low))
            new_high = tf.maximum(tf.reduce_max(inputs), tf.where(first, 0.0, high))
            with tf.control_dependencies([low.assign(new_low), high.assign(new_high), seen.assign_add(1.0)]):
                low, high = tf.identity(new_low), tf.identity(new_high)
        return _fake_quant(inputs, low, high)

    def get_config(self) -> dict[str, Any]:
        return {}


@tf_keras.utils.register_keras_serializable("keras_int8_pipeline")
class FixedRange(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Asymmetric int8 activations in a range that the kernel fixes.

    Args:
        low: Smallest value.
        high: Largest value.
        exact_in_training: Round in inference only.
    """

    def __init__(self, low: float, high: float, exact_in_training: bool = False) -> None:
        self.low, self.high, self.exact_in_training = low, high, exact_in_training

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: dict[str, Any], **kwargs: Any) -> Any:
        if training and self.exact_in_training:
            return inputs
        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "exact_in_training": self.exact_in_training}


def _range_variables(name: str, layer: Any) -> dict[str, Any]:
    def variable(suffix: str, initial: float) -> Any:
        return layer.add_weight(
            f"{name}_{suffix}", initializer=tf_keras.initializers.Constant(initial), trainable=False
        )

    return {"min": variable("min", -6.0), "max": variable("max", 6.0), "seen": variable("seen", 0.0)}


def _fake_quant(inputs: Any, low: Any, high: Any) -> Any:
    return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8, narrow_range=False)
