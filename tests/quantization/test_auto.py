"""Auto tries, measures on held-out examples, and says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.fidelity import Noise
from pipeline.quantization import auto
from pipeline.quantization.auto import ESTIMATORS, FEWEST_HELD_OUT, Choice, Trial, choose
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.quantization.trial import MARGIN_DB, best_of
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tflite.runner import Runner
from tests.quantization import networks
from tests.quantization.networks import examples, stack
from tests.quantization.sensitivity.models import chain, classifier, weights

X = examples(64)
TASK = classifier(stack())
CHOICE = choose(stack(), lambda: [{"x": X[:30]}, {"x": X[30:]}], len(X), task=TASK)


def trial(sqnr_db: float, *agreed: float, name: str = "") -> Trial:
    """A candidate with this signal to noise ratio and agreement on each example."""
    settings = Settings(estimator=name or "min_max")  # type: ignore[arg-type]
    return Trial(settings, float(np.mean(agreed)), sqnr_db, 0.0, np.array(agreed, np.float64))


ALIKE = [1.0] * 20


def test_a_higher_ratio_wins_where_the_answers_are_the_same() -> None:
    first, second = trial(30, *ALIKE), trial(33, *ALIKE)
    assert best_of([first, second]) is second
    assert best_of([second, first]) is second


def test_it_must_be_higher_by_the_margin_and_the_margin_is_enough() -> None:
    first, almost, enough = (trial(30 + more, *ALIKE) for more in (0, 0.99 * MARGIN_DB, MARGIN_DB))
    assert best_of([first, almost]) is first
    assert best_of([first, enough]) is enough


def test_steps_below_the_margin_do_not_add_up_but_those_above_do() -> None:
    small = [trial(30 + number * 0.9 * MARGIN_DB, *ALIKE) for number in range(3)]
    assert best_of(small) is small[2]  # 1.8 margins above the first, which the second did not replace
    large = [trial(30 + number * 1.1 * MARGIN_DB, *ALIKE) for number in range(3)]
    assert best_of(large) is large[2]


def test_a_better_agreement_wins_whatever_the_ratio_where_it_is_no_chance() -> None:
    poor, good = trial(40, *[0.0] * 12, *[1.0] * 8), trial(20, *ALIKE)
    assert best_of([poor, good]) is good
    assert best_of([good, poor]) is good


def test_a_better_agreement_within_chance_does_not_win_by_itself() -> None:
    first, second = trial(30, *[1.0] * 19, 0.0), trial(30, *ALIKE)
    assert best_of([first, second]) is first
    assert best_of([first, replace(second, sqnr_db=30 + MARGIN_DB)]).sqnr_db == 30 + MARGIN_DB


def test_a_worse_agreement_within_chance_does_not_stop_a_higher_ratio() -> None:
    first, second = trial(30, *ALIKE), trial(35, *[1.0] * 19, 0.0)
    assert best_of([first, second]) is second


def test_a_higher_ratio_does_not_make_up_for_answers_that_are_worse_beyond_chance() -> None:
    first, second = trial(30, *ALIKE), trial(60, *[0.0] * 12, *[1.0] * 8)
    assert best_of([first, second]) is first


def test_the_bound_of_chance_itself_is_within_chance() -> None:
    """Agreements that never differ have an interval of nothing but 0."""
    halves = [0.5] * 20
    assert best_of([trial(30, *halves), trial(35, *halves)]).sqnr_db == 35
    assert best_of([trial(30, *halves), trial(30, *halves, name="mse")]).settings.estimator == "min_max"


def test_agreements_between_0_and_1_are_compared_too() -> None:
    rng = np.random.default_rng(0)
    lower = rng.uniform(0.8, 0.9, 20)
    first, second = trial(30, *lower), trial(30, *(lower + 0.02))
    assert best_of([first, second]) is second


@pytest.mark.parametrize("ratio", [np.inf, -np.inf])
def test_of_equal_ratios_without_end_the_simpler_stays(ratio: float) -> None:
    first, second = trial(ratio, *ALIKE), trial(ratio, *ALIKE, name="mse")
    assert best_of([first, second]) is first


def test_candidates_are_compared_in_turn_with_the_best_so_far() -> None:
    first, better, little_more = (trial(ratio, *ALIKE) for ratio in (30, 31, 31.3))
    assert best_of([first, better, little_more]) is better
    poor, good = trial(30, *[0.0] * 12, *[1.0] * 8), trial(30, *ALIKE)
    assert best_of([poor, good, trial(30, *ALIKE, name="mse")]) is good


def test_every_estimator_comes_first_then_each_correction_on_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ("entropy", "min_max", "mse", "percentile")  # the worst one here comes first
    monkeypatch.setattr(auto, "ESTIMATORS", order)
    x = networks.inputs_of("any_size", 64)
    choice = choose(networks.any_size(), lambda: [x], 64, task=Fidelity())
    settings = [one.settings for one in choice.trials]
    assert tuple(one.estimator for one in settings[:4]) == order
    assert not any(one.equalize or one.rounding == "learned" for one in settings[:4])
    best = best_of(choice.trials[:4]).settings
    assert best.estimator != order[0]
    assert settings[4] == replace(best, equalize=True)
    assert settings[5] == replace(best_of(choice.trials[:5]).settings, rounding="learned")
    assert len(settings) == 6


def test_the_choice_is_the_best_of_all_trials() -> None:
    best = best_of(CHOICE.trials)
    assert CHOICE.settings == best.settings
    assert f"{best.sqnr_db:.1f} dB" in CHOICE.reason


def test_the_trials_numbers_are_those_of_the_written_model_on_the_held_out_quarter() -> None:
    assert CHOICE.held_out == 16
    fit, held = X[:48], X[48:]
    first = CHOICE.trials[0].settings
    written, _ = quantize(prepare(stack(), lambda: [{"x": fit}], first), "int8", lambda: [{"x": fit}], first)
    expected, found = (Runner(content, batch=4)({"x": held}).real["dense"] for content in (stack(), written))
    noise = Noise()
    noise.add(expected, found)
    assert CHOICE.trials[0].sqnr_db == pytest.approx(noise.sqnr_db, abs=1e-3)
    assert CHOICE.trials[0].agreement == (expected.argmax(1) == found.argmax(1)).mean()


def test_probabilities_are_compared_before_the_softmax() -> None:
    x = weights(64, 6, seed=9)
    layers = weights(6, 6), weights(4, 6, seed=1)
    bare, ended = (
        choose(content, lambda: [{"x": x}], 64, task=classifier(content), equalizing=False, learning=False)
        for content in (chain(*layers), chain(*layers, ending="SOFTMAX"))
    )
    for one, other in zip(bare.trials, ended.trials, strict=True):
        assert one.sqnr_db == pytest.approx(other.sqnr_db, abs=0.3)
        assert one.agreement == other.agreement


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_any_inputs_and_outputs(network: str) -> None:
    x = networks.inputs_of(network, 64)
    choice = choose(networks.NETWORKS[network](), lambda: [x], 64, task=Fidelity())
    assert len(choice.trials) == 6
    assert all(8 < one.sqnr_db < 60 and 0.9 < one.agreement < 1 for one in choice.trials)
    assert all(one.agreed.shape == (16,) for one in choice.trials)


@pytest.mark.parametrize("few", [2, 3, 4 * FEWEST_HELD_OUT - 1])
def test_of_few_examples_each_is_held_out_once(few: int) -> None:
    choice = choose(stack(), lambda: [{"x": X[: few // 2]}, {"x": X[few // 2 : few]}], few, task=TASK)
    assert choice.held_out == few
    assert all(one.agreed.shape == (few,) for one in choice.trials)
    assert f"{few} examples, each of them held out in one of {min(4, few)} fits" in choice.reason


def test_what_a_fold_holds_out_takes_no_part_in_its_fit() -> None:
    """Each of four examples goes far beyond the others' range, which the fold that holds it out clips."""
    wild = np.concatenate([sign * 100 * X[:1] for sign in (1, -1)] + [X[1:3]])
    choice = choose(stack(), lambda: [{"x": wild}], 4, task=TASK, equalizing=False, learning=False)
    assert all(one.sqnr_db < 8 for one in choice.trials)


