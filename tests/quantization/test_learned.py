"""A QAT flatbuffer splits into its float model and the ranges that were learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.learned import take_out_fake_quant
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import metadata
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.workflow.run_folder import Run
from tests.answers import answer
from tests.tiny_models import Graph


def plain(run: Run) -> bytes:
    """The run's QAT simulation as it came from the converter, without the metadata that the workflow wrote into it."""
    content, _ = metadata.take_out(run.path("qat.tflite").read_bytes())
    return content


def fake_quant(graph: Graph, source: int, name: str, scale: float, zero_point: int = 0) -> int:
    """A QUANTIZE and a DEQUANTIZE behind a tensor of shape [1, 4]."""
    middle = graph.tensor(f"{name}_int8", [1, 4], "int8", scale=scale, zero_point=zero_point)
    after = graph.tensor(name, [1, 4])
    graph.operator("QUANTIZE", [source], [middle], "QuantizeOptions")
    graph.operator("DEQUANTIZE", [middle], [after], "DequantizeOptions")
    return after


def negated(graph: Graph, source: int, name: str) -> int:
    after = graph.tensor(name, [1, 4])
    graph.operator("NEG", [source], [after], "NegOptions")
    return after


def test_a_pair_is_taken_out_and_its_range_kept() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    content = graph.build([x], [negated(graph, fake_quant(graph, x, "rounded", 0.5, -28), "y")])
    prepared, learned = take_out_fake_quant(content)
    assert inspect(prepared).operator_counts == {"NEG": 1}
    assert dict(learned) == {"x": (-50.0, 77.5)}
    values = np.array([[0.1, 0.2, -0.3, 0.4]], np.float32)
    np.testing.assert_array_equal(Runner(prepared).run(values)[0], -values)


def test_an_output_behind_a_pair_keeps_its_name() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    content = graph.build([x], [fake_quant(graph, negated(graph, x, "inner"), "y", 1.0)])
    prepared, learned = take_out_fake_quant(content)
    assert [port.name for port in inspect(prepared).outputs] == ["y"]
    assert dict(learned) == {"y": (-128.0, 127.0)}


def test_pair_behind_pair_is_taken_out_whole() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    twice = fake_quant(graph, fake_quant(graph, x, "first", 1.0), "second", 1.0)
    prepared, _ = take_out_fake_quant(graph.build([x], [negated(graph, twice, "y")]))
    assert inspect(prepared).operator_counts == {"NEG": 1}


def test_one_tensor_behind_two_pairs_may_be_two_outputs() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    inner = negated(graph, x, "inner")
    content = graph.build([x], [fake_quant(graph, inner, "a", 1.0), fake_quant(graph, inner, "b", 1.0)])
    prepared, learned = take_out_fake_quant(content)
    values = np.array([[1, 2, 3, 4]], np.float32)
    for output in Runner(prepared).run(values):
        np.testing.assert_array_equal(output, -values)
    assert set(learned.values()) == {(-128.0, 127.0)}


def test_a_constant_behind_a_pair_becomes_its_rounded_values() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    constant = graph.tensor("w", [1, 4], data=np.array([[0.1, 0.74, -9.0, 100.0]]))
    y = graph.tensor("y", [1, 4])
    graph.operator("ADD", [x, fake_quant(graph, constant, "rounded", 0.5)], [y], "AddOptions")
    prepared, learned = take_out_fake_quant(graph.build([x], [y]))
    assert not learned
    np.testing.assert_array_equal(Runner(prepared).run(np.zeros((1, 4), np.float32))[0], [[0, 0.5, -9, 63.5]])


def test_an_int8_model_is_refused() -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 4])
    first = graph.tensor("first", [1, 4], "int8", scale=0.5)
    second = graph.tensor("second", [1, 4], "int8", scale=0.5)
    y = graph.tensor("y", [1, 4])
    graph.operator("QUANTIZE", [x], [first], "QuantizeOptions")
    graph.operator("NEG", [first], [second], "NegOptions")
    graph.operator("DEQUANTIZE", [second], [y], "DequantizeOptions")
    with pytest.raises(InputError, match="quantized already"):
        take_out_fake_quant(graph.build([x], [y]))


def test_the_hub_of_a_real_qat_is_plain_float_with_the_same_signature(small_run: Run) -> None:
    simulated = plain(small_run)
    prepared, learned = take_out_fake_quant(simulated)
    before, after = inspect(simulated), inspect(prepared)
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(after.operator_counts)
    assert {op: n for op, n in before.operator_counts.items() if not op.endswith("QUANTIZE")} == after.operator_counts
    assert after.signatures == before.signatures
    assert [p.name for p in (*after.inputs, *after.outputs)] == [p.name for p in (*before.inputs, *before.outputs)]
    assert after.inputs[0].name in learned


def test_the_learned_ranges_are_the_variables_that_qat_trained(small_run: Run) -> None:
    from pipeline.models.load import load_file

    _, learned = take_out_fake_quant(plain(small_run))
    weights = {
        weight.name: float(weight) for weight in load_file(small_run.path("qat.h5")).weights if weight.shape.rank == 0
    }
    highs = [v for name, v in weights.items() if name.split(":")[0].endswith(("_max", "max_var"))]
    assert highs
    for low, high in learned.values():
        # The converter shifts a range by less than a step to hold zero.
        assert any(abs(high - trained) <= (high - low) / 255 for trained in highs)


def test_int8_chooses_the_class_that_the_simulation_chooses(small_run: Run, images: np.ndarray) -> None:
    simulated, int8 = (answer(Runner(small_run.path(name)), images).argmax(1) for name in ("qat.tflite", "int8.tflite"))
    assert (simulated == int8).mean() >= 0.9


def test_every_tensor_of_the_hub_has_a_range(small_run: Run, tmp_path: Path) -> None:
    from pipeline.quantization.calibrate import tap

    ranges = Ranges.load(small_run.path("ranges.json"))
    names, _ = tap(small_run.path("prepared.tflite").read_bytes())
    assert set(names) <= set(ranges)
    assert ranges.method.startswith("learned by QAT")
