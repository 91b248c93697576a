from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import Padding

from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.kernels import open_runner
from pipeline.tflite.refusals import NoReferenceKernelError
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.answers import answer
from tests.tiny_models import Graph

WEIGHTS = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, -0.5]])
X = np.array([[1, 2, 3], [-4, 5, 6], [0, 0, 1], [7, -7, 0.5], [2, 2, 2]], np.float32)


def spec(dtype: str, scale: float | None, zero_point: int) -> TensorSpec:
    return TensorSpec("x", (1, 3), np.dtype(dtype), scale, zero_point)


@pytest.mark.parametrize("xnnpack", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("batch", [None, 1, 2, 5, 8])
def test_predict_scores_every_example_once(dtype: str, batch: int | None, xnnpack: bool) -> None:
    runner = Runner(tiny_models.linear(WEIGHTS, dtype=dtype), batch=batch, xnnpack=xnnpack)
    scores = answer(runner, X)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, X @ WEIGHTS.T, atol=0 if dtype == "float32" else 0.25)


def test_predict_of_no_examples() -> None:
    assert answer(Runner(tiny_models.linear(WEIGHTS)), X[:0]).shape == (0, 3)


def test_specs_of_a_quantized_model() -> None:
    runner = Runner(tiny_models.linear(WEIGHTS, dtype="int8"), batch=4)
    assert runner.inputs == (TensorSpec("x", (4, 3), np.dtype("int8"), 0.25, -3),)
    assert runner.outputs == (TensorSpec("y", (4, 3), np.dtype("int8"), 0.5, 5),)


def test_run_stays_in_the_models_types() -> None:
    runner = Runner(tiny_models.linear(WEIGHTS, dtype="int8"))
    (stored,) = runner.run(np.array([[1, 5, 9]], np.int8))  # 1, 2 and 3 in real terms
    np.testing.assert_array_equal(stored, np.array([[7, 9, 5]], np.int8))