def test_a_single_example_judges_what_was_fitted_to_it_and_that_is_said() -> None:
    choice = choose(stack(), lambda: [{"x": X[:1]}], 1, task=TASK)
    assert choice.held_out == 0
    assert len(choice.trials) == 6
    assert "the calibration examples themselves" in choice.reason


def test_the_same_examples_give_the_same_choice_and_the_same_file() -> None:
    def written() -> tuple[Choice, bytes]:
        choice = choose(stack(), lambda: [{"x": X}], len(X), task=TASK)
        prepared = prepare(stack(), lambda: [{"x": X}], choice.settings)
        return choice, quantize(prepared, "int8", lambda: [{"x": X}], choice.settings)[0]

    (first, one), (second, other) = written(), written()
    assert first.to_json() == second.to_json()
    assert one == other


def test_a_budget_leaves_out_first_what_helps_least_often() -> None:
    work = {str(one.settings): one.work for one in CHOICE.trials}
    everything = sum(work.values())
    assert not CHOICE.left_out
    assert "not tried" not in CHOICE.reason
    none = choose(stack(), lambda: [{"x": X}], len(X), task=TASK, budget=1e-9)
    assert [one.settings.estimator for one in none.trials] == ["min_max"]
    assert none.left_out == ("learned rounding", "mse", "equalization", "percentile", "entropy")
    assert "not tried" in none.reason
    most = choose(stack(), lambda: [{"x": X}], len(X), task=TASK, budget=everything * (1 - 1e-6))
    assert most.left_out == ("entropy",)
    assert len(most.trials) == 5


