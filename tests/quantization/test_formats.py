"""What is stored in the quantized files is what numpy computes (see test_every_format.py for each as a whole)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import FORMATS, NEEDS_RANGES, write
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer as reader
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import name_ends
from pipeline.tflite.verdict import require
from tests import tiny_models
from tests.answers import answer

WEIGHTS = np.random.default_rng(1).normal(size=(10, 16)).astype(np.float32) * np.arange(1, 11)[:, None]
BARE = tiny_models.linear(WEIGHTS, np.arange(10.0), ending="SOFTMAX")
LINEAR = name_ends(BARE, ["x"], ["end"])
X = np.random.default_rng(2).uniform(-1, 1, (12, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def ranges() -> Ranges:
    return calibrate(LINEAR, [{"x": X}])


def weights_of(content: bytes) -> tuple[Any, Any]:
    """The stored [10, 16] weights and their quantization."""
    model = reader.read(content)
    tensors = [tensor for tensor in model.subgraphs[0].tensors if list(tensor.shape) == [10, 16]]
    [(data, found)] = [(data, t) for t in tensors if (data := reader.tensor_data(model, t)) is not None]
    return data, reader.quantization(found)


def test_int8_weights_are_numpys_with_a_scale_a_row(ranges: Ranges) -> None:
    stored, quantization = weights_of(write(LINEAR, "int8", ranges))
    scales = np.abs(WEIGHTS).max(1) / 127
    np.testing.assert_allclose(quantization.scales, scales, rtol=1e-5)
    assert not quantization.zero_points.any()
    assert np.abs(stored - np.round(WEIGHTS / scales[:, None])).max() <= 1


def test_per_tensor_weights_have_the_scale_of_the_largest(ranges: Ranges) -> None:
    _, quantization = weights_of(write(LINEAR, "int8_per_tensor", ranges))
    np.testing.assert_allclose(quantization.scales, [np.abs(WEIGHTS).max() / 127], rtol=1e-5)


def test_the_input_scale_is_that_of_the_range(ranges: Ranges) -> None:
    [port] = inspect(write(LINEAR, "int8", ranges)).inputs
    low, high = ranges["x"]
    assert port.scale == pytest.approx((high - low) / 255, rel=1e-5)
    assert port.zero_point == round(-128 - low / port.scale)


def test_float16_weights_are_numpys() -> None:
    stored, _ = weights_of(write(LINEAR, "float16"))
    np.testing.assert_array_equal(stored, WEIGHTS.astype(np.float16))


def test_float32_is_the_file_itself() -> None:
    assert write(LINEAR, "float32") == LINEAR


@pytest.mark.parametrize("target", sorted(FORMATS))
def test_each_format_keeps_its_promise_and_no_other(target: Any, ranges: Ranges) -> None:
    found = inspect(write(LINEAR, target, ranges))
    require(found, target)
    assert found.verdict.kind == target


@pytest.mark.parametrize("target", sorted(set(FORMATS) - NEEDS_RANGES))
def test_a_format_with_float_activations_needs_no_ranges(target: Any, ranges: Ranges) -> None:
    assert write(LINEAR, target) == write(LINEAR, target, ranges)


@pytest.mark.parametrize("target", sorted(NEEDS_RANGES))
@pytest.mark.parametrize("ranges", [None, Ranges()], ids=["none", "empty"])
def test_a_format_with_integer_activations_needs_ranges(target: Any, ranges: Ranges | None) -> None:
    with pytest.raises(InputError, match="needs activation ranges"):
        write(LINEAR, target, ranges)


@pytest.mark.parametrize(
    ("target", "io_type", "dtype"),
    [
        ("int8", "uint8", "uint8"),
        ("int8", "float32", "float32"),
        ("int8_per_tensor", "uint8", "uint8"),
        ("int8_per_tensor", "float32", "float32"),
        ("int16x8", "int8", "int16"),
        ("int16x8", "float32", "float32"),
    ],
)
def test_the_ends_have_the_type_asked_for_and_the_answers_stay(
    target: Any, io_type: Any, dtype: str, ranges: Ranges
) -> None:
    content = write(LINEAR, target, ranges, io_type)
    found = inspect(content)
    assert {port.dtype for port in (*found.inputs, *found.outputs)} == {dtype}
    assert np.abs(answer(Runner(content), X) - answer(Runner(LINEAR), X)).max() < 0.1
    if target == "int8" and io_type == "float32":
        require(found, "int8_float_io")


def test_int16x8_has_no_uint8_ends(ranges: Ranges) -> None:
    with pytest.raises(InputError, match="--io float32"):
        write(LINEAR, "int16x8", ranges, "uint8")


@pytest.mark.parametrize("source", ["int8", "dynamic"])
@pytest.mark.parametrize("target", sorted(FORMATS))
def test_what_is_quantized_already_is_refused_for_every_format(source: Any, target: Any, ranges: Ranges) -> None:
    with pytest.raises(InputError, match="quantized already"):
        write(write(LINEAR, source, ranges), target, ranges)


def test_a_range_without_zero_is_widened_to_it(ranges: Ranges) -> None:
    [port] = inspect(write(LINEAR, "int8", Ranges({**ranges, "x": (0.5, 1.0)}))).inputs
    assert port.scale == pytest.approx(1 / 255, rel=1e-5)
    assert port.zero_point == -128


def test_the_same_twice_is_the_same_file(ranges: Ranges) -> None:
    assert write(LINEAR, "int8", ranges) == write(LINEAR, "int8", ranges)


@pytest.mark.parametrize("io_type", ["int8", "uint8", "float32"])
def test_a_model_without_a_signature_gets_the_ends_asked_for_too(io_type: Any, ranges: Ranges) -> None:
    found = inspect(write(BARE, "int8", ranges, io_type))
    assert {port.dtype for port in (*found.inputs, *found.outputs)} == {io_type}