def test_quantize_rounds_halves_away_from_zero_and_clips() -> None:
    x = np.array([0.5, 1.5, -0.5, -1.5, 0.49999997, 200, -200, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(
        spec("int8", 1.0, 1).quantize(x), np.array([2, 3, 0, -1, 1, 127, -128, 127, -128], np.int8)
    )


def test_quantize_keeps_the_top_of_int16() -> None:
    x = np.array([32767, 32766.4, -32768, 40000], np.float32)
    np.testing.assert_array_equal(spec("int16", 1.0, 0).quantize(x), [32767, 32766, -32768, 32767])


def test_quantize_uint8() -> None:
    np.testing.assert_array_equal(spec("uint8", 0.5, 128).quantize([-64, 0, 63.5, 99]), [0, 128, 255, 255])


def test_quantize_then_dequantize_is_within_half_a_step() -> None:
    x = np.random.default_rng(0).uniform(-6, 6, 1000).astype(np.float32)
    tensor = spec("int8", 0.05, 7)
    assert np.abs(tensor.dequantize(tensor.quantize(x)) - x).max() <= 0.025 + 1e-6


def test_nan_cannot_be_quantized() -> None:
    with pytest.raises(InputError, match="hold NaN"):
        answer(Runner(tiny_models.linear(WEIGHTS, dtype="int8")), np.full((1, 3), np.nan))


def test_integers_without_a_scale_are_fed_as_they_are() -> None:
    assert spec("int32", None, 0).quantize([1.0, 7]).tolist() == [1, 7]
    with pytest.raises(InputError, match="without a scale"):
        spec("int32", None, 0).quantize([1.5])
    with pytest.raises(InputError, match="without a scale"):
        spec("int8", None, 0).quantize([300])


@pytest.mark.parametrize(("model", "why"), [("fixed_batch", "reshape"), ("folds_batch", r"\[1, 18\]")])
def test_a_model_that_fixes_its_batch(model: str, why: str) -> None:
    content = getattr(tiny_models, model)(6)
    with pytest.raises(InputError, match=f"cannot run 3 examples at a time.*{why}"):
        Runner(content, batch=3)
    runner = Runner(content, batch=1)
    x = np.arange(24, dtype=np.float32).reshape(4, *runner.inputs[0].shape[1:])
    np.testing.assert_array_equal(answer(runner, x), x.reshape(4, 6))


@pytest.mark.parametrize("how", ["missing", "folder", "empty", "text", "cut", "half"])
def test_a_file_that_is_no_model(how: str, tmp_path: Path) -> None:
    content = tiny_models.linear(WEIGHTS)
    path = tmp_path / "model.tflite"
    if how == "folder":
        path.mkdir()
    elif how != "missing":
        contents = {"empty": b"", "text": b"hello\n" * 99, "cut": content[:-1], "half": content[:200]}
        path.write_bytes(contents[how])
    with pytest.raises(InputError, match=r"model\.tflite") as caught:
        Runner(path)
    assert "\n" not in str(caught.value)


def test_content_that_is_no_model() -> None:
    with pytest.raises(InputError, match=r"model of 0 bytes is not a \.tflite model"):
        Runner(b"")


def test_all_of_several_inputs_are_needed() -> None:
    runner = Runner(tiny_models.sum_of_two(2))
    with pytest.raises(InputError, match="no input 'x'; it has 'first', 'second'"):
        answer(runner, np.ones((1, 2)))
    with pytest.raises(InputError, match="1 arrays were given"):
        runner.run(np.ones((1, 2), np.float32))
    (total,) = runner.run(np.ones((1, 2), np.float32), np.full((1, 2), 2, np.float32))
    np.testing.assert_array_equal(total, [[3, 3]])


def test_a_wrong_shape_says_both() -> None:
    runner = Runner(tiny_models.linear(WEIGHTS))
    with pytest.raises(InputError, match=r"takes \[batch, 3\] as 'x' and was given \[5, 4\]"):
        answer(runner, np.ones((5, 4)))
    with pytest.raises(InputError, match=r"takes float32 \[1, 3\] as 'x' and was given float64 \[1, 3\]"):
        runner.run(np.ones((1, 3)))


@pytest.mark.parametrize(("threads", "batch"), [(0, 1), (1, 0)])
def test_numbers_out_of_range(threads: int, batch: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        Runner(tiny_models.linear(WEIGHTS), threads=threads, batch=batch)


def test_share_of_delegated_operators() -> None:
    content = tiny_models.linear(WEIGHTS, ending="SOFTMAX")
    assert Runner(content).delegated == 1
    assert Runner(content, xnnpack=False).delegated == 0


def test_share_of_delegated_operators_in_part() -> None:
    graph = tiny_models.Graph()
    x, mid, y = (graph.tensor(name, [1, 4]) for name in ("x", "mid", "y"))
    graph.operator("LOGISTIC", [x], [mid])
    graph.operator("LOG_SOFTMAX", [mid], [y])  # XNNPACK has none
    assert Runner(graph.build([x], [y])).delegated == 0.5


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    answer(Runner(tiny_models.linear(WEIGHTS)), X)
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_was_asked_for_does_not_change_what_the_file_takes() -> None:
    """An input without a batch dimension keeps its length: examples are answered one after the other."""
    graph = tiny_models.Graph()
    x, y = graph.tensor("x", [5]), graph.tensor("y", [5])
    graph.operator("NEG", [x], [y], "NegOptions")
    runner = Runner(graph.build([x], [y]), batch=4)
    assert runner.signature.inputs[0].shape == (5,)
    values = np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_array_equal(runner({"x": values}).real["y"], -values)


def test_a_name_inside_that_is_no_utf8_changes_nothing() -> None:
    content = tiny_models.linear(WEIGHTS, ending="LOGISTIC")
    damaged = content.replace(b"\x01\0\0\0w\0", b"\x01\0\0\0\xef\0")
    assert damaged != content
    assert Runner(damaged).partitions == Runner(content).partitions


def test_an_input_whose_name_is_no_utf8() -> None:
    damaged = tiny_models.linear(WEIGHTS).replace(b"\x01\0\0\0x\0", b"\x01\0\0\0\xef\0")
    with pytest.raises(InputError, match="names an input or output in bytes that are no UTF-8"):
        Runner(damaged)


def test_an_operator_that_the_reference_kernels_lack() -> None:
    content = tiny_models.linear(WEIGHTS, ending="ELU")
    assert answer(Runner(content), X).shape == (5, 3)
    with pytest.raises(NoReferenceKernelError, match=r"that TFLite's reference kernels lack.*ELU"):
        Runner(content, reference=True)


def test_an_axis_of_scales_that_litert_refuses_is_no_damage() -> None:
    model = flatbuffer.read(tiny_models.linear(WEIGHTS, dtype="int8"))
    model.subgraphs[0].tensors[1].quantization.quantizedDimension = 3
    with pytest.raises(InputError, match="has scales or zero points that this LiteRT refuses"):
        Runner(flatbuffer.serialize(model))


def windows() -> bytes:
    """The mean of each 3x3 window of an image [B, H, W, 2] of any size; at size 1 there is none."""
    graph = tiny_models.Graph()
    x = graph.tensor("x", [1, 1, 1, 2], open_batch=True, open_axes=(1, 2))
    y = graph.tensor("y", [1, 1, 1, 2], open_batch=True, open_axes=(1, 2))
    weights = graph.tensor("weights", [2, 3, 3, 2], data=np.eye(2)[:, None, None, :].repeat(3, 1).repeat(3, 2) / 9)
    bias = graph.tensor("bias", [2], data=np.zeros(2))
    options = {"padding": Padding.VALID, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    graph.operator("CONV_2D", [x, weights, bias], [y], "Conv2DOptions", **options)
    return graph.build([x], [y])


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
def test_open_sizes_are_the_examples_where_the_model_does_not_fit_size_1(kernels: Any) -> None:
    runner = open_runner(windows(), kernels, 4)
    x = np.random.default_rng(0).normal(size=(6, 5, 4, 2)).astype(np.float32)
    expected = np.mean([x[:, i : i + 3, j : j + 2] for i in range(3) for j in range(3)], axis=0)
    assert answer(runner, x[:, :, :4]).shape == (6, 3, 2, 2)
    np.testing.assert_allclose(answer(runner, x), expected, atol=1e-6)
    assert runner.inputs[0].shape == (4, 5, 4, 2)
    assert answer(runner, np.ones((1, 3, 7, 2), np.float32)).shape == (1, 1, 5, 2)


def test_before_any_example_such_a_model_says_why_it_does_not_run() -> None:
    runner = Runner(windows())
    assert runner.signature.inputs[0].shape == (-1, -1, -1, 2)
    with pytest.raises(InputError, match="cannot be made ready"):
        runner.run(np.zeros((1, 1, 1, 2), np.float32))
    with pytest.raises(InputError, match="cannot be made ready"):
        answer(runner, np.zeros((2, 2, 2, 2), np.float32))


def test_an_output_that_nothing_computes_is_named() -> None:
    graph = Graph()
    x, y, z = (graph.tensor(name, [1, 4]) for name in ("x", "y", "z"))
    graph.operator("ABS", [x], [y])
    runner = Runner(graph.build([x], [y, z]))
    for read in (lambda: runner.run(np.ones((1, 4), np.float32)), runner.views):
        with pytest.raises(InputError, match="leaves nothing in its output 'z': no operator computes it"):
            read()
