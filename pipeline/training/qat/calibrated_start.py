"""Where QAT begins: ranges measured on the calibration examples, as post-training quantization would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.models.backend import tf
from pipeline.tensors import Array, Tensors
from pipeline.training import batch_norm
from pipeline.training.feeding import as_called
from pipeline.training.qat.snap import tie_ranges


def calibrate(aware: Any, batches: Iterable[Tensors | Array]) -> None:
    """Let every activation quantizer see the batches: its range becomes the mean of their minima and maxima.

    Weights, batch-norm statistics and the network's answers are those of inference; nothing is dropped out.

    Args:
        aware: A QAT model; only its ranges change.
        batches: Inputs by name, [B, ...], or the arrays of the one input.
    """
    with _as_in_inference(aware):
        step = tf.function(lambda x: aware(x, training=True), reduce_retracing=True)
        for x in batches:
            step(tf.nest.map_structure(tf.convert_to_tensor, as_called(aware, x)))
    tie_ranges(aware)


@contextmanager
def _as_in_inference(aware: Any) -> Iterator[None]:
    """In training mode quantizers measure; everything else is held still."""
    normalizations = batch_norm.layers(aware)
    frozen = [vars(layer).get("_get_training_value") for layer in normalizations]
    dropping = [layer for layer in aware.submodules if isinstance(getattr(layer, "rate", None), float)]
    rates = [layer.rate for layer in dropping]
    batch_norm.freeze(aware)
    for layer in dropping:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in zip(dropping, rates, strict=True):
            layer.rate = rate
        for layer, before in zip(normalizations, frozen, strict=True):
            if before is None:
                del layer._get_training_value
