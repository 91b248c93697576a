"""A promise that is not kept is one sentence with the number and the key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.fidelity import OutputFidelity
from pipeline.evaluation.statistics import Difference
from pipeline.recipe import Verify
from pipeline.tasks import Metric
from pipeline.verification.ladder import Step
from pipeline.verification.promises import broken, check
from tests.verification.echo import Classes, Fidelity, Values

TOP1, RMSE = Metric("top1", "top-1", "%"), Metric("rmse", "RMSE", higher_is_better=False)
WORSE = Difference(-0.03, -0.05, -0.01)


def step(
    name: str,
    against: str | None,
    *,
    agreement: float = 0.95,
    difference: Difference | None = WORSE,
    fidelity: dict[str, tuple[float, int | None]] | None = None,
    metric: Metric = TOP1,
) -> Step:
    outputs = {"y": (18.0, 7)} if fidelity is None else fidelity
    above = None
    if against is not None:
        above = Comparison(
            against,
            200,
            agreement,
            difference,
            {key: OutputFidelity(sqnr_db, 1.0, lsb, 0.5) for key, (sqnr_db, lsb) in outputs.items()},
            np.ones(200),
        )
    values = {metric.name: 0.9}
    return Step(name, f"the {name} one", f"{name}.tflite", 200, (metric,), values, (0.85, 0.94), above, above)


STEPS = [step("float", None), step("reference", "float", fidelity={"y": (18.0, None)}), step("xnnpack", "reference")]


def of(steps: list[Step] = STEPS, **section: Any) -> tuple[list[str], list[str]]:
    return broken(Verify.model_validate(section), steps, "xnnpack")


def test_without_promises_none_is_broken() -> None:
    assert of() == ([], [])


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ({"min_agreement": 0.96}, "agrees with reference on 95.0 % of 200 examples; "),
        ({"min_agreement": 0.9501}, "agrees with reference on 95.0 % of 200 examples; "),
        ({"max_drop": 2}, "is 3.0 points worse in top-1 than reference (95 % interval +1.0 to +5.0); "),
        ({"max_drop": 2.99}, "is 3.0 points worse in top-1 than reference"),
        ({"max_lsb": 6}, "differs from reference by up to 7 LSB; "),
        ({"min_sqnr_db": 18.001}, "has a signal to noise ratio of 18.0 dB against reference; "),
    ],
)
def test_a_broken_promise_of_a_rung(promise: dict[str, float], said: str) -> None:
    sentences, left_out = of(rungs={"xnnpack": promise})
    (key,) = promise
    assert len(sentences) == 1
    assert said in sentences[0]
    assert f"verify.rungs.xnnpack.{key} promises" in sentences[0]
    assert sentences[0].startswith("The rung xnnpack (the xnnpack one) ")
    assert left_out == []


@pytest.mark.parametrize("promise", [{"min_agreement": 0.95}, {"max_drop": 3}, {"max_lsb": 7}, {"min_sqnr_db": 18}])
def test_a_promise_that_is_just_kept(promise: dict[str, float]) -> None:
    assert of(rungs={"xnnpack": promise}) == ([], [])


def test_a_drop_that_is_a_hair_off_in_floating_point_is_kept() -> None:
    assert 100 * 0.07 > 7
    steps = [step("float", None), step("xnnpack", "float", difference=Difference(-0.07, -0.1, 0))]
    assert of(steps, max_drop=7) == ([], [])


def test_a_metric_of_which_less_is_better_drops_where_it_grows() -> None:
    steps = [step("float", None), step("xnnpack", "float", difference=Difference(0.3, 0.1, 0.5), metric=RMSE)]
    (sentence,), _ = of(steps, max_drop=0.2)
    assert (
        "is 0.3 worse in RMSE than float (95 % interval +0.1 to +0.5); verify.max_drop promises at most 0.2" in sentence
    )
    assert of(steps, max_drop=0.3) == ([], [])
    better = [step("float", None), step("xnnpack", "float", difference=Difference(-0.3, -0.5, -0.1), metric=RMSE)]
    assert of(better, max_drop=0) == ([], [])


def test_of_several_outputs_the_worst_is_held_to_the_promise() -> None:
    steps = [step("float", None), step("xnnpack", "float", fidelity={"boxes": (40.0, 9), "classes": (12.0, 2)})]
    sentences, _ = of(steps, rungs={"xnnpack": {"min_sqnr_db": 20, "max_lsb": 8}})
    assert len(sentences) == 2
    assert "by up to 9 LSB" in sentences[0]
    assert "of 12.0 dB against float in 'classes'" in sentences[1]


def test_the_sections_own_promises_are_about_the_whole_ladder() -> None:
    sentences, _ = of(min_agreement=0.99, max_drop=50)
    assert len(sentences) == 1
    assert "verify.min_agreement promises 99.0 %" in sentences[0]


def test_what_cannot_be_held_to_is_said() -> None:
    _, left_out = of(rungs={"qat": {"max_drop": 1}, "float": {"max_drop": 1}, "reference": {"max_lsb": 1}})
    assert left_out == [
        "verify.rungs.qat: the ladder does not have this rung here",
        "verify.rungs.float: it is the first rung, there is nothing to compare it with",
        "verify.rungs.reference.max_lsb: it and float do not share a scale",
    ]
    unlabelled = [step("float", None), step("xnnpack", "float", difference=None)]
    assert of(unlabelled, max_drop=1) == ([], ["verify.max_drop: the data has no labels"])


@pytest.mark.parametrize("section", [{"max_drop": 0.02}, {"rungs": {"xnnpack": {"max_drop": 0.02}}}], ids=str)
def test_an_old_fraction_is_refused_and_told_what_to_write(section: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"max_drop counts in percentage points of top-1 now.*write 2 for what 0\.02"):
        check(Verify.model_validate(section), Classes())


@pytest.mark.parametrize("points", [0, 0.1, 2])
def test_points_are_taken(points: float) -> None:
    check(Verify(max_drop=points), Classes())


def test_a_small_drop_of_what_is_no_share_is_meant() -> None:
    check(Verify(max_drop=0.02), Values())


def test_without_a_metric_there_is_no_drop_to_promise() -> None:
    with pytest.raises(InputError, match=r"verify\.rungs\.qat\.max_drop promises.*the task 'fidelity' has none"):
        check(Verify.model_validate({"rungs": {"qat": {"max_drop": 1}}}), Fidelity())
    check(Verify(min_agreement=0.9), Fidelity())


def test_the_float_models_rung_is_found_by_its_old_name() -> None:
    section = recipe.parse({"name": "a", "model": {}, "verify": {"rungs": {"hub": {"max_lsb": 1}}}}).verify
    assert list(section.rungs) == ["prepared"]


@pytest.mark.parametrize(
    "section",
    [
        {"rungs": {"xnpack": {"max_lsb": 1}}},
        {"rungs": {"xnnpack": {"max_lbs": 1}}},
        {"rungs": {"hub": {"max_lsb": 1}, "prepared": {"max_lsb": 2}}},
        {"rungs": 3},
        {"min_agreement": 95},
        {"max_drop": -0.1},
        {"rungs": {"xnnpack": {"max_lsb": -1}}},
    ],
    ids=str,
)
def test_a_wrong_section_names_its_key(section: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"'verify\."):
        recipe.parse({"name": "a", "model": {}, "verify": section})
