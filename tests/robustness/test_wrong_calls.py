"""Wrong calls and wrong recipes end with status 2 and a message that can be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.robustness.wrong_calls import attack, commands, every_call, of_files, of_options, of_recipes


def test_every_command_and_key_is_called() -> None:
    calls = every_call()
    assert len(calls) > 4000
    known = set(commands())
    assert {call.arguments[: len(words)] for call in of_options() for words in known} >= known
    assert any("epochs" in (call.recipe or {}).get("train", {}) for call in of_recipes() if _has_sections(call.recipe))


def _has_sections(recipe: Any) -> bool:
    return isinstance(recipe, dict) and isinstance(recipe.get("train", {}), dict)


def test_some_of_them() -> None:
    tally = attack([*list(of_recipes())[::450], *list(of_options())[::250], *list(of_files())[::150]])
    assert not tally.faults
    assert tally.statuses[2] > 10


@pytest.mark.slow
def test_many_of_them() -> None:
    tally = attack(every_call()[:600])
    assert not tally.faults
