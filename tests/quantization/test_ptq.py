"""From a float flatbuffer to any format: models of any inputs and outputs, and what a recipe's settings become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.fidelity import Noise
from pipeline.quantization.correct import Corrected
from pipeline.quantization.format_check import audit
from pipeline.quantization.ptq import CORRECTED, Quantizer, Settings, prepare, quantize
from pipeline.recipe import Keep, Quantize
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.quantization import networks
from tests.quantization.networks import NETWORKS, inputs_of, stack

X = {"x": networks.examples()}
ALL = Settings(rounding="learned", equalize=True, weight_scales="mse")


def ratios(first: bytes, second: bytes, x: dict[str, np.ndarray]) -> dict[str, float]:
    """Signal to noise of each output, in decibels."""
    found = {}
    expected, given = (Runner(content)(x).real for content in (first, second))
    for name, values in expected.items():
        noise = Noise()
        noise.add(values, given[name])
        found[name] = noise.sqnr_db
    return found


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("settings", [Settings(bias_correction=False), Settings(), ALL], ids=str)
@pytest.mark.parametrize("target", ["int8", "dynamic"])
def test_any_inputs_and_outputs(network: str, settings: Settings, target: Any) -> None:
    content, x = NETWORKS[network](), inputs_of(network)
    written, _ = quantize(prepare(content, lambda: [x], settings), target, lambda: [x], settings)
    require(inspect(written), target)
    found = ratios(content, written, x)
    assert list(found) == list(Runner(content)(x).stored)
    assert all(ratio > 33 for ratio in found.values())


@pytest.mark.parametrize("network", NETWORKS)
def test_the_batches_make_no_difference_to_the_file(network: str) -> None:
    content, x = NETWORKS[network](), inputs_of(network)
    halves = [{name: values[part] for name, values in x.items()} for part in (slice(0, 20), slice(20, 40))]
    once, twice = (
        quantize(prepare(content, lambda: batches, ALL), "int8", lambda: batches, ALL)[0]  # noqa: B023
        for batches in ([x], halves)
    )
    assert once == twice


def test_examples_of_several_sizes_all_count() -> None:
    """The second size is of larger values: where only the first were seen, they would be clipped."""
    rng = np.random.default_rng(0)
    batches = [{"image": (size * rng.normal(size=(8, size, 2 * size, 1))).astype(np.float32)} for size in (4, 7)]
    content = networks.any_size()
    written, corrected = quantize(prepare(content, lambda: batches, ALL), "int8", lambda: batches, ALL)
    assert corrected is not None
    for batch in batches:
        assert ratios(content, written, batch)["clean"] > 30


@pytest.mark.parametrize("io_type", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("network", ["sentences", "one_sentence"])
def test_inputs_without_values_keep_their_type_whatever_is_asked_for(network: str, io_type: Any) -> None:
    content, x = NETWORKS[network](), inputs_of(network)
    settings = Settings()
    written, _ = quantize(prepare(content, lambda: [x], settings), "int8", lambda: [x], settings, io_type=io_type)
    found = inspect(written)
    assert [port.dtype for port in found.inputs] == [str(values.dtype) for values in x.values()]
    assert [port.dtype for port in found.outputs] == [io_type]
    require(found, "int8_float_io" if io_type == "float32" else "int8")
    kinds = "int32" if network == "one_sentence" else "bool and int32"
    assert found.verdict.text.endswith(f"{kinds} inputs as they are") or io_type == "float32"


def test_places_among_the_outputs_keep_their_type() -> None:
    content, x = networks.sentences(best=True), inputs_of("sentences")
    settings = Settings()
    written, _ = quantize(prepare(content, lambda: [x], settings), "int8", lambda: [x], settings)
    assert [port.dtype for port in inspect(written).outputs] == ["int8", "int64"]
    answers = Runner(written)(x).real
    np.testing.assert_array_equal(answers["best"], answers["y"].argmax(axis=1))


def test_float16_inputs_are_fed_as_they_are(tmp_path: Path) -> None:
    graph = networks.Graph()
    half, full = graph.tensor("half", [1, 4], "float16", open_batch=True), graph.tensor("full", [1, 4], open_batch=True)
    y = graph.tensor("y", [1, 4], open_batch=True)
    graph.operator("CAST", [half], [full], "CastOptions", inDataType=10, outDataType=0)
    graph.operator("LOGISTIC", [full], [y])
    content = graph.build([half], [y])
    x = {"half": np.random.default_rng(0).normal(size=(12, 4)).astype(np.float16)}
    prepared = prepare(content, lambda: [x], Settings())
    assert set(prepared.ranges) == {"full", "y"}
    written, _ = quantize(prepared, "int8", lambda: [x], Settings())
    assert [port.dtype for port in inspect(written).inputs] == ["float16"]
    assert ratios(content, written, x)["y"] > 33
    for name, model in (("float.tflite", content), ("int8.tflite", written)):
        (tmp_path / name).write_bytes(model)
    audit({"int8": tmp_path / "int8.tflite"}, "int8", prepared=tmp_path / "float.tflite")
    (tmp_path / "int8.tflite").write_bytes(quantize(prepared, "int8", lambda: [x], Settings(), io_type="float32")[0])
    with pytest.raises(PipelineError, match=r"\(half, no other\)"):
        audit({"int8": tmp_path / "int8.tflite"}, "int8", prepared=tmp_path / "float.tflite")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, Settings()),
        ({"calibration": "percentile", "percentile": 99.5}, Settings(estimator="percentile", percentile=99.5)),
        ({"activations": "symmetric"}, Settings(activations="symmetric")),
        ({"equalize": True}, Settings(equalize=True)),
        ({"equalize": False}, Settings()),
        ({"weight_scales": "mse"}, Settings(weight_scales="mse")),
        ({"rounding": "learned"}, Settings(rounding="learned")),
        ({"bias_correction": False}, Settings(bias_correction=False)),
    ],
    ids=str,
)
def test_every_setting_of_a_recipe_is_taken(section: dict[str, Any], expected: Settings) -> None:
    assert Settings.of(Quantize.model_validate(section)) == expected


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(bias_correction=False, rounding="learned"),
        Settings(bias_correction=False, weight_scales="mse"),
    ],
    ids=str,
)
@pytest.mark.parametrize("target", sorted(CORRECTED))
def test_every_setting_changes_the_files_weights_or_biases(settings: Settings, target: Any) -> None:
    plain = Settings(bias_correction=False)
    prepared = prepare(stack(), lambda: [X], plain)
    one, other = (Quantizer(prepared, lambda: [X], how)(target)[0] for how in (plain, settings))
    assert one != other


def kept(target: Any, *rules: dict[str, str]) -> tuple[Corrected, dict[str, np.ndarray]]:
    """What was corrected with keep rules, and the float weights and biases of the written file by layer."""
    prepared = prepare(stack(), lambda: [X], ALL)
    written, corrected = Quantizer(prepared, lambda: [X], ALL)(target, "int8", [Keep.model_validate(r) for r in rules])
    assert corrected is not None
    return corrected, constants(prepared.content, written)


def constants(content: bytes, written: bytes) -> dict[str, np.ndarray]:
    """The file's float32 constants that the float model has too, byte for byte, by name."""
    from pipeline.tflite.flatbuffer import read, tensor_data, tensor_name

    found = []
    for source in (content, written):
        model = read(source)
        tensors = {tensor_name(tensor): tensor_data(model, tensor) for tensor in model.subgraphs[0].tensors}
        found.append({n: v for n, v in tensors.items() if v is not None and v.dtype == np.float32})
    first, second = found
    return {name: values for name, values in second.items() if name in first and np.array_equal(first[name], values)}


