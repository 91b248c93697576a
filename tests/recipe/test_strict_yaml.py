"""What no recipe may be: keys twice, a bomb of anchors, numbers without end. Each is one short paragraph."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.recipe import lay_over, load, strict_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nmodel: {name: X}\nname: b", r"'name' stands twice, in lines 1 and 3"),
        ("a: {b: 1, c: 2, b: 3}", "'b' stands twice"),
        ("[" * 3000 + "]" * 3000, "recursion"),
        ("a: " + "9" * 5000, "4300 digits"),
        (BOMB, "more than 100,000 values"),
        ("a: &a [*a]", "more than 100,000 values"),
        ("? [1, 2]\n: 3", "unhashable"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: 2020-99-99", "month"),
        ("a: \x00", "not allowed"),
    ],
    ids=["twice", "twice inside", "deep", "digits", "anchors", "itself", "list as key", "tag", "date", "control"],
)
def test_it_is_refused_in_a_few_words(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        strict_yaml.parsed(text, "The recipe a.yaml")
    assert str(refused.value).startswith("The recipe a.yaml ")
    assert len(str(refused.value)) < 500


def test_a_merge_key_is_no_second_key() -> None:
    assert strict_yaml.parsed("b: &b {x: 1}\nc: {<<: *b, x: 2}", "it") == {"b": {"x": 1}, "c": {"x": 2}}


def test_merge_keys_that_stand_for_too_much_are_not_followed() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{number}: 1" for number in range(50)) + "}"]
    lines += [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 50)}]}}" for level in range(1, 12)]
    with pytest.raises(InputError, match="'<<' merges has more than 100,000 keys"):
        strict_yaml.parsed("\n".join(lines), "It")


def test_a_file_of_another_kind_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"# " + b"x" * (2 << 20))
    with pytest.raises(InputError, match="larger than 256 KB"):
        load(str(large))
    with pytest.raises(InputError, match="is no file"):
        strict_yaml.read(tmp_path)


def test_messages_show_no_more_than_the_beginning_of_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    keys = "".join(f"key{number}: 1\n" for number in range(500))
    path.write_text(f"name: {'n' * 5000}/\nmodel: {{name: {'m' * 5000}, alpha: '{'x' * 5000}'}}\n{keys}")
    with pytest.raises(InputError) as refused:
        load(str(path))
    assert len(str(refused.value)) < 2000
    assert "more." in str(refused.value)
    with pytest.raises(InputError) as refused:
        lay_over({}, "\x1b]0;title\x07" + "x" * 5000)
    assert len(str(refused.value)) < 500
    assert "\x1b" not in str(refused.value)
