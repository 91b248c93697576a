"""Keep rules: which operators leave the format, the later rule winning, and the written file holding to it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.keep import parse, plan
from pipeline.recipe import Keep
from pipeline.tflite.hybrid import require_hybrid
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.quantization.networks import examples, stack

X = examples()
OPERATORS = inspect(stack()).operators


def planned(*rules: str, target: str = "int8") -> dict[str, str]:
    found = plan(OPERATORS, [parse(rule) for rule in rules], target)  # type: ignore[arg-type]
    return {operator.output: compute for operator, compute in found.items()}


def test_a_pattern_a_type_and_both() -> None:
    assert planned("*wise") == {"depthwise": "float32", "pointwise": "float32"}
    assert planned("type:CONV_2D=float16") == {"conv": "float16", "pointwise": "float16"}
    both = plan(OPERATORS, [Keep.model_validate({"match": "point*", "type": "CONV_2D"})])
    assert [operator.output for operator in both] == ["pointwise"]


def test_the_later_rule_wins_and_may_take_back() -> None:
    assert planned("*", "dense=int16x8", "conv=int8")["dense"] == "int16x8"
    assert "conv" not in planned("*", "conv=int8")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("depthwize", "'depthwise'"),
        ("type:CONV2D", "CONV_2D"),
        ("conv=float64", "cannot be kept as 'float64'"),
        ("=float32", "takes PATTERN"),
    ],
)
def test_a_rule_that_says_nothing_is_refused_with_what_is_near(rule: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        planned(rule)


@pytest.mark.parametrize("compute", ["float32", "float16", "int16x8"])
def test_the_kept_operator_computes_in_what_was_asked_and_the_rest_in_int8(compute: str) -> None:
    rule = parse(f"pointwise={compute}")
    content = write(stack(), "int8", calibrate(stack(), [{"x": X}]), keep=[rule])
    require_hybrid(inspect(content), {"pointwise": compute}, "int8")
    expected = answer(Runner(stack(), batch=4), X)
    error = answer(Runner(content, batch=4), X) - expected
    assert np.sqrt(np.mean(error**2)) < 0.1 * expected.std()


def test_a_model_that_breaks_its_rules_is_told() -> None:
    content = write(stack(), "int8", calibrate(stack(), [{"x": X}]))
    with pytest.raises(PipelineError, match="pointwise"):
        require_hybrid(inspect(content), {"pointwise": "float32"}, "int8")
