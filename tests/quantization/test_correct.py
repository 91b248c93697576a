"""Correction takes the mean error of every layer back, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization import correct as correct_module
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.correct import Corrected, correct
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.formats import write
from pipeline.quantization.layerwise import Kept, LayerwiseRunner, activation_scales
from pipeline.quantization.tap import TappedModel, tap
from pipeline.quantization.write_weights import write_int8_weights
from pipeline.tflite.flatbuffer import quantization, read, tensor_data, tensor_name
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.quantization import networks
from tests.quantization.networks import examples, stack

X = examples()


@pytest.fixture(scope="module")
def written() -> bytes:
    return write(stack(), "int8", calibrate(stack(), [{"x": X}]))


def corrected_for(written: bytes, **options: object) -> Corrected:
    return correct(Reference(stack(), lambda: [{"x": X}]), activation_scales(written), **options)  # type: ignore[arg-type]


def means(content: bytes) -> dict[str, np.ndarray]:
    """Of every float activation, per channel."""
    names, tapped = tap(content)
    values = Runner(tapped, batch=len(X)).run(X)
    return {name: value.reshape(-1, value.shape[-1]).mean(axis=0) for name, value in zip(names, values, strict=True)}


@pytest.mark.parametrize("how", ["nearest", "learned"])
def test_the_rounded_model_has_the_float_models_means(how: str) -> None:
    """Without activations to round, correction is exact: layer by layer, each on its corrected predecessors."""
    float_model = stack(activation=0)
    rounded = correct(Reference(float_model, lambda: [{"x": X}]), {}, bias=False, how=how, per_channel=False)  # type: ignore[arg-type]
    corrected = correct(Reference(float_model, lambda: [{"x": X}]), {}, how=how, per_channel=False)  # type: ignore[arg-type]
    expected, before, after = means(float_model), means(rounded.apply(float_model)), means(corrected.apply(float_model))
    for name in ("conv", "depthwise", "pointwise", "dense"):
        np.testing.assert_allclose(after[name], expected[name], atol=1e-4)
    assert np.abs(before["dense"] - expected["dense"]).max() > 0.01


def test_int8_answers_come_nearer(written: bytes) -> None:
    expected = answer(Runner(stack(), batch=4), X)

    def bias(content: bytes) -> float:
        return float(np.abs((answer(Runner(content, batch=4), X) - expected).mean(axis=0)).max())

    better = write(corrected_for(written).apply(stack()), "int8", calibrate(stack(), [{"x": X}]))
    assert bias(better) < 0.5 * bias(written)


def test_without_bias_correction_the_biases_stay(written: bytes) -> None:
    assert corrected_for(written, bias=False).biases == {}


def test_a_layer_without_a_bias_gets_one() -> None:
    bare = stack(dense_bias=False)
    corrected = correct(Reference(bare, lambda: [{"x": X}]), {}, per_channel=False)
    after, expected = means(corrected.apply(bare)), means(bare)
    np.testing.assert_allclose(after["dense"], expected["dense"], atol=1e-4)


def test_excluded_layers_keep_their_weights(written: bytes) -> None:
    corrected = corrected_for(written, exclude=frozenset({"pointwise"}))
    assert "pointwise/weights" not in corrected.weights
    assert "pointwise" not in corrected.biases
    assert "conv" in corrected.biases


def test_every_change_is_reported_in_the_graphs_order(written: bytes) -> None:
    changes = corrected_for(written, how="learned").changes
    assert [change.layer for change in changes] == ["conv", "depthwise", "pointwise", "dense"]
    assert all(change.shift > 0 for change in changes)
    assert any(change.moved > 0 for change in changes)


@pytest.mark.parametrize("how", ["nearest", "learned"])
def test_the_written_file_stores_the_decided_weights(how: str, written: bytes) -> None:
    corrected = corrected_for(written, how=how, weight_scales="mse")
    model = read(
        write_int8_weights(write(corrected.apply(stack()), "int8", calibrate(stack(), [{"x": X}])), corrected.weights)
    )
    tensors = {tensor_name(tensor): tensor for tensor in model.subgraphs[0].tensors}
    for name, weights in corrected.weights.items():
        np.testing.assert_array_equal(tensor_data(model, tensors[name]), weights.stored)
        np.testing.assert_array_equal(quantization(tensors[name]).scales, weights.scales)  # type: ignore[union-attr]


def test_nothing_of_the_replaced_weights_stays_in_the_file(written: bytes) -> None:
    corrected = corrected_for(written, how="learned")
    content = write_int8_weights(
        write(corrected.apply(stack()), "int8", calibrate(stack(), [{"x": X}])), corrected.weights
    )
    assert abs(len(content) - len(written)) < 300


def test_biases_count_in_steps_of_the_placed_scales(written: bytes) -> None:
    """XNNPACK and TFLite take a bias's scale to be the input's times the weights'."""
    corrected = corrected_for(written, weight_scales="mse")
    model = read(
        write_int8_weights(write(corrected.apply(stack()), "int8", calibrate(stack(), [{"x": X}])), corrected.weights)
    )
    graph = model.subgraphs[0]
    [conv] = [op for op in graph.operators if tensor_name(graph.tensors[op.outputs[0]]) == "conv"]
    source, weights, bias = (quantization(graph.tensors[index]) for index in conv.inputs)
    assert source is not None
    assert weights is not None
    assert bias is not None
    np.testing.assert_allclose(bias.scales, source.scales * weights.scales, rtol=1e-6)
    stored = tensor_data(model, graph.tensors[conv.inputs[2]])
    assert stored is not None
    np.testing.assert_allclose(stored * bias.scales, corrected.biases["conv"], atol=float(bias.scales.max()))


