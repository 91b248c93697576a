"""Runs that are killed at any moment are whole when they are called again."""

from __future__ import annotations

import pytest

from tests.robustness.kills import campaign


@pytest.mark.slow
def test_killed_runs_go_on_and_end_as_undisturbed_ones() -> None:
    tally = campaign(6)
    assert not tally.faults
    assert tally.kills >= 6
