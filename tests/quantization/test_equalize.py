"""Equalization leaves the network's answers alone and evens its channels out."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.equalize import equalize
from pipeline.quantization.tap import tap
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.quantization import networks
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
    np.testing.assert_allclose(answer(Runner(after, batch=4), X), answer(Runner(before, batch=4), X), atol=1e-3)


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


def branches() -> bytes:
    """Two inputs, each a dense layer and a ReLU before a second dense layer; their sum."""
    graph = networks.Layers()
    ends = [graph.tensor(name, [1, 6], open_batch=True) for name in ("left", "right")]
    hidden = [graph.dense(f"{name}_1", x, 6, 8, activation=RELU) for name, x in zip("lr", ends, strict=True)]
    outputs = [graph.dense(f"{name}_2", x, 8, 4) for name, x in zip("lr", hidden, strict=True)]
    total = graph.tensor("sum", [1, 4], open_batch=True)
    graph.operator("ADD", outputs, [total], "AddOptions")
    return graph.build(ends, [total])


def test_of_several_inputs_every_branch_is_equalized_and_the_answers_stay() -> None:
    rng = np.random.default_rng(0)
    x = {name: (size * rng.normal(size=(40, 6))).astype(np.float32) for name, size in (("left", 1), ("right", 9))}
    after, report = equalize(branches(), [x])
    assert [(pair.first, pair.second) for pair in report] == [("l_1", "l_2"), ("r_1", "r_2")]
    assert min(pair.largest_gain for pair in report) > 1
    expected, found = (Runner(content)(x).real["sum"] for content in (branches(), after))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_open_sizes_follow_the_examples() -> None:
    rng = np.random.default_rng(0)
    batches = [{"image": rng.normal(size=(2, size, 5, 1)).astype(np.float32)} for size in (4, 9)]
    after, report = equalize(networks.any_size(), batches)
    assert [(pair.first, pair.second) for pair in report] == [("hidden", "clean")]
    for batch in batches:
        expected, found = (Runner(content)(batch).real["clean"] for content in (networks.any_size(), after))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batches", [[], [{"x": X[:0]}]], ids=["no batch", "an empty batch"])
def test_no_examples_are_refused(batches: list[dict[str, np.ndarray]]) -> None:
    with pytest.raises(InputError, match="empty"):
        equalize(stack(), batches)