def test_what_agrees_more_than_the_choice_is_named() -> None:
    content, x = chain(weights(6, 6, seed=5), weights(4, 6, seed=55)), weights(64, 6, seed=14)
    choice = choose(content, lambda: [{"x": x}], 64, task=classifier(content))
    chosen = next(one for one in choice.trials if one.settings == choice.settings)
    nearer = max(choice.trials, key=lambda one: one.agreement)
    assert chosen.agreement < nearer.agreement
    assert f"({nearer.settings} agrees in {100 * nearer.agreement:.1f} %: within chance" in choice.reason
    assert " agrees in " not in CHOICE.reason
    assert max(one.agreement for one in CHOICE.trials) == CHOICE.trials[0].agreement


def test_what_is_not_to_be_tried_is_not() -> None:
    base = Settings(bias_correction=False, weight_scales="mse")
    choice = choose(stack(), lambda: [{"x": X}], len(X), task=TASK, equalizing=False, learning=False, base=base)
    assert [one.settings for one in choice.trials] == [replace(base, estimator=name) for name in ESTIMATORS]


def test_what_is_held_out_takes_no_part_in_the_fit() -> None:
    """It goes far beyond the other examples' range, which the input of the candidates clips."""
    wild = np.concatenate([X[:48], 100 * X[48:]])
    choice: Choice = choose(
        stack(), lambda: [{"x": wild}], 64, task=TASK, equalizing=False, learning=False, base=Settings()
    )
    assert all(one.sqnr_db < 8 for one in choice.trials)


@pytest.mark.parametrize("target", ["int8", "int8_per_tensor", "int16x8", "dynamic", "weight_only", "float16"])
def test_every_format_is_written_with_the_corrections(target: str) -> None:
    settings = Settings(rounding="learned", equalize=True)
    prepared = prepare(stack(), lambda: [{"x": X}], settings)
    content, corrected = quantize(prepared, target, lambda: [{"x": X}], settings)  # type: ignore[arg-type]
    assert (corrected is None) == (target == "float16")
    expected = Runner(stack(), batch=4)({"x": X}).real["dense"]
    error = Runner(content, batch=4)({"x": X}).real["dense"] - expected
    assert np.sqrt(np.mean(error**2)) < (0.25 if target == "int8_per_tensor" else 0.08) * expected.std()
