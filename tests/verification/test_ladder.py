"""The ladder: whatever answers batches can be a rung, for any task and any number of inputs and outputs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tensors import Outputs, Tensors, TensorSpec
from pipeline.verification.ladder import compare_rungs
from tests.verification.echo import Classes, Echo, Fidelity, Values, batches

STEPS = TensorSpec("scores", (1, 3), np.dtype(np.int8), 0.5, 0)
EXAMPLES = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
LABELS = np.array([0, 1, 2, 0, 1, 2])


def echo(name: str, add: Any = 0, **options: Any) -> Echo:
    return Echo(name, {"scores": add}, **options)


def classes(size: int) -> Any:
    return batches(size, {"x": EXAMPLES}, {"y": LABELS})


def test_each_rung_is_compared_with_the_one_above() -> None:
    first, second, third = compare_rungs([echo("a"), echo("b", [2, 0, 0]), echo("c", [2, 0, 0])], classes(4), Classes())
    assert (first.values, first.above) == ({"top1": 1}, None)
    assert second.above is not None
    assert second.values["top1"] == pytest.approx(1 / 3)
    assert second.above.against == "a"
    assert second.above.agreement == pytest.approx(1 / 3)
    assert second.above.difference is not None
    assert second.above.difference.value == pytest.approx(-2 / 3)
    assert second.above.differing == pytest.approx(1 / 3)
    # Signal 6 · 1, noise 6 · 2².
    assert second.above.sqnr_db == pytest.approx(10 * np.log10(1 / 4))
    assert third.above is not None
    assert (third.above.against, third.above.agreement, third.above.identical) == ("b", 1, True)


def test_steps_are_counted_where_both_hold_integers_of_one_scale() -> None:
    integer = {"scores": STEPS}
    rungs = [echo("a"), echo("b", specs=integer), echo("c", [0, 1.5, 0], specs=integer)]
    above = [step.above for step in compare_rungs(rungs, classes(3), Classes())]
    assert above[1] is not None
    assert above[1].max_lsb is None
    assert above[2] is not None
    assert above[2].max_lsb == 3


def test_other_scales_have_no_common_step() -> None:
    other = TensorSpec("scores", (1, 3), np.dtype(np.int8), 0.25, 0)
    rungs = [echo("a", specs={"scores": STEPS}), echo("b", specs={"scores": other})]
    _, second = compare_rungs(rungs, classes(3), Classes())
    assert second.above is not None
    assert (second.above.max_lsb, second.above.identical) == (None, True)


def test_a_rung_may_name_another_one_to_be_compared_with() -> None:
    *_, last = compare_rungs([echo("a"), echo("b", [2, 0, 0]), echo("c", against="a")], classes(6), Classes())
    assert last.above is not None
    assert (last.above.against, last.above.agreement) == ("a", 1)


def test_a_rung_cannot_be_compared_with_one_below() -> None:
    with pytest.raises(InputError, match="'a' is compared with 'b', which does not stand before it"):
        compare_rungs([echo("a", against="b"), echo("b")], classes(6), Classes())


def test_two_rungs_of_one_name_cannot_be_told_apart() -> None:
    with pytest.raises(InputError, match="Two rungs of the ladder are called 'a'"):
        compare_rungs([echo("a"), echo("a")], classes(6), Classes())


def test_the_whole_loss_is_counted_from_the_reference() -> None:
    rungs = [echo("a", [0, 9, 0]), echo("b"), echo("c", [2, 0, 0]), echo("d")]
    steps = compare_rungs(rungs, classes(6), Classes(), reference="b")
    assert [step.overall and step.overall.against for step in steps] == [None, None, "b", "b"]
    assert [step.overall.agreement for step in steps if step.overall] == [pytest.approx(1 / 3), 1]


def test_what_is_compared_with_the_reference_twice_is_counted_once() -> None:
    _, step = compare_rungs([echo("a"), echo("b", [2, 0, 0])], classes(4), Classes(), reference="a")
    assert step.above is not None
    assert step.overall is not None
    assert (step.above.n, step.overall.n) == (6, 6)
    assert step.above == step.overall


def test_a_slow_rung_answers_the_first_examples_only() -> None:
    slow = echo("slow", [0, 0, 2], limit=4)
    _, step = compare_rungs([echo("a"), slow], classes(3), Classes())
    assert slow.seen == [3, 1]
    assert step.above is not None
    assert (step.n, step.above.n) == (4, 4)
    assert step.above.agreement == pytest.approx(1 / 4)
    assert step.above.difference is not None
    assert step.above.difference.value == pytest.approx(-3 / 4)


def test_batches_and_threads_make_no_difference() -> None:
    ladder = [echo("a"), echo("b", [2, 0, 0])]
    assert compare_rungs(ladder, classes(1), Classes(), threads=1) == compare_rungs(
        ladder, classes(6), Classes(), threads=4
    )


def test_several_inputs_and_outputs_are_compared_by_name() -> None:
    """The second rung gives its outputs in another order, and differs in one of them."""
    inputs = {"left": np.ones((4, 2), np.float32), "right": np.full((4, 3), 2, np.float32)}
    first = Echo("a", outputs={"sum": "left", "values": "right"})
    second = Echo("b", {"values": 0.2}, outputs={"values": "right", "sum": "left"})
    _, step = compare_rungs([first, second], batches(3, inputs, {"y": np.full(4, 2.0)}), Values())
    assert step.above is not None
    assert {name: output.identical for name, output in step.above.fidelity.items()} == {"sum": True, "values": False}
    assert step.above.sqnr_db == step.above.fidelity["values"].sqnr_db == pytest.approx(20, abs=1e-4)
    assert step.values["rmse"] == pytest.approx(0.2)
    assert set(step.to_json()["above"]["outputs"]) == {"values", "sum"}


def test_outputs_of_other_names_are_the_references_in_order() -> None:
    """Keras and the converter name them otherwise; the task knows the float .tflite's names."""
    keras = Echo("keras", outputs={"dense": "x"})
    _, step = compare_rungs([keras, echo("float")], classes(6), Classes(), reference="float")
    assert step.above is not None
    assert (step.above.against, step.above.agreement) == ("keras", 1)
    first, _ = compare_rungs([keras, echo("float")], classes(6), Classes(), reference="float")
    assert first.values == {"top1": 1}


