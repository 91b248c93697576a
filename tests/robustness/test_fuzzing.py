"""Damaged .tflite files: whatever a command is given, it ends with a word and a status, and within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.robustness import forked
from tests.robustness.fuzzing import COMMANDS, fuzz
from tests.robustness.mutations import damaged
from tests.robustness.sound_files import sound_files

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


def test_files_that_were_at_fault_once_are_not_again() -> None:
    """A name of an input that colours the terminal, a convolution of int32, operators that write nothing."""
    assert not fuzz((50027, 50072, 50284, 50450), sound_files(), QUICK).faults


def test_a_fork_ends_as_a_process_of_its_own_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sound.tflite").write_bytes(sound_files()[1])
    Path("cut.tflite").write_bytes(sound_files()[1][:500])
    commands = [["inspect", "sound.tflite"], ["inspect", "cut.tflite"], ["inspect", "--no-such"]]
    forks = forked.calls(commands)
    for command, fork in zip(commands, forks, strict=True):
        fresh = forked.fresh_call(command)
        assert (fork.status, fork.stdout, fork.stderr) == (fresh.status, fresh.stdout, fresh.stderr)
    assert [fork.status for fork in forks] == [0, 2, 2]


@pytest.mark.parametrize(
    ("code", "fault"), [("import os; os.abort()", "signal"), ("while True: pass", "hang"), ("1 / 0", "traceback")]
)
def test_what_a_call_must_not_do_is_seen(code: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.main", lambda: exec(code))
    first, second = forked.calls([["one"], ["two"]], seconds=1)
    assert fault in first.faults()
    assert fault in second.faults()  # the first took no other with it


@pytest.mark.slow
def test_many_of_them_through_every_command() -> None:
    tally = fuzz(range(1000, 1140), sound_files(), fresh_every=70)
    assert not tally.faults
    assert tally.fresh == 18
