"""Calibration measures what numpy measures, whatever the batches (see test_every_format.py for whole models)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.ranges import Ranges, holding_zero
from pipeline.quantization.tap import TappedModel
from pipeline.tensors import take
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.quantization import networks

WEIGHTS = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
LINEAR = tiny_models.linear(WEIGHTS)
X = np.random.default_rng(2).normal(size=(13, 6)).astype(np.float32)


@pytest.mark.parametrize("sizes", [[13], [1] * 13, [4, 4, 5], [3, 10], [0, 13, 0]], ids=str)
def test_the_range_is_numpys_however_the_examples_are_batched(sizes: list[int]) -> None:
    ranges = calibrate(LINEAR, [{"x": part} for part in np.split(X, np.cumsum(sizes)[:-1])])
    y = X @ WEIGHTS.T
    np.testing.assert_allclose(ranges["y"], (y.min(), y.max()), rtol=1e-5)
    np.testing.assert_allclose(ranges["x"], holding_zero(float(X.min()), float(X.max())), rtol=1e-6)
    assert set(ranges) == {"x", "y"}
    assert "13 examples" in ranges.method


def test_the_input_range_contains_every_value() -> None:
    low, high = calibrate(LINEAR, [{"x": X}])["x"]
    assert low <= X.min()
    assert high >= X.max()


def test_the_examples_are_streamed() -> None:
    """No later batch is asked for before the earlier one was used."""
    asked = []

    def batches() -> object:
        for number in range(3):
            asked.append(number)
            yield {"x": np.full((4, 6), np.nan if number == 1 else 0, np.float32)}

    with pytest.raises(InputError, match="examples 4 to 7"):
        calibrate(LINEAR, batches())  # type: ignore[arg-type]
    assert asked == [0, 1]


@pytest.mark.parametrize("batches", [[], [{"x": X[:0]}]], ids=["no batch", "an empty batch"])
def test_no_example_is_refused(batches: list[dict[str, np.ndarray]]) -> None:
    with pytest.raises(InputError, match="empty"):
        calibrate(LINEAR, batches)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_activation_that_is_not_finite_is_named(value: float) -> None:
    weights = WEIGHTS.copy()
    weights[1, 2] = value
    with pytest.raises(InputError, match="'y' becomes NaN or infinite"):
        calibrate(tiny_models.linear(weights), [{"x": X}])


def test_a_model_with_a_fixed_batch_is_fed_one_by_one() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(calibrate(tiny_models.fixed_batch(6), [{"x": x}])["y"], (x.min(), x.max()))


def test_a_model_that_folds_its_batch_is_fed_one_by_one() -> None:
    np.testing.assert_allclose(calibrate(tiny_models.folds_batch(6), [{"x": X}])["y"], (X.min(), X.max()))


@pytest.mark.parametrize("network", networks.NETWORKS)
@pytest.mark.parametrize("sizes", [[40], [7, 4, 29]], ids=str)
def test_any_inputs_are_measured_by_name_and_only_floats_have_a_range(network: str, sizes: list[int]) -> None:
    content, x = networks.NETWORKS[network](), networks.inputs_of(network)
    bounds = np.cumsum([0, *sizes])
    ranges = calibrate(content, [take(x, slice(*ends)) for ends in itertools.pairwise(bounds)])
    floats = {name: values for name, values in x.items() if values.dtype == np.float32}
    assert set(ranges) & set(x) == set(floats)
    for name, values in floats.items():
        np.testing.assert_allclose(ranges[name], holding_zero(float(values.min()), float(values.max())), rtol=1e-6)
    for name, values in Runner(content)(x).real.items():
        low = 0 if name == "kind" else values.min()
        np.testing.assert_allclose(ranges[name], (low, values.max()), rtol=1e-4)
    assert "40 examples" in ranges.method


def test_sizes_that_the_model_leaves_open_follow_each_batch() -> None:
    rng = np.random.default_rng(0)
    batches = [{"image": rng.normal(size=(3, *size, 1)).astype(np.float32)} for size in ((7, 6), (5, 9), (7, 6))]
    found = [Runner(networks.any_size())(batch).real["clean"] for batch in batches]
    ranges = calibrate(networks.any_size(), batches)
    ends = min(values.min() for values in found), max(values.max() for values in found)
    np.testing.assert_allclose(ranges["clean"], ends, rtol=1e-4)


def test_a_batch_that_the_graph_fixes_is_filled_up_and_what_fills_it_is_not_measured() -> None:
    """The model adds up over its batch of 3, so that a repeated example would show."""
    x = np.array([[1.0], [2], [3], [10], [-20]], np.float32)
    graph = tiny_models.Graph()
    source, y = graph.tensor("x", [3, 1]), graph.tensor("y", [3, 1])
    graph.operator("NEG", [source], [y], "NegOptions")
    model = TappedModel(graph.build([source], [y]), 1)
    pieces = list(model.pieces([{"x": x}]))
    assert [(piece.examples, piece.batch) for piece in pieces] == [(3, 3), (2, 3)]
    np.testing.assert_array_equal(pieces[1].arrays[0], [[10], [-20], [-20]])
    np.testing.assert_array_equal(model.views(pieces[1])[0], [[-10], [20]])
    ranges = calibrate(graph.build([source], [y]), [{"x": x}], estimator="moving_average")
    assert "5 examples" in ranges.method


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"left": X, "write": X[:, :3]}, "no input 'write'.* Did you mean 'right'"),
        ({"left": X}, "input 'right' is not given"),
        ({"left": X, "right": X[:5, :3]}, "'left' 13, 'right' 5"),
        ({"left": X, "right": X}, "'right' and was given"),
        ({"left": X, "right": np.where(np.arange(3) == 1, np.nan, X[:, :3])}, "as 'right'"),
    ],
    ids=["another name", "one is missing", "unequal lengths", "another shape", "NaN in one"],
)
def test_inputs_that_the_model_does_not_take(given: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said):
        calibrate(networks.two_inputs(), [given])


def test_tokens_that_are_no_whole_numbers_are_refused() -> None:
    x = networks.inputs_of("sentences")
    with pytest.raises(InputError, match="'words' takes int32 as it is"):
        calibrate(networks.sentences(), [{**x, "words": x["words"] + 0.5}])


def test_examples_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="5"):
        calibrate(LINEAR, [{"x": np.zeros((4, 5), np.float32)}])


def test_laying_ranges_over_others_keeps_both_origins() -> None:
    both = Ranges({"a": (0, 1)}, "learned").over(Ranges({"b": (0, 2)}, "measured"))
    assert both.method == "learned, else measured"
    assert not Ranges()
    assert len(both) == 2
