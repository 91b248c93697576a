"""Move the ranges and biases of a QAT model to what int8 can hold, so that what was trained is what the file computes.

Fake-quant rounds weights and activations. Two things are left that the kernels do otherwise
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec):

- A bias is stored in int32, in steps of input scale · weight scale. Left between two steps it lets up to several
  percent of an operator's outputs come out a step away, and a deep network amplifies that.
- AVERAGE_POOL_2D and RESIZE_BILINEAR keep their input's scale and zero point, GATHER that of its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.backend import tf, tf_keras
from pipeline.models.fake_quant.int8_config import has_kernel, kernel_attribute, weight_axes
from pipeline.models.fake_quant.operation import ChannelScale
from pipeline.training.qat.connections import Wiring, inner
from pipeline.training.qat.fake_quant_placement import keeps_scale
from pipeline.training.qat.fusing import folds
from pipeline.training.qat.range_variables import learned_range, range_of, rounds_output

_LARGEST_BIAS = 2.0**30
"""In steps. Where a bias is larger the writer takes larger steps; see `pipeline.quantization.kernel_limits`."""


def snap(aware: Any) -> None:
    """Move ranges that are their input's or their table's, then every bias, to what int8 will have; kernels stay.

    Args:
        aware: A QAT model, trained. Every bias moves by at most half a step of its accumulator.
    """
    tie_ranges(aware)
    snap_biases(aware)


def tie_ranges(aware: Any) -> None:
    """Give every range that has to be its input's or its table's that one."""
    for tied in tied_ranges(aware):
        tied.snap()


@dataclass(frozen=True)
class TiedRange:
    """A range that has to be the input's."""

    own: Any
    """The variables `min` and `max`."""
    source: Any
    """The layer that rounds what is read."""

    def snap(self) -> None:
        """Take over the range."""
        pair = range_of(self.source)
        if pair is not None:
            self.own["min"].assign(pair[0])
            self.own["max"].assign(pair[1])


@dataclass(frozen=True)
class TiedTableRange:
    """The range of an Embedding's output, which GATHER stores on the steps of the whole table."""

    own: Any
    """The variables `min` and `max`."""
    table: Any
    """The variable with the vectors."""

    def snap(self) -> None:
        """Take the range of all vectors, those that no example had among them."""
        self.own["min"].assign(tf.minimum(tf.reduce_min(self.table), 0.0))
        self.own["max"].assign(tf.maximum(tf.reduce_max(self.table), 0.0))


def tied_ranges(aware: Any) -> list[TiedRange | TiedTableRange]:
    """The ranges of a QAT model that are their input's or their table's, in the order in which they are computed.

    A pool over the whole image has none of them: it is exported as MEAN, which has a scale of its own.
    """
    wiring = Wiring(aware)
    found: list[TiedRange | TiedTableRange] = []
    for node in wiring.nodes:
        layer = inner(node.layer)
        if isinstance(layer, tf_keras.layers.Embedding):
            own = learned_range(node.layer)
            if own is not None:
                found.append(TiedTableRange(own, layer.embeddings))
            continue
        if not keeps_scale(type(layer), layer.get_config()) or len(node.keras_inputs) != 1:
            continue
        [image] = node.keras_inputs
        if isinstance(layer, tf_keras.layers.AveragePooling2D) and _is_global(layer, image, node.outputs):
            continue
        own, source, consumer = learned_range(node.layer), wiring.rounds(image), wiring.single_consumer(node.outputs)
        if own is None and consumer is not None and isinstance(inner(consumer.layer), tf_keras.layers.ReLU):
            own = learned_range(consumer.layer)
        if own is not None and source is not None:
            found.append(TiedRange(own, source))
    return found


def _is_global(pool: Any, image: Any, result: Any) -> bool:
    return tuple(image.shape[1:3]) == tuple(pool.pool_size) and tuple(result.shape[1:3]) == (1, 1)


