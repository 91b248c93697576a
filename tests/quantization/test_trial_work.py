"""The work of a candidate is counted, not timed."""

from __future__ import annotations

from dataclasses import replace

from pipeline.quantization.ptq import Settings
from pipeline.quantization.trial_work import PER_VALUE, PER_WEIGHT, TrialWork
from tests.quantization.sensitivity.models import chain, weights

CONTENT = chain(weights(6, 5))
"""One layer that makes 6 values of 5."""
BARE = Settings(bias_correction=False)


def test_a_pass_counts_multiplications_and_values_and_a_file_its_weights() -> None:
    one_pass = 30 + PER_VALUE * 6
    assert TrialWork(CONTENT, 100, 20).of(BARE) == (120 * one_pass + 30 * PER_WEIGHT) / 1e9
    assert TrialWork(CONTENT, 100, 20, times=4).of(BARE) == 4 * TrialWork(CONTENT, 100, 20).of(BARE)


def test_corrections_cost_more_and_learned_rounding_most() -> None:
    work = TrialWork(CONTENT, 100, 20)
    corrected = replace(BARE, bias_correction=True)
    costs = [work.of(one) for one in (BARE, corrected, replace(corrected, equalize=True))]
    assert costs == sorted(set(costs))
    assert work.of(replace(corrected, rounding="learned")) > costs[-1]
