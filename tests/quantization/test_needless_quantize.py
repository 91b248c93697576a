"""A QUANTIZE that changes nothing goes, and a picture of bytes is read as it is."""

from __future__ import annotations

import numpy as np

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.needless_quantize import without_needless_quantize
from pipeline.recipe import Keep
from pipeline.tflite import flatbuffer
from pipeline.tflite.hybrid import require_hybrid
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.tiny_models import Graph


def rescaled(factor: float, zero_point: int = 3) -> bytes:
    """x int8 → RELU → QUANTIZE to a scale that is `factor` times as large → RELU, y."""
    graph = Graph()
    x, a = (graph.tensor(name, [1, 4], "int8", scale=0.1, zero_point=3) for name in ("x", "a"))
    b, y = (graph.tensor(name, [1, 4], "int8", scale=0.1 * factor, zero_point=zero_point) for name in ("b", "y"))
    graph.operator("RELU", [x], [a])
    graph.operator("QUANTIZE", [a], [b])
    graph.operator("RELU", [b], [y])
    return graph.build([x], [y])


def kinds(content: bytes) -> list[str]:
    model = flatbuffer.read(content)
    return [flatbuffer.operator_name(model, operator) for operator in model.subgraphs[0].operators]


def test_between_scales_that_are_equal_to_five_digits() -> None:
    assert kinds(without_needless_quantize(rescaled(1 + 2e-6))) == ["RELU", "RELU"]


def test_between_others_it_stays() -> None:
    for content in (rescaled(1.001), rescaled(1, zero_point=4)):
        assert without_needless_quantize(content) == content


def test_a_model_that_is_nothing_else_keeps_its_output() -> None:
    graph = Graph()
    x, y = (graph.tensor(name, [1, 4], "int8", scale=0.1) for name in ("x", "y"))
    graph.operator("QUANTIZE", [x], [y])
    content = graph.build([x], [y])
    assert without_needless_quantize(content) == content


def test_bytes_are_fed_as_they_are_and_quantized_exactly() -> None:
    """A Keras model with a uint8 input and Rescaling inside: CAST, then a layer."""
    content = picture_of_bytes()
    fed = np.arange(256, dtype=np.uint8).reshape(16, 16)
    written = write(content, "int8", calibrate(content, [{"x": fed}]))
    require(found := inspect(written), "int8")
    assert found.inputs[0].dtype == "uint8"
    assert kinds(written) == ["QUANTIZE", "MUL", "RELU"]
    assert np.abs(Runner(written)({"x": fed}).real["y"] - fed / 255).max() <= (found.outputs[0].scale or 0)


def test_with_an_operator_kept_in_float_bytes_are_fed_as_they_are_too() -> None:
    content = picture_of_bytes()
    fed = np.arange(256, dtype=np.uint8).reshape(16, 16)
    written = write(content, "int8", calibrate(content, [{"x": fed}]), keep=[Keep(type="RELU")])
    require_hybrid(found := inspect(written), {"y": "float32"}, "int8")
    assert found.inputs[0].dtype == "uint8"


def picture_of_bytes() -> bytes:
    """x uint8 [?, 16] → CAST → MUL by 1/255 → RELU, y."""
    graph = Graph()
    x = graph.tensor("x", [1, 16], "uint8", open_batch=True)
    real, small, y = (graph.tensor(name, [1, 16], open_batch=True) for name in ("real", "small", "y"))
    graph.operator("CAST", [x], [real], "CastOptions")
    graph.operator("MUL", [real, graph.tensor("scale", [], data=np.float32(1 / 255))], [small], "MulOptions")
    graph.operator("RELU", [small], [y])
    return graph.build([x], [y])
