"""Equalization leaves the network's answers alone and evens its channels out."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.equalize import equalize
from pipeline.quantization.tap import tap
from pipeline.tflite.runner import Runner
from tests.quantization.networks import NONE, RELU, RELU6, examples, stack

X = examples()


def peaks(content: bytes, name: str) -> np.ndarray:
    names, tapped = tap(content)
    values = Runner(tapped, batch=len(X)).run(X)[names.index(name)]
    return np.abs(values.reshape(-1, values.shape[-1])).max(axis=0)


@pytest.mark.parametrize("activation", [NONE, RELU, RELU6])
def test_the_answers_stay(activation: int) -> None:
    before = stack(activation=activation)
    after, _ = equalize(before, [{"x": X}])
    np.testing.assert_allclose(Runner(after, batch=4).predict(X), Runner(before, batch=4).predict(X), atol=1e-3)


def test_every_pair_of_layers_is_reported_pooling_between_them_or_not() -> None:
    _, report = equalize(stack(), [{"x": X}])
    assert [(pair.first, pair.second) for pair in report] == [
        ("conv", "depthwise"),
        ("depthwise", "pointwise"),
        ("pointwise", "dense"),
    ]
    assert max(pair.largest_gain for pair in report) > 1


def test_channels_before_a_depthwise_layer_become_equally_large() -> None:
    before = stack(activation=RELU, spread=0.8)
    after, _ = equalize(before, [{"x": X}])
    assert np.ptp(peaks(before, "conv")) > 0.2 * peaks(before, "conv").max()
    np.testing.assert_allclose(peaks(after, "conv"), peaks(before, "conv").max(), rtol=1e-4)


def test_no_channel_grows_past_the_tensors_largest() -> None:
    before = stack()
    after, _ = equalize(before, [{"x": X}])
    for name in ("conv", "depthwise", "pointwise"):
        assert peaks(after, name).max() <= peaks(before, name).max() * 1.001


def test_a_network_without_pairs_is_returned_as_it_is() -> None:
    from tests.tiny_models import linear

    content = linear(np.ones((2, 3), np.float32))
    assert equalize(content, [{"x": np.ones((4, 3), np.float32)}]) == (content, ())
