"""Auto tries, measures on held-out examples, and says why."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.auto import FEWEST_HELD_OUT, choose
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.tflite.runner import Runner
from tests.quantization.networks import examples, stack

X = examples(64)
CHOICE = choose(stack(), lambda: [X[:30], X[30:]], len(X))


def test_every_estimator_and_correction_is_tried() -> None:
    names = [str(trial.settings) for trial in CHOICE.trials]
    assert len(names) == len(set(names)) == 6
    assert {trial.settings.estimator for trial in CHOICE.trials} == {"min_max", "mse", "percentile", "entropy"}
    assert any(trial.settings.equalize for trial in CHOICE.trials)
    assert any(trial.settings.rounding == "learned" for trial in CHOICE.trials)


def test_the_choice_is_one_of_the_trials_and_not_a_bad_one() -> None:
    [chosen] = [trial for trial in CHOICE.trials if trial.settings == CHOICE.settings]
    assert chosen.sqnr_db >= CHOICE.trials[0].sqnr_db
    assert f"{chosen.sqnr_db:.1f} dB" in CHOICE.reason


def test_a_quarter_is_held_out() -> None:
    assert CHOICE.held_out == 16


def test_too_few_examples_choose_nothing_and_say_so() -> None:
    few = 4 * FEWEST_HELD_OUT - 4
    choice = choose(stack(), lambda: [X[:few]], few, base=Settings(estimator="mse"))
    assert (choice.settings, choice.trials) == (Settings(estimator="mse"), ())
    assert "too few" in choice.reason


def test_a_spent_budget_ends_the_search_after_the_first() -> None:
    choice = choose(stack(), lambda: [X], len(X), budget=1e-9)
    assert len(choice.trials) == 1
    assert "budget" in choice.reason


def test_what_is_not_to_be_tried_is_not() -> None:
    choice = choose(
        stack(), lambda: [X], len(X), equalizing=False, learning=False, base=Settings(bias_correction=False)
    )
    assert not any(trial.settings.equalize or trial.settings.bias_correction for trial in choice.trials)
    assert len(choice.trials) == 4


@pytest.mark.parametrize("target", ["int8", "int8_per_tensor", "int16x8", "dynamic", "weight_only", "float16"])
def test_every_format_is_written_with_the_corrections(target: str) -> None:
    settings = Settings(rounding="learned", equalize=True)
    prepared = prepare(stack(), lambda: [X], settings)
    content, corrected = quantize(prepared, target, lambda: [X], settings)  # type: ignore[arg-type]
    assert (corrected is None) == (target == "float16")
    expected = Runner(stack(), batch=4).predict(X)
    error = Runner(content, batch=4).predict(X) - expected
    assert np.sqrt(np.mean(error**2)) < (0.25 if target == "int8_per_tensor" else 0.08) * expected.std()
