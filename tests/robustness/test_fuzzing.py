"""Damaged .tflite files: whatever a command is given, it ends with a word and a status, and within bounds."""

from __future__ import annotations

import pytest

from tests.robustness.fuzzing import COMMANDS, fuzz, sound_files
from tests.robustness.mutations import damaged

QUICK = {name: COMMANDS[name] for name in ("inspect", "bundle", "evaluate")}


def test_a_number_stands_for_the_same_damage_every_time() -> None:
    content = sound_files()[0]
    assert [damaged(content, number) for number in range(20)] == [damaged(content, number) for number in range(20)]
    assert len({damaged(content, number) for number in range(20)}) > 15


def test_damaged_files_end_no_command_without_a_word() -> None:
    tally = fuzz(range(21), sound_files(), QUICK)
    assert not tally.faults
    assert tally.statuses[2] > 10  # most are refused, and some are whole enough
    assert tally.calls == 63


@pytest.mark.slow
def test_many_of_them_through_every_command() -> None:
    tally = fuzz(range(1000, 1140), sound_files())
    assert not tally.faults
