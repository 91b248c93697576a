"""A file's content is read again exactly when it may have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pipeline.data import file_digests
from pipeline.data.file_digests import UNREADABLE, digests


@pytest.fixture(autouse=True)
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read; what has been written counts as settled at once."""
    seen: list[Path] = []
    read = file_digests._read
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "SETTLED", -60.0)
    monkeypatch.setattr(file_digests, "_read", lambda path: (seen.append(path), read(path))[1])
    return seen


def written(path: Path, content: bytes = b"one") -> Path:
    path.write_bytes(content)
    return path


def test_it_is_the_sha_256_of_the_content(tmp_path: Path) -> None:
    assert digests([written(tmp_path / "a")]) == [hashlib.sha256(b"one").hexdigest()]


def test_what_did_not_change_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    files = [written(tmp_path / "a"), written(tmp_path / "b", b"two")]
    first = digests(files)
    assert digests(files) == first
    assert sorted(reads) == files


def test_another_content_under_the_old_size_and_date_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    before, times = digests([path]), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digests([path]) != before


def test_a_touched_file_and_a_copy_have_the_same_digest(tmp_path: Path, reads: list[Path]) -> None:
    path = written(tmp_path / "a")
    before = digests([path])
    os.utime(path, ns=(1, 1))
    assert digests([path, written(tmp_path / "b")]) == before * 2
    assert len(reads) == 3


def test_a_file_written_just_now_is_not_remembered(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "SETTLED", 60.0)
    path = written(tmp_path / "a")
    digests([path])
    digests([path])
    assert reads == [path, path]


def test_without_a_cache_folder_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_CACHE", str(written(tmp_path / "no folder")))
    path = written(tmp_path / "a")
    assert digests([path]) == digests([path]) == [hashlib.sha256(b"one").hexdigest()]


def test_a_damaged_memory_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    written(tmp_path / "cache" / "file-digests.sqlite", b"no database" * 100)
    assert digests([written(tmp_path / "a")]) == [hashlib.sha256(b"one").hexdigest()]


def test_an_unreadable_file_is_left_to_whoever_reads_the_example(tmp_path: Path) -> None:
    assert digests([tmp_path / "nothing"]) == [UNREADABLE]


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    path = written(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    assert digests([path]) == digests([path]) == [hashlib.sha256(b"one").hexdigest()]
