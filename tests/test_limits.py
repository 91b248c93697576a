"""A few bytes that stand for gigabytes are refused in a few words, before they are unpacked."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import limits
from pipeline.cluster import this_worker
from pipeline.device import results
from pipeline.errors import InputError, PipelineError, bounded
from pipeline.quantization.ranges import Ranges
from pipeline.workflow.run_folder import MANIFEST, Run

DEEP = {
    "for Python": "[" * 100_000,
    "for us": "[" * 500 + "]" * 500,
    "in objects": '{"a":' * 500 + "1" + "}" * 500,
}
LONG = {"whole": "9" * 5000, "in a list": f"[{'1' * 30}]", "negative": "-" + "8" * 4000}


@pytest.mark.parametrize("text", [*DEEP.values(), *LONG.values()], ids=[*DEEP, *LONG])
def test_json_that_is_too_deep_or_of_too_long_numbers_is_refused(text: str) -> None:
    for content in (text, text.encode()):
        with pytest.raises(ValueError) as refused:
            limits.json_value(content)
        assert len(str(refused.value)) < 200


def test_json_that_is_too_large_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JSON_BYTES", 100)
    (tmp_path / "a.json").write_text(json.dumps("x" * 90))
    assert limits.json_file(tmp_path / "a.json") == "x" * 90
    (tmp_path / "a.json").write_text(json.dumps("x" * 100))
    with pytest.raises(ValueError, match="larger than"):
        limits.json_file(tmp_path / "a.json")
    with pytest.raises(ValueError, match="JSON of more than"):
        limits.json_value("1" + " " * 100)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(), st.lists))
def test_other_json_is_what_it_was(value: object) -> None:
    assert limits.json_value(json.dumps(value)) == value


@pytest.mark.parametrize("text", [DEEP["for Python"], LONG["whole"], '{"stages": [[[[]]]]}', "\xff", "nul"])
def test_every_reader_of_json_says_it_in_a_sentence(text: str, tmp_path: Path) -> None:
    content = text.encode("latin-1")
    for name in (MANIFEST, "ranges.json"):
        (tmp_path / name).write_bytes(content)
    for read in (
        lambda: Run(tmp_path).manifest["stages"],
        lambda: Ranges.load(tmp_path / "ranges.json"),
        lambda: results.read(content, "It"),
        lambda: this_worker({"TF_CONFIG": text}),
    ):
        with pytest.raises(PipelineError) as refused:
            read()
        assert len(str(refused.value)) < 600


def packed(name: str = "a.txt", content: bytes = b"a", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_a_member_is_unpacked_no_further_than_asked() -> None:
    with limits.archive(io.BytesIO(packed(content=bytes(1000)))) as archive:
        assert limits.member(archive, "a.txt", 1000) == bytes(1000)
    with pytest.raises(ValueError, match="larger"), limits.archive(io.BytesIO(packed(content=bytes(1001)))) as archive:
        limits.member(archive, "a.txt", 1000)


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 95, 99], ids=lambda method: f"method {method}")
def test_an_odd_or_damaged_method_is_a_sentence(method: int) -> None:
    content = bytearray(packed(content=b"a" * 100, method=zipfile.ZIP_DEFLATED))
    content[8] = method
    content[content.index(b"PK\x01\x02") + 10] = method
    with pytest.raises(ValueError, match="zip archive is damaged"), limits.archive(io.BytesIO(content)) as archive:
        limits.member(archive, "a.txt")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_whatever_is_wrong_with_an_archive_is_a_value_error(place: int, wrong: bytes) -> None:
    content = bytearray(packed(content=b"a" * 200))
    content[place : place + len(wrong)] = wrong
    try:
        with limits.archive(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                limits.member(archive, name)
    except ValueError:
        pass


def test_a_text_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEXT_BYTES", 10)
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfabc")
    assert limits.text_file(tmp_path / "a") == "abc"
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(ValueError, match="larger"):
        limits.text_file(tmp_path / "a")


@pytest.mark.parametrize("sign", ["x", "é", "中", "\x1b", "\U0001f600", "a ", "é "])
@pytest.mark.parametrize("count", [1, 299, 301, 100_000])
def test_a_message_is_never_longer_than_a_screen(sign: str, count: int) -> None:
    text = f"'{sign * count}' is none. Give another."
    shown = str(InputError(text))
    assert len(shown.encode()) <= 1800
    assert shown.startswith("'")
    assert shown.endswith(" is none. Give another.")
    if count * len(sign.encode()) < 290 and sign != "\x1b":
        assert shown == text
    assert len(bounded("\n".join(["line"] * 10_000)).encode()) <= 1800
