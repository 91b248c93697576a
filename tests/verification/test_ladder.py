"""The ladder: whatever answers examples can be a rung."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tensors import Batch, TensorSpec
from pipeline.verification.ladder import climb
from pipeline.verification.rung import Float, Outputs

STEPS = TensorSpec("scores", (1, 3), np.dtype(np.int8), 0.5, 0)
EXAMPLES = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
LABELS = np.array([0, 1, 2, 0, 1, 2])


@dataclass
class Echo:
    """Answers its input, changed by what a test says; 8-bit where it has a spec."""

    name: str
    add: list[float] = field(default_factory=lambda: [0, 0, 0])
    spec: TensorSpec | None = None
    against: str | None = None
    limit: int | None = None
    seen: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"echo {self.name}"

    @property
    def source(self) -> str:
        return f"{self.name}.tflite"

    def run(self, batch: Float) -> Outputs:
        self.seen.append(len(batch))
        scores = batch + np.array(self.add, np.float32)
        return Outputs(scores if self.spec is None else self.spec.quantize(scores), self.spec)


def pair(x: np.ndarray, y: np.ndarray) -> Batch:
    return Batch({"x": x}, {"y": y})


def batches(size: int) -> list[Batch]:
    return [pair(EXAMPLES[at : at + size], LABELS[at : at + size]) for at in range(0, len(EXAMPLES), size)]


def test_each_rung_is_compared_with_the_one_above() -> None:
    first, second, third = climb([Echo("a"), Echo("b", [2, 0, 0]), Echo("c", [2, 0, 0])], batches(4))
    assert (first.top1, first.above) == (1, None)
    assert second.above is not None
    assert (second.top1, second.above.against) == (pytest.approx(1 / 3), "a")
    assert second.above.agreement == pytest.approx(1 / 3)
    assert second.above.difference.value == pytest.approx(-2 / 3)
    assert second.above.differing == pytest.approx(1 / 3)
    # Signal 6 · 1, noise 6 · 2².
    assert second.above.sqnr_db == pytest.approx(10 * np.log10(1 / 4))
    assert third.above is not None
    assert (third.above.against, third.above.agreement, third.above.differing) == ("b", 1, 0)


def test_steps_are_counted_where_both_hold_integers_of_one_scale() -> None:
    steps = climb([Echo("a"), Echo("b", spec=STEPS), Echo("c", [0, 1.5, 0], spec=STEPS)], batches(3))
    above = [step.above for step in steps]
    assert above[1] is not None
    assert above[1].max_lsb is None
    assert above[2] is not None
    assert above[2].max_lsb == 3


def test_other_scales_have_no_common_step() -> None:
    other = TensorSpec("scores", (1, 3), np.dtype(np.int8), 0.25, 0)
    _, second = climb([Echo("a", spec=STEPS), Echo("b", spec=other)], batches(3))
    assert second.above is not None
    assert (second.above.max_lsb, second.above.differing) == (None, 0)


def test_a_rung_may_name_another_one_to_be_compared_with() -> None:
    *_, last = climb([Echo("a"), Echo("b", [2, 0, 0]), Echo("c", against="a")], batches(6))
    assert last.above is not None
    assert (last.above.against, last.above.agreement) == ("a", 1)


def test_a_rung_cannot_be_compared_with_one_below() -> None:
    with pytest.raises(InputError, match="'a' is compared with 'b', which does not stand before it"):
        climb([Echo("a", against="b"), Echo("b")], batches(6))


def test_the_whole_loss_is_counted_from_the_reference() -> None:
    steps = climb([Echo("a", [0, 9, 0]), Echo("b"), Echo("c", [2, 0, 0]), Echo("d")], batches(6), reference="b")
    assert [step.overall and step.overall.against for step in steps] == [None, None, "b", "b"]
    assert [step.overall.agreement for step in steps if step.overall] == [pytest.approx(1 / 3), 1]


def test_a_slow_rung_answers_the_first_examples_only() -> None:
    slow = Echo("slow", [0, 0, 2], limit=4)
    _, step = climb([Echo("a"), slow], batches(3))
    assert slow.seen == [3, 1]
    assert step.n == 4
    assert step.above is not None
    assert step.above.agreement == pytest.approx(1 / 4)
    assert step.above.difference.value == pytest.approx(-3 / 4)


def test_batches_make_no_difference() -> None:
    ladder = [Echo("a"), Echo("b", [2, 0, 0])]
    assert climb(ladder, batches(1), threads=1) == climb(ladder, batches(6), threads=4)


def test_no_examples() -> None:
    with pytest.raises(InputError, match="no examples"):
        climb([Echo("a")], [])


def test_labels_outside_the_classes() -> None:
    with pytest.raises(InputError, match=r"a\.tflite knows the classes 0 to 2; the labels hold 0 to 7"):
        climb([Echo("a")], [pair(EXAMPLES[:2], np.array([0, 7]))])


def test_a_rung_that_gives_nan() -> None:
    with pytest.raises(PipelineError, match=r"b\.tflite gives NaN"):
        climb([Echo("a"), Echo("b", [np.nan, 0, 0])], batches(6))


def test_models_of_other_classes_are_no_forms_of_one_model() -> None:
    class Narrow(Echo):
        def run(self, batch: Float) -> Outputs:
            return Outputs(batch[:, :2], None)

    with pytest.raises(InputError, match="not forms of the same model"):
        climb([Echo("a"), Narrow("b")], [pair(EXAMPLES[:2], LABELS[:2])])


def test_json_has_no_infinity() -> None:
    steps = climb([Echo("a"), Echo("b")], batches(6), reference="a")
    content = json.loads(json.dumps([step.to_json() for step in steps], allow_nan=False))
    assert content[1]["above"]["sqnr_db"] is None
    assert content[1]["above"]["identical"] is True
