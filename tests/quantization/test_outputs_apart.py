"""Outputs split or divided where that is asked for: int8 then keeps the steps of every part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.mends import mend
from pipeline.quantization.outputs_apart import Way, outputs_apart
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tensors import Tensors
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.mixed_heads import CLASSES, INPUT, X, branches, yolo


def batches() -> Iterator[Tensors]:
    yield {INPUT: X}


def answers(content: bytes) -> list[np.ndarray]:
    return list(Runner(content)({INPUT: X}).real.values())


def in_int8(content: bytes) -> bytes:
    prepared = prepare(content, batches, Settings())
    return quantize(prepared, "int8", batches, Settings())[0]


def decibels(expected: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((expected - found) ** 2).sum()))


def test_split_gives_each_part_an_output_in_the_place_of_the_joined_one() -> None:
    content = yolo(unrelated=True)
    split, [change] = outputs_apart(content, batches, "split")
    assert change.outputs == ("out_0", "out_1")
    assert [port.name for port in inspect(split).outputs] == ["out_0", "out_1", "features"]
    whole, features = answers(content)
    boxes, scores, same = answers(split)
    np.testing.assert_array_equal(boxes, whole[:, :4].transpose(0, 2, 1))
    np.testing.assert_array_equal(scores, whole[:, 4:].transpose(0, 2, 1))
    np.testing.assert_array_equal(same, features)
    assert not any(op.name in ("CONCATENATION", "TRANSPOSE") for op in inspect(split).operators)


@pytest.mark.parametrize("moved", [True, False])
def test_normalize_divides_the_boxes_exactly_and_says_by_what(moved: bool) -> None:
    content = yolo(moved=moved)
    divided, [change] = outputs_apart(content, batches, "normalize")
    assert (change.output, change.axis, change.start, change.stop) == (
        ("out", 1, 0, 4) if moved else ("joined", 2, 0, 4)
    )
    [before], [after] = answers(content), answers(divided)
    back = np.moveaxis(after.copy(), change.axis, 0)
    back[change.start : change.stop] *= change.factor
    np.testing.assert_array_equal(np.moveaxis(back, 0, change.axis), before)


@pytest.mark.parametrize("way", ["split", "normalize"])
def test_int8_keeps_the_scores_and_stays_full_int8(way: Way) -> None:
    content, _ = outputs_apart(yolo(), batches, way)
    written = in_int8(content)
    require(inspect(written), "int8")
    scores, found = (one[-1] if way == "split" else one[0][:, 4:] for one in (answers(content), answers(written)))
    assert CLASSES in scores.shape
    assert decibels(scores, found) > 25
    model = prepare(content, batches, Settings())
    assert mend(model, batches, Settings(), task=Fidelity()).mixed == ()


@pytest.mark.parametrize("way", ["split", "normalize"])
@pytest.mark.parametrize("content", [yolo(largest=1.0), branches()], ids=["like ranges", "inside"])
def test_other_outputs_stay_as_they_are(way: Way, content: bytes) -> None:
    assert outputs_apart(content, batches, way) == (content, ())


def test_an_output_that_is_computed_with_too_is_refused() -> None:
    with pytest.raises(InputError, match="computed with"):
        outputs_apart(branches(given=True), batches, "split")