def test_weights_that_are_not_finite_are_named() -> None:
    from pipeline.quantization.weighted_operators import constant, layers
    from pipeline.tflite.edit import Editor
    from pipeline.tflite.flatbuffer import serialize

    model = read(stack())
    layer = layers(model)[1]
    broken = constant(model, layer.weights).copy()
    broken[0, 0, 0, 0] = np.nan
    Editor(model).fill(layer.weights, broken)
    with pytest.raises(InputError, match="'depthwise/weights' hold NaN"):
        correct(Reference(serialize(model), lambda: [{"x": X}]), {})


@pytest.mark.parametrize("batches", [[], [{"x": X[:0]}]])
def test_no_examples_are_refused(batches: list[dict[str, np.ndarray]]) -> None:
    with pytest.raises(InputError, match="empty"):
        correct(Reference(stack(), lambda: batches), {})


def test_one_example_is_enough_to_run() -> None:
    assert correct(Reference(stack(), lambda: [{"x": X[:1]}]), {}).changes


def test_examples_that_are_not_finite_are_refused() -> None:
    broken = X.copy()
    broken[5, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match="NaN or infinite"):
        correct(Reference(stack(), lambda: [{"x": broken}]), {})


LAYERS = {
    "two_inputs": ["a", "b", "y"],
    "two_outputs": ["logits", "value"],
    "sentences": ["y"],
    "any_size": ["hidden", "clean"],
    "one_sentence": ["y"],
}


@pytest.mark.parametrize("network", networks.NETWORKS)
@pytest.mark.parametrize("how", ["nearest", "learned"])
def test_any_inputs_and_outputs(network: str, how: str) -> None:
    """Without activations to round, each layer has the float layer's means afterwards."""
    content, x = networks.NETWORKS[network](), networks.inputs_of(network)
    corrected = correct(Reference(content, lambda: [x]), {}, how=how, per_channel=False)  # type: ignore[arg-type]
    assert [change.layer for change in corrected.changes] == LAYERS[network]
    linear = [layer for layer in LAYERS[network] if layer != "hidden"]  # whose means are of what comes after its ReLU
    expected, found = (means_of(model, x, linear) for model in (content, corrected.apply(content)))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def means_of(content: bytes, x: dict[str, np.ndarray], layers: list[str]) -> np.ndarray:
    """The mean of each layer's output over examples and positions, per channel, one layer after the other."""
    names, tapped = tap(content)
    model, found = TappedModel(tapped, 1), []
    for piece in model.pieces([x]):
        views = dict(zip(names, model.views(piece), strict=True))
        found.append(
            np.concatenate([views[layer].reshape(-1, views[layer].shape[-1]).mean(axis=0) for layer in layers])
        )
        del views  # LiteRT refuses to run while a view of its memory is held
    return np.mean(found, axis=0)


def test_int8_activations_of_all_inputs_are_rounded_and_integers_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[dict[int, Kept]] = []

    class Seen(LayerwiseRunner):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            kept.append(dict(self._kept))

    monkeypatch.setattr(correct_module, "LayerwiseRunner", Seen)
    for network in ("two_inputs", "sentences"):
        content, x = networks.NETWORKS[network](), networks.inputs_of(network)
        scales = activation_scales(write(content, "int8", calibrate(content, [x])))
        correct(Reference(content, lambda: [x]), scales)  # noqa: B023
        types = {entry.pieces[0].dtype.name for entry in kept[-1].values()}
        assert types == ({"int8"} if network == "two_inputs" else {"int32", "bool"})
        assert len(kept[-1]) == 2
