"""SHA-256 of files' contents, remembered from run to run by what no change of a file leaves as it was.

A file's size, inode, time of modification and time of change stand for its content. The last of them cannot be set by a
program, so that a file that was replaced under its old date is read again; a copy is read again too, and its content
found to be the same. A file that changed within the last seconds is not remembered, since a clock's step could hide
another change, as in git's index.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.data.cache import cache_folder
from pipeline.errors import InputError
from pipeline.files import sha256

SETTLED = 2.0
"""Seconds after which a file's times tell any further change."""
UNREADABLE = "unreadable"
"""Stands for a file that cannot be read; what that means, whoever reads the example says."""
_TABLE = "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"
_READERS = 4


def digests(paths: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file, in hexadecimal.

    Files that are as they were when they were last read are not read. Where the cache folder cannot be written, all
    are.
    """
    now = time.time()
    stamps = [_stamp(path) for path in paths]
    with _database() as database:
        found = [_remembered(database, path, stamp) for path, stamp in zip(paths, stamps, strict=True)]
        unknown = [place for place, digest in enumerate(found) if digest is None]
        with ThreadPoolExecutor(_READERS) as pool:
            read = list(pool.map(_read, (paths[place] for place in unknown)))
        for place, digest in zip(unknown, read, strict=True):
            found[place] = digest
        kept = [
            (_key(paths[place]), stamps[place], digest)
            for place, digest in zip(unknown, read, strict=True)
            if digest != UNREADABLE and _settled(paths[place], stamps[place], now)
        ]
        if database is not None and kept:
            with contextlib.suppress(sqlite3.Error), database:  # a full disk or a lock: read again next time
                database.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", kept)
    return [digest if digest is not None else UNREADABLE for digest in found]


@contextlib.contextmanager
def _database() -> Iterator[sqlite3.Connection | None]:
    """The remembered digests; None where they can neither be read nor written."""
    database = None
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(folder / "file-digests.sqlite", timeout=5)
        database.execute(_TABLE)
    except (OSError, InputError, sqlite3.Error):  # InputError: no home folder
        if database is not None:
            database.close()
        database = None
    try:
        yield database
    finally:
        if database is not None:
            database.close()


def _remembered(database: sqlite3.Connection | None, path: Path, stamp: str) -> str | None:
    if database is None:
        return None
    try:
        row = database.execute("SELECT stamp, sha256 FROM digests WHERE path = ?", (_key(path),)).fetchone()
    except sqlite3.Error:
        return None
    return str(row[1]) if row is not None and row[0] == stamp else None


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_dev} {stat.st_ino}"


def _settled(path: Path, stamp: str, now: float) -> bool:
    """Whether the file has rested, and is after the reading as it was before."""
    _, modified, changed, *_ = map(int, stamp.split())
    return max(modified, changed) / 1e9 < now - SETTLED and _stamp(path) == stamp


def _read(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return UNREADABLE
