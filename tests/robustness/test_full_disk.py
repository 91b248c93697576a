"""What is written on a disk that is full, cut short or read-only is whole or not there, and the next call goes on."""

from __future__ import annotations

import pytest

from tests.robustness.full_disk import WITHOUT_TENSORFLOW, attack, small_files


def test_a_bundle_that_does_not_fit() -> None:
    tally = attack(("bundle",), 3, {"file limit": small_files})
    assert not tally.faults
    assert tally.statuses[1] == 3
    assert tally.resumed == 3


@pytest.mark.slow
def test_every_command_without_tensorflow() -> None:
    tally = attack(WITHOUT_TENSORFLOW, 5)
    assert not tally.faults
    assert tally.resumed == tally.calls


@pytest.mark.slow
def test_a_whole_run() -> None:
    tally = attack(("run",), 3)
    assert not tally.faults
    assert tally.resumed == tally.calls
