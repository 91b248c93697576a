"""How much of a file from elsewhere is read, and why no more: every limit, and the readers that keep them.

Each is far above what people make, and below what one machine's memory holds: a few bytes of an archive, of YAML or of
an image's header can stand for gigabytes.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

JSON_BYTES = 64 << 20
"""Of a configuration, a manifest, a result. The longest of keras.applications has 1 MB; the trees that come out of it
take some 20 times as much memory."""
JSON_DEPTH = 200
"""Of brackets in brackets: a model in a model in a model has 12. Python itself ends at some 1,000 calls."""
JSON_DIGITS = 20
"""Of a whole number, which 64 bits hold. A longer one is no size, index or count, and does not become a float."""
RECIPE_BYTES = 256 << 10
"""A recipe is written by hand; PyYAML reads some 100 KB a second."""
RECIPE_VALUES = 100_000
"""What a recipe's anchors may stand for."""
ANNOTATION_BYTES = 64 << 20
"""Of one image's boxes, as XML or as lines: some 400,000 objects."""
COCO_BYTES = 2 << 30
"""Of a whole data set's annotations: those of COCO itself have 0.5 GB."""
XML_DEPTH = 64
"""Of elements in elements: Pascal VOC has four."""
TEXT_BYTES = 64 << 20
"""Of a list of labels or a line of a table: a million names of 64 letters."""
ARCHIVE_BYTES = 256 << 20
ARCHIVE_RATIO = 20
"""Of a model file unpacked, per byte of the file, where that is more than `ARCHIVE_BYTES`. Keras stores weights as they
are, and trained ones pack to no less than a half; zeros pack to a thousandth."""
IMAGE_PIXELS = 89_478_485
"""Of one image, 268 MB as RGB: what Pillow warns of (`Image.MAX_IMAGE_PIXELS`). The largest cameras have 150 million,
but no model is fed them whole: cut them up."""
RECORDING_SAMPLES = 1 << 27
"""Of one recording, over all channels: 512 MB as float32, 46 minutes at 48 kHz. FLAC packs silence to a thousandth."""
SAMPLE_RATE = 10**6
"""Hz: what is resampled takes a filter as long as the rate. Recorders go to 768 kHz."""


def json_value(content: str | bytes | bytearray) -> Any:
    """What JSON stands for.

    Raises:
        ValueError: it is no JSON, or more, deeper or of longer numbers than anything that is read here.
    """
    if len(content) > JSON_BYTES:
        raise ValueError(f"it is JSON of more than {JSON_BYTES >> 20} MB")
    too_deep = f"its brackets are more than {JSON_DEPTH} deep"
    try:
        value = json.loads(content, parse_int=_whole)
    except RecursionError:
        raise ValueError(too_deep) from None
    if _depth_exceeds(value, JSON_DEPTH):
        raise ValueError(too_deep)
    return value


def json_file(path: Path) -> Any:
    """What a JSON file stands for.

    Raises:
        OSError: it cannot be read.
        ValueError: as `json_value`.
    """
    return json_value(file_bytes(path, JSON_BYTES))


def file_bytes(path: Path, most: int) -> bytes:
    """A whole file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than `most` bytes.
    """
    with path.open("rb") as file:
        return _read(file, most)


def text_file(path: Path) -> str:
    """A short UTF-8 file, with or without a byte-order mark.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, or larger than any such text.
    """
    return file_bytes(path, TEXT_BYTES).decode("utf-8-sig")


@contextlib.contextmanager
def archive(source: Path | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """A zip archive to read from; whatever is wrong with it, or with a member that is read, is a ValueError.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, encrypted, or packed by a method that Python does not know.
    """
    try:
        with zipfile.ZipFile(source) as opened:
            yield opened
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError,
    ) as error:  # fmt: skip
        if isinstance(error, RecursionError):
            raise
        raise ValueError(f"its zip archive is damaged: {error or type(error).__name__}") from error
    except OSError as error:
        if error.errno is None or error.filename is None:  # a place in the file that is not there
            raise ValueError(f"its zip archive is damaged: {error}") from error
        raise


def member(opened: zipfile.ZipFile, name: str, most: int = JSON_BYTES) -> bytes:
    """A member of an archive, unpacked.

    Raises:
        KeyError: there is none.
        ValueError: it is larger than `most` bytes; and what `archive` turns into one.
    """
    with opened.open(name) as packed:
        return _read(packed, most)


def check_unpacked(path: Path, sizes: Iterator[int]) -> None:
    """See that a file does not stand for far more than it holds.

    Args:
        path: The file.
        sizes: Of its parts as they are read, in bytes.

    Raises:
        ValueError: it does.
    """
    held = path.stat().st_size
    most, total = max(ARCHIVE_BYTES, ARCHIVE_RATIO * held), 0
    for size in sizes:
        total += size
        if total > most:
            raise ValueError(
                f"its {held:,} bytes stand for more than {most >> 20:,} MB ({ARCHIVE_RATIO} times as much as it holds "
                f"and more than {ARCHIVE_BYTES >> 20} MB), which no trained weights do"
            )


def _read(file: Any, most: int) -> bytes:
    content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most >> 20} MB")
    return content


def _whole(digits: str) -> int:
    if len(digits) > JSON_DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits):,} digits")
    return int(digits)


def _depth_exceeds(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