def test_a_regression_is_judged_by_its_error() -> None:
    y = np.arange(40, dtype=np.float32)
    ladder = [Echo("a", outputs={"values": "x"}), Echo("b", {"values": 0.5}, outputs={"values": "x"})]
    first, second = compare_rungs(ladder, batches(16, {"x": y[:, None]}, {"y": y}), Values())
    assert first.values == {"rmse": 0, "bias": 0}
    assert second.above is not None
    assert second.above.difference is not None
    assert second.above.difference.value == pytest.approx(0.5)
    assert second.interval == pytest.approx((0.5, 0.5))
    assert second.to_json()["rmse_interval"] == pytest.approx([0.5, 0.5])
    assert second.to_json()["bias"] == pytest.approx(0.5)


@pytest.mark.parametrize("task", [Classes(), Fidelity()], ids=lambda task: task.name)
def test_without_labels_rungs_are_compared_and_not_judged(task: Any) -> None:
    _, step = compare_rungs([echo("a"), echo("b", [2, 0, 0])], batches(4, {"x": EXAMPLES}, {}), task, reference="a")
    assert (step.values, step.interval, step.metric) == ({}, None, None)
    assert step.above is not None
    assert step.above.difference is None
    assert step.above.agreement < 0.5
    assert not {"top1", "top1_interval"} & set(step.to_json())


def test_labels_that_the_task_does_not_read_are_left_alone() -> None:
    step, _ = compare_rungs([echo("a"), echo("b")], classes(6), Fidelity())
    assert (step.n, step.values) == (6, {})


def test_no_examples() -> None:
    with pytest.raises(InputError, match="no examples"):
        compare_rungs([echo("a")], [], Classes())


def test_targets_that_the_task_refuses_name_the_rung() -> None:
    with pytest.raises(InputError, match=r"The model 'a': It knows the classes 0 to 2, the labels hold 7"):
        compare_rungs([echo("a")], batches(2, {"x": EXAMPLES[:2]}, {"y": np.array([0, 7])}), Classes())


@pytest.mark.parametrize("targets", [{"y": LABELS}, {}], ids=["labels", "no labels"])
def test_a_rung_that_gives_nan(targets: Any) -> None:
    with pytest.raises(PipelineError, match=r"b\.tflite gives NaN as 'scores' for 6 of 6 examples \(rung b\)") as error:
        compare_rungs([echo("a"), echo("b", [np.nan, 0, 0])], batches(6, {"x": EXAMPLES}, targets), Classes())
    assert error.value.exit_status == 1


class Narrow(Echo):
    def __call__(self, inputs: Tensors) -> Outputs:
        return Outputs.of_real({name: array[:, :2] for name, array in super().__call__(inputs).real.items()})


class Forgetful(Echo):
    def __call__(self, inputs: Tensors) -> Outputs:
        return super().__call__(inputs)[:-1]


def test_models_of_other_outputs_are_no_forms_of_one_model() -> None:
    with pytest.raises(InputError, match=r"b gives \[2\] as 'scores' for an example and a \[3\]"):
        compare_rungs([echo("a"), Narrow("b")], batches(2, {"x": EXAMPLES[:2]}, {}), Classes())
    two = Echo("b", outputs={"scores": "x", "more": "x"})
    with pytest.raises(InputError, match="not forms of the same model"):
        compare_rungs([echo("a"), two], classes(6), Classes())


def test_a_rung_that_loses_examples() -> None:
    with pytest.raises(PipelineError, match=r"b\.tflite \(rung b\) answered 5 of 6 examples"):
        compare_rungs([echo("a"), Forgetful("b")], classes(6), Classes())


def test_the_json_of_a_classifier() -> None:
    steps = compare_rungs([echo("a"), echo("b")], classes(6), Classes(), reference="a")
    first, second = json.loads(json.dumps([step.to_json() for step in steps], allow_nan=False))
    assert list(first) == ["rung", "title", "model", "n", "top1", "top1_interval", "above", "overall"]
    assert (first["top1"], first["above"]) == (1, None)
    assert second["above"]["sqnr_db"] is None
    assert second["above"]["identical"] is True
    assert {"against", "agreement", "difference", "max_lsb", "differing"} <= set(second["above"])