@pytest.mark.parametrize("compute", ["float32", "float16"])
@pytest.mark.parametrize("target", ["int8", "int8_per_tensor", "int16x8"])
def test_a_layer_that_is_kept_in_float_is_not_corrected(target: Any, compute: str) -> None:
    """It rounds nothing: its weights and its bias are the float model's."""
    corrected, unchanged = kept(target, {"match": "pointwise", "as": compute})
    assert "pointwise" not in corrected.biases
    assert "pointwise/weights" not in corrected.weights
    assert {"conv", "depthwise", "dense"} == set(corrected.biases)
    assert [change.layer for change in corrected.changes] == ["conv", "depthwise", "dense"]
    if compute == "float32":
        assert {"pointwise/weights", "pointwise/bias"} <= set(unchanged)


def test_a_layer_that_is_kept_in_int16_is_corrected_as_its_weights_are_int8() -> None:
    corrected, _ = kept("int8", {"match": "pointwise", "as": "int16x8"})
    assert {"conv", "depthwise", "pointwise", "dense"} == set(corrected.biases) == {c.layer for c in corrected.changes}


def test_the_layers_after_a_kept_one_make_up_for_its_float_answers() -> None:
    """What comes before the kept layer is corrected as ever, what comes after it otherwise."""
    (with_rule, _), (without, _) = kept("int8", {"match": "depthwise"}), kept("int8")
    np.testing.assert_array_equal(with_rule.biases["conv"], without.biases["conv"])
    assert not np.array_equal(with_rule.biases["dense"], without.biases["dense"])


def test_formats_with_float_activations_share_their_corrections_whatever_is_kept() -> None:
    quantizer = Quantizer(prepare(stack(), lambda: [X], ALL), lambda: [X], ALL)
    _, first = quantizer("dynamic")
    assert quantizer("weight_only")[1] is first
    assert quantizer("int16x8")[1] is first
    rule = [Keep.model_validate({"match": "dense"})]
    _, other = quantizer("int16x8", "int8", rule)
    assert other is not None
    assert "dense" not in other.biases
    assert quantizer("dynamic", "int8", rule)[1] is first  # which has no operators to keep
