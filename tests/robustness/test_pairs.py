"""Two runs at the same time in one folder are never mixed."""

from __future__ import annotations

import pytest

from tests.robustness.pairs import campaign


@pytest.mark.slow
def test_a_run_is_one_runs() -> None:
    tally = campaign(2)
    assert not tally.faults
    assert tally.pairs == 2
