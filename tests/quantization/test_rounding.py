"""Learned rounding changes a layer's outputs less than the nearest steps do."""

from __future__ import annotations

import numpy as np

from pipeline.quantization.im2col import Im2col
from pipeline.quantization.quantized_weights import nearest, scales
from pipeline.quantization.rounding import learned
from pipeline.tflite.flatbuffer import read
from tests.quantization.networks import examples, stack

RNG = np.random.default_rng(0)


def test_the_error_on_correlated_inputs_is_smaller() -> None:
    inputs = (RNG.normal(size=(2000, 12)) @ RNG.normal(size=(12, 24))).astype(np.float32)
    weights = RNG.normal(size=(5, 24)).astype(np.float32)
    im2col = Im2col("FULLY_CONNECTED", None, weights.shape, 1)
    im2col.add(inputs)
    found = scales(weights, 0) * np.float32(8)  # coarse, so that rounding matters

    def error(rounded: np.ndarray) -> float:
        off = inputs @ (rounded - weights).T
        return float((off - off.mean(axis=0)).var())

    assert error(learned(weights, found, 0, im2col).real()) < 0.5 * error(nearest(weights, found, 0).real())


def test_weights_stay_on_their_steps() -> None:
    weights = RNG.normal(size=(5, 24)).astype(np.float32)
    im2col = Im2col("FULLY_CONNECTED", None, weights.shape, 1)
    im2col.add(RNG.normal(size=(100, 24)).astype(np.float32))
    found = learned(weights, scales(weights, 0), 0, im2col)
    assert found.stored.dtype == np.int8
    assert np.abs(found.stored.astype(int)).max() <= 127
    np.testing.assert_array_equal(found.scales, scales(weights, 0))


def test_inputs_that_never_change_leave_the_nearest_steps() -> None:
    weights = RNG.normal(size=(3, 6)).astype(np.float32)
    im2col = Im2col("FULLY_CONNECTED", None, weights.shape, 1)
    im2col.add(np.full((50, 6), 2.5, np.float32))
    np.testing.assert_array_equal(
        learned(weights, scales(weights, 0), 0, im2col).stored, nearest(weights, scales(weights, 0), 0).stored
    )


def test_patches_are_what_the_convolution_multiplies() -> None:
    """Rows times weights are the layer's outputs, at every position."""
    from pipeline.quantization.tap import tap
    from pipeline.quantization.weighted_operators import constant, layers
    from pipeline.tflite.runner import Runner

    model = read(stack(activation=0))
    x = examples(2)
    names, tapped = tap(stack(activation=0))
    runner = Runner(tapped, batch=2)
    seen = dict(zip(names, runner.run(x), strict=True))
    for layer in layers(model)[:3]:
        source = {0: x}.get(layer.activations)
        if source is None:
            source = seen[model.subgraphs[0].tensors[layer.activations].name.decode()]
        weights = constant(model, layer.weights)
        bias = constant(model, layer.bias)
        im2col = Im2col(layer.kind, model.subgraphs[0].operators[layer.place], weights.shape, 1, rows=10**6)
        im2col.add(source)
        rows = np.moveaxis(weights, layer.channel_axis, 0).reshape(weights.shape[layer.channel_axis], -1)
        outputs = seen[layer.name].reshape(-1, rows.shape[0])
        for members, inputs in im2col.groups(rows.shape[0]):
            np.testing.assert_allclose(inputs @ rows[members].T + bias[members], outputs[:, members], atol=1e-4)
