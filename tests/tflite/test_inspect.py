from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from pipeline.errors import InputError, PipelineError
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.verdict import require
from tests.tiny_models import Graph

Variant = Callable[[str], Path]

TEXTS = {
    "float32": "float32",
    "int8": "full int8, per-channel",
    "int8_per_tensor": "full int8, per-tensor",
    "int8_float_io": "int8 with float inputs/outputs",
    "int8_uint8_io": "full int8, per-channel, uint8 inputs/outputs",
    "mixed": "mixed: 1 of 6 operators in float",
    "int16x8": "int16 activations, int8 weights (16x8)",
    "dynamic": "dynamic range",
    "weight_only": "weight-only int8",
    "float16": "float16 weights",
}
KINDS = {name: name for name in TEXTS} | {"int8_uint8_io": "int8"}


@pytest.mark.parametrize("name", TEXTS)
def test_verdicts(variant: Variant, name: str) -> None:
    found = inspect(variant(name))
    assert (found.verdict.kind, found.verdict.text) == (KINDS[name], TEXTS[name])
    assert bool(found.verdict.breaks) == (KINDS[name] != "int8")
    no_int8_weights = name in ("float32", "float16")
    assert found.per_channel is (None if no_int8_weights else name != "int8_per_tensor")


KEPT = {
    "int8": {"int8", "int8_uint8_io"},
    "int8_per_tensor": {"int8_per_tensor"},
    "int8_float_io": {"int8_float_io"},
    "int16x8": {"int16x8"},
    "dynamic": {"dynamic"},
    "weight_only": {"weight_only"},
    "float16": {"float16"},
    "float32": {"float32"},
}


@pytest.mark.parametrize("promise", KEPT)
def test_promises_are_kept_by_their_own_format_only(variant: Variant, promise: str) -> None:
    for name in TEXTS:
        found = inspect(variant(name))
        if name in KEPT[promise]:
            require(found, promise)
        else:
            with pytest.raises(PipelineError, match=r"\.tflite is not ") as caught:
                require(found, promise)
            assert caught.value.exit_status == 1
            assert TEXTS[name] in str(caught.value)


def test_a_broken_promise_names_the_operator(variant: Variant) -> None:
    with pytest.raises(PipelineError, match=r"What breaks it: operator 6 SOFTMAX \('.+'\) computes in float32"):
        require(inspect(variant("mixed")), "int8")


def test_a_broken_promise_names_the_weights(variant: Variant) -> None:
    with pytest.raises(PipelineError, match="have 1 scale for 8 output channels"):
        require(inspect(variant("int8_per_tensor")), "int8")
    with pytest.raises(PipelineError, match="have 8 scales"):
        require(inspect(variant("int8")), "int8_per_tensor")


def test_an_unknown_promise_is_an_input_error(variant: Variant) -> None:
    with pytest.raises(InputError, match="Did you mean 'int8'"):
        require(inspect(variant("int8")), "int88")


def test_json(variant: Variant) -> None:
    path = variant("int8_float_io")
    found = json.loads(json.dumps(inspect(path).to_json(), allow_nan=False))
    assert found["file"] == str(path)
    assert found["size_bytes"] == path.stat().st_size
    assert found["schema_version"] == 3
    assert found["verdict"] == "int8 with float inputs/outputs"
    assert found["kind"] == "int8_float_io"
    assert len(found["breaks"]) == 2
    assert found["per_channel"] is True
    assert found["float_operators"] == []
    assert (found["quantize_count"], found["dequantize_count"], found["subgraphs"]) == (1, 1, 1)
    assert found["operator_counts"]["CONV_2D"] == 2
    assert found["signatures"][0]["key"] == "serving_default"
    assert found["signatures"][0]["inputs"] == ["image"]
    assert "min_runtime_version" in found["metadata_buffers"]
    assert found["metadata"] is None


def test_float_operators_in_json(variant: Variant) -> None:
    found = inspect(variant("mixed")).to_json()
    assert [op["name"] for op in found["float_operators"]] == ["SOFTMAX"]


def test_inputs_and_outputs(variant: Variant) -> None:
    found = inspect(variant("int8"))
    (image,), (classes,) = found.inputs, found.outputs
    assert (image.shape, image.shape_signature, image.dtype) == ((1, 8, 8, 1), (-1, 8, 8, 1), "int8")
    assert image.scale == pytest.approx(2 / 255, rel=0.02)
    assert (classes.shape, classes.scale, classes.zero_point) == ((1, 5), 1 / 256, -128)
    assert inspect(variant("float32")).inputs[0].scale is None


def test_operators(variant: Variant) -> None:
    conv, depthwise, *_, dense, softmax = inspect(variant("int8")).operators
    assert (conv.name, conv.inputs, conv.outputs, conv.compute) == ("CONV_2D", ("int8",), ("int8",), "int8")
    assert (conv.bias, conv.fused_activation) == ("int32", "RELU6")
    assert depthwise.weights is not None
    assert (depthwise.weights.dtype, depthwise.weights.scales, depthwise.weights.axis) == ("int8", 8, 3)
    assert depthwise.weights.symmetric
    assert dense.weights is not None
    assert (dense.weights.shape, dense.weights.channels, dense.weights.per_channel) == ((5, 160), 5, True)
    assert (softmax.weights, softmax.bias, softmax.fused_activation) == (None, None, None)


def test_weights_are_found_behind_dequantize(variant: Variant) -> None:
    found = inspect(variant("weight_only"))
    weights = [op.weights for op in found.operators if op.weights]
    assert len(weights) == 4
    assert all(w.dtype == "int8" and w.dequantized and w.per_channel for w in weights)