def snap_biases(aware: Any) -> None:
    """Move every bias, with the batch-norm that is folded into it, onto a whole number of its int32 steps.

    What has no bias and no batch-norm with one has nothing to move, and what is frozen is not moved. A layer that
    is used more than once has other steps in each place, and stays as it is.
    """
    wiring = Wiring(aware)
    for node in wiring.nodes:
        if not has_kernel(type(inner(node.layer))) or wiring.calls(node.layer) > 1:
            continue
        source, sums = wiring.rounds(node.keras_inputs[0]), _sums(wiring, node)
        pair = range_of(source) if source is not None else None
        if pair is None or sums.bias is None or not sums.movable:
            continue
        step = (pair[1] - pair[0]) / 255 * _weight_scales(node.layer) * np.abs(sums.factor)
        fits = (np.abs(sums.offset) < step * _LARGEST_BIAS) & (sums.behind != 0)
        whole = np.rint(np.divide(sums.offset, step, where=fits, out=np.zeros_like(step))) * step
        by = np.divide(whole - sums.offset, sums.behind, where=fits, out=np.zeros_like(step))
        sums.bias.assign_add(by.astype(np.float32))


@dataclass(frozen=True)
class _Sums:
    """What one operator computes: factor · (kernel · x) + offset, each float64 [channels]."""

    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    bias: Any
    """The variable that was added last; None where nothing can be added."""
    behind: NDArray[np.float64]
    """What that variable is multiplied by after it was added."""
    movable: bool = True
    """False where the variable is one that the user froze."""


def _sums(wiring: Wiring, node: Any) -> _Sums:
    """A layer with a kernel, and the batch-norms and channel factors behind it that the converter folds into it."""
    layer = inner(node.layer)
    ones = np.ones(_weight_scales(node.layer).shape)
    bias = layer.bias if layer.use_bias else None
    # A constant of the rewrites' is not trained either; its kernel is exact in int8 and not rounded.
    sums = _Sums(ones, ones * _values(bias), bias, ones, layer.trainable or not _kernel_variables(node.layer))
    while not rounds_output(node.layer):
        consumer = wiring.single_consumer(node.outputs)
        if consumer is None or wiring.calls(consumer.layer) > 1 or not folds(type(layer), type(inner(consumer.layer))):
            break
        behind = inner(consumer.layer)
        if isinstance(behind, ChannelScale):
            by, added, bias = _values(behind.gamma), np.zeros(1), None
        else:
            by = _values(behind.gamma, 1.0) / np.sqrt(_values(behind.moving_variance) + behind.epsilon)
            added, bias = _values(behind.beta) - _values(behind.moving_mean) * by, behind.beta
        sums = _Sums(
            factor=sums.factor * by,
            offset=sums.offset * by + added,
            bias=sums.bias if bias is None else bias,
            behind=sums.behind * by if bias is None else ones,
            movable=sums.movable if bias is None else behind.trainable,
        )
        node = consumer
    return sums


def _values(variable: Any, otherwise: float = 0.0) -> NDArray[np.float64]:
    """float64 [channels], or [1] where there is no such variable."""
    return np.full(1, otherwise) if variable is None else np.asarray(variable.numpy(), np.float64)


def _weight_scales(layer: Any) -> NDArray[np.float64]:
    """The kernel's scale a channel, float64 [output channels], before anything is folded into it."""
    kept = inner(layer)
    trained = _kernel_variables(layer)
    kernel = np.abs(np.asarray(trained[0] if trained else getattr(kept, kernel_attribute(kept)), np.float64))
    scales: NDArray[np.float64] = kernel.max(axis=tuple(weight_axes(kept, kernel.ndim))).reshape(-1) / 127
    return scales


def _kernel_variables(layer: Any) -> list[Any]:
    """The kernel that a wrapper rounds: tfmot puts the rounded one in the attribute's place, and keeps the other."""
    return [variable for variable, _, _ in getattr(layer, "_weight_vars", [])]
