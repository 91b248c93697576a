"""Outputs keep their names, their order and the promised type, whatever else reads them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.recipe import Format, IoType, Keep
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import name_ends
from tests.tiny_models import Graph

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (64, 4)).astype(np.float32)
NEGATED = [Keep.model_validate({"type": "NEG"})]


def network(readers: str) -> bytes:
    """Two outputs; the one called `inner` is read by an operator that the tests keep in float, or by one in int8."""
    graph = Graph()
    x, inner, between, last = (graph.tensor(name, [1, 4], open_batch=True) for name in ("in", "a", "n", "b"))
    weights = [graph.tensor(name, [4, 4], data=rng.normal(size=(4, 4))) for name in ("v", "w")]
    bias = graph.tensor("bias", [4], data=np.zeros(4))
    graph.operator("FULLY_CONNECTED", [x, weights[0], bias], [inner], "FullyConnectedOptions")
    source = inner
    if readers == "float":
        graph.operator("NEG", [inner], [between])
        source = between
    if readers != "none":
        graph.operator("FULLY_CONNECTED", [source, weights[1], bias], [last], "FullyConnectedOptions")
    else:
        graph.operator("NEG", [inner], [last])
    return name_ends(graph.build([x], [last, inner]), ["x"], ["last", "inner"])


@pytest.mark.parametrize("readers", ["float", "int8", "none"])
@pytest.mark.parametrize(
    ("target", "io", "dtype"),
    [
        ("int8", "int8", "int8"),
        ("int8", "uint8", "uint8"),
        ("int8", "float32", "float32"),
        ("int16x8", "int8", "int16"),
        ("int16x8", "float32", "float32"),
    ],
)
def test_names_order_type_and_values(readers: str, target: Format, io: IoType, dtype: str) -> None:
    content = network(readers)
    keep = [] if readers == "int8" else NEGATED
    written = write(content, target, calibrate(content, [{"x": X}]), io, keep)
    found = inspect(written)
    assert [(port.name, port.dtype) for port in found.outputs] == [("last", dtype), ("inner", dtype)]
    assert found.signatures[0].outputs == ("last", "inner")
    expected, answered = (Runner(each)({"x": X}).real for each in (content, written))
    for name in ("last", "inner"):
        assert np.abs(answered[name] - expected[name]).max() < 0.05 * np.abs(expected[name]).max()


def test_nothing_is_converted_to_and_fro() -> None:
    content = network("float")
    written = write(content, "int8", calibrate(content, [{"x": X}]), "float32", NEGATED)
    kinds = [operator.name for operator in inspect(written).operators]
    assert (kinds.count("DEQUANTIZE"), kinds.count("QUANTIZE")) == (2, 2)