def test_bytes_give_the_same_as_the_file(variant: Variant) -> None:
    path = variant("int8")
    assert inspect(path.read_bytes()).to_json() == inspect(path).to_json() | {"file": None}


def test_a_promise_of_a_model_given_as_bytes(variant: Variant) -> None:
    with pytest.raises(PipelineError, match=r"^The model given as bytes is not full int8"):
        require(inspect(variant("float32").read_bytes()), "int8")


def _edited(path: Path, edit: Callable[[Any], None]) -> Inspection:
    model = flatbuffer.read(path)
    edit(model)
    return inspect(flatbuffer.serialize(model))


def test_the_old_uint8_scheme(variant: Variant) -> None:
    def unsigned(model: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            if tensor.type == TensorType.INT8:
                tensor.type = TensorType.UINT8

    found = _edited(variant("int8_per_tensor"), unsigned)
    assert (found.verdict.kind, found.per_channel) == ("uint8", None)
    with pytest.raises(PipelineError, match="compute in uint8"):
        require(found, "int8")


def _weights(model: Any, operator: int) -> Any:
    graph = model.subgraphs[0]
    return graph.tensors[graph.operators[operator].inputs[1]]


def test_one_layer_with_one_scale_is_named(variant: Variant) -> None:
    def coarsen(model: Any) -> None:
        quantization = _weights(model, 4).quantization
        quantization.scale, quantization.zeroPoint = quantization.scale[:1], quantization.zeroPoint[:1]

    found = _edited(variant("int8"), coarsen)
    assert found.verdict.text == "full int8, per-tensor in 1 of 4 layers"
    assert len(found.verdict.breaks) == 1
    assert "/MatMul" in found.verdict.breaks[0]


def test_asymmetric_weights_break_the_promise(variant: Variant) -> None:
    def shift(model: Any) -> None:
        _weights(model, 0).quantization.zeroPoint = np.full(8, 3, np.int64)

    with pytest.raises(PipelineError, match="are not symmetric"):
        require(_edited(variant("int8"), shift), "int8")


def test_int4_weights_are_not_int8(variant: Variant) -> None:
    def narrow(model: Any) -> None:
        _weights(model, 2).type = TensorType.INT4

    found = _edited(variant("int8"), narrow)
    assert (found.verdict.kind, found.verdict.text) == (
        "int8x4",
        "int8 activations, int4 weights in 1 of 4 layers",
    )


def test_a_detour_through_float_is_mixed(variant: Variant) -> None:
    def short_cut(model: Any) -> None:
        graph = model.subgraphs[0]
        names = [flatbuffer.operator_name(model, op) for op in graph.operators]
        back = names.index("DEQUANTIZE")
        graph.operators[names.index("QUANTIZE")].inputs = graph.operators[back].outputs
        del graph.operators[names.index("SOFTMAX")]

    found = _edited(variant("mixed"), short_cut)
    assert found.verdict.text == "mixed: 0 of 5 operators in float, but 1 DEQUANTIZE inside the model"
    assert found.float_operators == ()


def test_one_output_channel_counts_as_per_channel(variant: Variant) -> None:
    def shrink(model: Any) -> None:
        weights = _weights(model, 4)
        weights.shape = [1, 160]
        weights.quantization.scale = weights.quantization.scale[:1]
        weights.quantization.zeroPoint = weights.quantization.zeroPoint[:1]

    assert _edited(variant("int8"), shrink).per_channel is True


def test_some_operators_in_int16_are_mixed(variant: Variant) -> None:
    def widen(model: Any) -> None:
        graph = model.subgraphs[0]
        graph.tensors[graph.outputs[0]].type = TensorType.INT16

    found = _edited(variant("int8"), widen)
    assert found.verdict.text == "mixed: of 6 operators 1 in int16"
    assert any("SOFTMAX" in reason for reason in found.verdict.breaks)


def test_the_published_resnet8() -> None:
    path = Path(__file__).parents[3] / "shared/data/models/resnet8_cifar10_mlperf_int8.tflite"
    if not path.exists():
        pytest.skip(f"needs {path}")
    found = inspect(path)
    # Made by a converter that left fully connected layers per-tensor.
    assert found.verdict.text == "full int8, per-tensor in 1 of 10 layers"
    assert found.verdict.breaks == ("weights 'model/dense/MatMul' have 1 scale for 10 output channels",)


def test_a_model_of_text_and_indices_is_no_int8() -> None:
    graph = Graph()
    x, y = graph.tensor("x", [1, 3], "int64"), graph.tensor("y", [1, 3], "int64")
    graph.operator("RESHAPE", [x], [y])
    found = inspect(graph.build([x], [y]))
    assert (found.verdict.kind, found.verdict.breaks) == ("none", ("no operator computes in int8",))
    with pytest.raises(PipelineError, match="is not full int8"):
        require(found, "int8")
    with pytest.raises(PipelineError, match="float32 is the model as it was given: give the float model"):
        require(found, "float32")


def test_a_float_model_with_a_quantized_output_is_called_so() -> None:
    graph = Graph()
    x, float_y = graph.tensor("x", [1, 3]), graph.tensor("float", [1, 3])
    y = graph.tensor("scores", [1, 3], "uint8", scale=0.1)
    graph.operator("ABS", [x], [float_y])
    graph.operator("QUANTIZE", [float_y], [y])
    found = inspect(graph.build([x], [y]))
    assert found.verdict.text == "float32, but for 'scores', which it takes or gives in integers"
