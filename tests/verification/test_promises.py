"""A promise that is not kept is one sentence with the number and the key."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.evaluation.statistics import Difference
from pipeline.recipe import Verify
from pipeline.verification.compare import Comparison
from pipeline.verification.ladder import Step
from pipeline.verification.promises import broken


def step(name: str, against: str | None, **numbers: Any) -> Step:
    facts: dict[str, Any] = {
        "agreement": 0.95,
        "difference": Difference(-0.03, -0.05, -0.01),
        "max_lsb": 7,
        "differing": 0.5,
        "sqnr_db": 18.0,
    }
    above = None if against is None else Comparison(against=against, **facts | numbers)
    return Step(name, f"the {name} one", f"{name}.tflite", 200, 0.9, (0.85, 0.94), above, above)


STEPS = [step("float", None), step("reference", "float", max_lsb=None), step("xnnpack", "reference")]


def of(**section: Any) -> tuple[list[str], list[str]]:
    return broken(Verify.model_validate(section), STEPS, "xnnpack")


def test_without_promises_none_is_broken() -> None:
    assert of() == ([], [])


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ({"min_agreement": 0.96}, "agrees with reference on 95.0 % of 200 examples; "),
        ({"max_drop": 0.02}, "loses 3.0 points of top-1 to reference (95 % interval +1.0 to +5.0); "),
        ({"max_lsb": 6}, "differs from reference by up to 7 LSB; "),
        ({"min_sqnr_db": 18.5}, "has a signal to noise ratio of 18.0 dB against reference; "),
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


@pytest.mark.parametrize("promise", [{"min_agreement": 0.95}, {"max_drop": 0.03}, {"max_lsb": 7}, {"min_sqnr_db": 18}])
def test_a_promise_that_is_just_kept(promise: dict[str, float]) -> None:
    assert of(rungs={"xnnpack": promise}) == ([], [])


def test_the_sections_own_promises_are_about_the_whole_ladder() -> None:
    sentences, _ = of(min_agreement=0.99, max_drop=0.5)
    assert len(sentences) == 1
    assert "verify.min_agreement promises 99.0 %" in sentences[0]


def test_what_cannot_be_held_to_is_said() -> None:
    _, left_out = of(rungs={"qat": {"max_drop": 0.1}, "float": {"max_drop": 0.1}, "reference": {"max_lsb": 1}})
    assert left_out == [
        "verify.rungs.qat: the ladder does not have this rung here",
        "verify.rungs.float: it is the first rung, there is nothing to compare it with",
        "verify.rungs.reference.max_lsb: it and float do not share a scale",
    ]


@pytest.mark.parametrize(
    "section",
    [
        {"rungs": {"xnpack": {"max_lsb": 1}}},
        {"rungs": {"xnnpack": {"max_lbs": 1}}},
        {"min_agreement": 95},
        {"max_drop": -0.1},
        {"rungs": {"xnnpack": {"max_lsb": -1}}},
    ],
    ids=str,
)
def test_a_wrong_section_names_its_key(section: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"'verify\."):
        recipe.parse({"name": "a", "model": {}, "verify": section})
