"""Boxes and scores in one tensor: found, and written so that both keep their steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.keep import OUTPUT, float_outputs, parse
from pipeline.quantization.mends import AT_OUTPUTS, Mended, mend, unmeasured_rules
from pipeline.quantization.mixed_ranges import mixed_ranges
from pipeline.quantization.output_parts import part_labels
from pipeline.quantization.ptq import FloatModel, Settings, prepare, quantize
from pipeline.quantization.sensitivity.algorithm import analyze
from pipeline.recipe import Keep, MixedRanges
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tensors import Tensors
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.joins import joins
from pipeline.tflite.runner import Runner
from tests.mixed_heads import INPUT, X, branches, scaled, yolo

SIMPLE = Settings()


def batches() -> Iterator[Tensors]:
    yield {INPUT: X}


def measured(content: bytes) -> FloatModel:
    return prepare(content, batches, SIMPLE)


def mended(content: bytes, how: MixedRanges = "auto", keep: tuple[Keep, ...] = ()) -> Mended:
    return mend(measured(content), batches, SIMPLE, task=Fidelity(), how=how, keep=keep)


def written(content: bytes, rules: tuple[Keep, ...]) -> bytes:
    return quantize(measured(content), "int8", batches, SIMPLE, keep=rules)[0]


def answers(content: bytes) -> np.ndarray:
    return next(iter(Runner(content)({INPUT: X}).real.values()))


def noise(content: bytes, other: bytes, part: slice) -> float:
    """SQNR of some rows of the output in dB."""
    expected, found = answers(content)[:, part], answers(other)[:, part]
    return float(10 * np.log10((expected**2).sum() / max(((found - expected) ** 2).sum(), 1e-30)))


BOXES, SCORES = slice(0, 4), slice(4, None)


def test_scores_beside_boxes_of_640_have_less_than_a_step() -> None:
    model = measured(yolo())
    [(join, mixed)] = mixed_ranges(model.content, model.ranges)
    assert (mixed.tensor, mixed.outputs) == ("joined", ("out",))
    assert [part.tensor for part in mixed.lost] == ["scores"]
    assert mixed.lost[0].steps < 1
    assert mixed.widest.tensor == "decoded"
    assert join.outputs == (0,)


def test_boxes_as_shares_of_the_input_are_no_finding() -> None:
    model = measured(yolo(largest=1.0))
    assert mixed_ranges(model.content, model.ranges) == []
    assert mended(yolo(largest=1.0)) == Mended()


def test_what_is_kept_in_float_has_no_scale() -> None:
    model = measured(yolo())
    assert mixed_ranges(model.content, model.ranges, {"joined", "out"}) == []


def test_plain_int8_loses_every_score_and_the_mend_keeps_them() -> None:
    content = yolo()
    assert not answers(written(content, ()))[:, SCORES].any()
    for how in ("float", "float_decode"):
        own = written(content, mended(content, how).rules)
        assert noise(content, own, SCORES) > 25
        assert noise(content, own, BOXES) > 35


def test_auto_takes_what_answers_most_like_the_float_model() -> None:
    found = mended(yolo())
    assert {trial.how for trial in found.trials} == set(AT_OUTPUTS)
    [best] = found.chosen
    plain = found.trials[0]
    assert plain.how == "int8"
    assert plain.sqnr_db == pytest.approx(0, abs=0.1)  # the scores are gone; the whole output has 40 dB and more
    assert best.sqnr_db > 25
    assert best.how in ("float", "float_decode")
    assert found.rules == best.rules
    assert "'out'" in str(found)


def test_names_shapes_and_real_values_stay_and_only_this_output_becomes_float() -> None:
    content = yolo(unrelated=True)
    found = inspect(written(content, mended(content, "float").rules))
    before = inspect(content)
    assert [(p.name, p.shape) for p in found.outputs] == [(p.name, p.shape) for p in before.outputs]
    assert [port.dtype for port in found.outputs] == ["float32", "int8"]
    assert found.inputs[0].dtype == "int8"
    assert {op.name for op in found.float_operators} == {"CONCATENATION", "TRANSPOSE"}


def test_the_box_decode_joins_in_where_asked() -> None:
    content = yolo()
    kinds = {op.name for op in inspect(written(content, mended(content, "float_decode").rules)).float_operators}
    assert kinds == {"CONCATENATION", "TRANSPOSE", "LOGISTIC", "MUL", "ADD"}


def test_int16_keeps_the_joining_in_integers() -> None:
    content = yolo()
    found = inspect(written(content, mended(content, "int16").rules))
    assert {op.name for op in found.operators if op.compute == "int16"} == {"CONCATENATION", "TRANSPOSE"}
    assert not found.float_operators


def test_without_examples_what_is_joined_is_joined_in_float() -> None:
    model = measured(yolo())
    assert unmeasured_rules(model.content, model.ranges, "auto") == mended(yolo(), "float").rules
    assert unmeasured_rules(model.content, model.ranges, "int8") == ()
    inside = measured(branches())
    assert unmeasured_rules(inside.content, inside.ranges, "auto") == ()


def test_int8_leaves_everything_as_it_is() -> None:
    found = mended(yolo(), "int8")
    assert found.rules == ()
    assert len(found.mixed) == 1


def test_a_rule_of_the_users_wins() -> None:
    rules = (Keep.model_validate({"match": "joined"}), Keep.model_validate({"match": "out"}))
    assert mended(yolo(), keep=rules) == Mended()


@pytest.mark.parametrize("moved", [True, False])
def test_parts_are_told_apart_behind_what_moves_them(moved: bool) -> None:
    content = yolo(moved=moved)
    [(name, labels)] = part_labels(content, joins(flatbuffer.read(content))).items()
    rows = labels if moved else labels.transpose(0, 2, 1)
    assert name == ("out" if moved else "joined")
    assert (rows[:, BOXES] == 1).all()
    assert (rows[:, SCORES] == 2).all()


def test_inside_a_model_the_layer_that_computes_with_the_parts_goes_along_where_it_pays() -> None:
    content = branches()
    found = mended(content)
    assert [mixed.outputs for mixed in found.mixed] == [()]
    trials = {trial.how: trial for trial in found.trials}
    assert trials["float"].sqnr_db > trials["int8"].sqnr_db + 10
    [best] = found.chosen
    assert best.how in ("float", "int16")
    assert (
        noise(content, written(content, found.rules), slice(None))
        > noise(content, written(content, ()), slice(None)) + 10
    )


def test_sensitivity_ranks_the_joining_first_for_the_scores_that_it_loses() -> None:
    model = measured(yolo())
    worst = analyze(model.content, model.ranges, [{INPUT: X[:8]}]).worst_first()[0]
    assert worst.name == "joined"
    assert worst.output_sqnr_db == pytest.approx(0, abs=0.1)
    assert worst.sqnr_db > 35  # over the whole tensor the boxes hide it


def test_branches_of_like_ranges_stay_int8() -> None:
    assert mended(branches(widest=1.0)) == Mended()


@pytest.mark.parametrize("moved", [True, False])
def test_one_tensor_that_a_constant_makes_boxes_and_scores_of(moved: bool) -> None:
    content = scaled(moved=moved)
    found = mended(content)
    assert found.mixed[0].lost[0].tensor == "shares · 1"
    [best] = found.chosen
    assert found.trials[0].sqnr_db == pytest.approx(0, abs=0.1)
    assert best.how in ("float", "float_decode")
    assert best.sqnr_db > 25
    assert not {op.name for op in inspect(written(content, found.rules)).float_operators} - {
        *("MUL", "TRANSPOSE", "LOGISTIC")
    }


def test_a_constant_of_like_factors_is_none() -> None:
    assert mended(scaled(last=4.0)) == Mended()


def test_an_output_is_kept_in_float_by_a_rule() -> None:
    names = ["out", "features"]
    assert float_outputs(names, [parse(f"type:{OUTPUT}")]) == {"out", "features"}
    assert float_outputs(names, [parse(f"type:{OUTPUT}"), parse(f"out type:{OUTPUT}=int8")]) == {"features"}
    assert float_outputs(names, [parse("out")]) == frozenset()
    content = yolo(unrelated=True)
    ports = inspect(written(content, (parse(f"features type:{OUTPUT}"),))).outputs
    assert [port.dtype for port in ports] == ["int8", "float32"]


@pytest.mark.parametrize("rule", [f"outs type:{OUTPUT}", f"out type:{OUTPUT}=float16"])
def test_a_rule_for_no_output_or_no_type_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="out"):
        written(yolo(), (parse(rule),))
