"""A float flatbuffer and its ranges become every format, and each is what its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate, tap
from pipeline.quantization.formats import FORMATS, write
from pipeline.quantization.learned import take_out_fake_quant
from pipeline.quantization.ranges import Ranges, holding_zero
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require

Examples = list[np.ndarray]


def batches(examples: Examples) -> list[dict[str, np.ndarray]]:
    return [{"image": x} for x in examples]


@pytest.fixture(scope="module")
def flatbuffer() -> bytes:
    from pipeline.conversion.convert import to_flatbuffer
    from tests.tiny_keras import model

    return to_flatbuffer(model())


@pytest.fixture(scope="module")
def examples() -> Examples:
    return [np.random.default_rng(seed).uniform(0, 1, (7, 8, 8, 1)).astype(np.float32) for seed in range(3)]


def test_ranges_are_the_smallest_and_largest_value_of_every_activation(flatbuffer: bytes, examples: Examples) -> None:
    ranges = calibrate(flatbuffer, batches(examples))
    names, tapped = tap(flatbuffer)
    values = [Runner(tapped).run(x[None]) for batch in examples for x in batch]
    for index, name in enumerate(names):
        every = np.concatenate([outputs[index].ravel() for outputs in values])
        # What a ReLU or a softmax made reaches from zero, as every quantized range does.
        low = 0 if every.min() >= 0 else every.min()
        np.testing.assert_allclose((min(ranges[name][0], 0), ranges[name][1]), (low, every.max()), rtol=1e-5, atol=1e-6)


def test_an_empty_dataset_is_refused(flatbuffer: bytes) -> None:
    with pytest.raises(InputError, match="empty"):
        calibrate(flatbuffer, [])


def test_one_example_is_enough_to_run(flatbuffer: bytes, examples: Examples) -> None:
    assert len(calibrate(flatbuffer, batches([examples[0][:1]]))) > 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_their_place(
    flatbuffer: bytes, examples: Examples, value: float
) -> None:
    broken = examples[1].copy()
    broken[2, 0, 0, 0] = value
    with pytest.raises(InputError, match="examples 7 to 10"):
        calibrate(flatbuffer, batches([examples[0], broken]))


@pytest.mark.parametrize("target", FORMATS)
def test_each_format_is_what_its_name_says(flatbuffer: bytes, examples: Examples, target: str) -> None:
    content = write(flatbuffer, target, calibrate(flatbuffer, batches(examples)))  # type: ignore[arg-type]
    require(inspect(content), target)
    expected, answered = (Runner(model).predict(examples[0]) for model in (flatbuffer, content))
    assert np.abs(answered - expected).max() < 0.05


@pytest.mark.parametrize("io_type", ["int8", "uint8", "float32"])
def test_the_inputs_and_outputs_have_the_type_that_was_asked_for(
    flatbuffer: bytes, examples: Examples, io_type: str
) -> None:
    content = write(flatbuffer, "int8", calibrate(flatbuffer, batches(examples)), io_type)  # type: ignore[arg-type]
    found = inspect(content)
    assert {port.dtype for port in (*found.inputs, *found.outputs)} == {io_type}


def test_int8_without_ranges_or_with_another_models_is_refused(flatbuffer: bytes) -> None:
    with pytest.raises(InputError, match="needs activation ranges"):
        write(flatbuffer, "int8")
    with pytest.raises(InputError, match="another model"):
        write(flatbuffer, "int8", Ranges({"no such tensor": (0.0, 1.0)}))


def test_a_quantized_model_is_not_quantized_again(flatbuffer: bytes, examples: Examples) -> None:
    ranges = calibrate(flatbuffer, batches(examples))
    with pytest.raises(InputError, match="quantized already"):
        write(write(flatbuffer, "int8", ranges), "int8", ranges)


def test_ranges_are_kept_and_read_back(tmp_path: Path) -> None:
    ranges = Ranges({"a": (-1.0, 2.5)}, "min-max of 3 examples")
    ranges.save(tmp_path / "ranges.json")
    assert Ranges.load(tmp_path / "ranges.json") == ranges


@pytest.mark.parametrize("content", ["", "[]", '{"ranges": {"a": [1]}}', '{"ranges": {"a": [2, 1]}}'])
def test_a_damaged_ranges_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "ranges.json").write_text(content)
    with pytest.raises(InputError, match=r"ranges\.json"):
        Ranges.load(tmp_path / "ranges.json")


def test_learned_ranges_win_over_measured_ones() -> None:
    assert dict(Ranges({"a": (0, 1)}).over(Ranges({"a": (0, 9), "b": (0, 2)}))) == {"a": (0, 1), "b": (0, 2)}


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255), (-2.1, 2.6), (-3, 0), (-0.001, 5), (-5, 0.001), (0.5, 1)])
def test_the_inputs_range_holds_zero_and_clips_nothing(low: float, high: float) -> None:
    wide_low, wide_high = holding_zero(low, high)
    scale = (wide_high - wide_low) / 255
    assert wide_low <= low
    assert wide_high >= high - 1e-12
    assert abs(wide_low / scale - round(wide_low / scale)) < 1e-9
    assert wide_high - wide_low <= (max(high, 0) - min(low, 0)) * 1.01


def test_no_pixel_of_minus_one_to_one_lies_between_two_steps() -> None:
    low, high = holding_zero(-1, 1)
    steps = (np.arange(256) / 127.5 - 1) / ((high - low) / 255)
    assert (np.abs(steps % 1 - 0.5) < 1e-6).sum() <= 1


def test_a_model_without_fake_quant_is_its_own_hub(flatbuffer: bytes, examples: Examples) -> None:
    prepared, learned = take_out_fake_quant(flatbuffer)
    assert not learned
    np.testing.assert_array_equal(Runner(prepared).predict(examples[0]), Runner(flatbuffer).predict(examples[0]))
