"""Damaged flatbuffers, by a number each: bits, ends, tables and metadata that no writer wrote."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, MetadataT

from pipeline.tflite import flatbuffer, metadata

Random = np.random.Generator

NUMBERS = (-1, 0, 1, 2, 3, 127, 255, 256, 65_535, 2**31 - 1, -(2**31), 2**20)
"""What stands where an index, a count or a side should."""
SCALES = (0.0, -1.0, float("nan"), float("inf"), 1e-45, 1e38, 1.0)
TEXTS = (b"", b"\xff\xfe\x00", b"\x1b]0;title\x07\x1b[31m", b"a" * 10_000, "é".encode(), b"\n\r\x08")
VALUES: tuple[Any, ...] = (
    None, True, -1, 2**70, 1e308, "", "\x1b[2J", [], {}, [[[]]], {"a": {}}, "x" * 5000, ["y"] * 50, {"scale": "0..1"},
    {"mean": "a"}, float("nan"),
)  # fmt: skip


def damaged(content: bytes, number: int) -> bytes:
    """One damaged form of a .tflite file; the same for the same number."""
    random = np.random.default_rng(number)
    kinds: list[Callable[[bytes, Random], bytes]] = [flipped, cut, edited, edited, edited, described, spliced]
    return kinds[number % len(kinds)](content, random)


def flipped(content: bytes, random: Random) -> bytes:
    """One to a few bits."""
    found = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(len(found)))
        found[place] ^= 1 << int(random.integers(8))
    return bytes(found)


def cut(content: bytes, random: Random) -> bytes:
    """Without its end, or with the end of something else."""
    kept = content[: int(random.integers(len(content)))]
    return kept + random.bytes(int(random.integers(64))) if random.integers(2) else kept


def spliced(content: bytes, random: Random) -> bytes:
    """A run of bytes overwritten by others of the same file."""
    found, length = bytearray(content), int(random.integers(1, 64))
    source, target = (int(place) for place in random.integers(0, len(content) - length, 2))
    found[target : target + length] = content[source : source + length]
    return bytes(found)


def edited(content: bytes, random: Random) -> bytes:
    """A well-formed flatbuffer with one to three values that make no sense."""
    model = flatbuffer.read(content)
    for _ in range(int(random.integers(1, 4))):
        places = list(_places(model))
        owner, key = places[int(random.integers(len(places)))]
        _put(owner, key, random)
    try:
        return flatbuffer.serialize(model)
    except Exception:  # what cannot even be packed is another bit flip
        return flipped(content, random)


def _places(model: Any) -> Iterator[tuple[Any, Any]]:
    """Every attribute and entry of the object tree that may be changed."""
    waiting: list[Any] = [model]
    while waiting:
        owner = waiting.pop()
        items = enumerate(owner) if isinstance(owner, list) else vars(owner).items()
        for key, value in items:
            yield owner, key
            if isinstance(value, list) or (hasattr(value, "__dict__") and type(value).__name__.endswith("T")):
                waiting.append(value)


def _put(owner: Any, key: Any, random: Random) -> None:
    value = owner[key] if isinstance(owner, list) else getattr(owner, key)
    new: Any
    if isinstance(value, np.ndarray) and value.size:
        new = value.copy()
        choices = SCALES if value.dtype.kind == "f" else NUMBERS
        with np.errstate(all="ignore"):
            new.flat[int(random.integers(value.size))] = np.array(choices[int(random.integers(len(choices)))]).astype(
                value.dtype
            )
        if random.integers(4) == 0:
            new = new.ravel()[: int(random.integers(value.size))]
    elif isinstance(value, bytes | str):
        new = TEXTS[int(random.integers(len(TEXTS)))]
    elif isinstance(value, bool):
        new = not value
    elif isinstance(value, float):
        new = SCALES[int(random.integers(len(SCALES)))]
    elif isinstance(value, int):
        new = NUMBERS[int(random.integers(len(NUMBERS)))]
    elif isinstance(value, list) and value:
        new = [value[:-1], [*value, value[0]], []][int(random.integers(3))]
    else:
        new = None
    if isinstance(owner, list):
        owner[key] = new
    else:
        setattr(owner, key, new)


def described(content: bytes, random: Random) -> bytes:
    """Metadata that nobody wrote: entries of another type, no JSON, a damaged archive, labels that are no text."""
    fields: dict[str, Any] = {
        "name": "a", "description": "", "version": "1", "labels": ["a", "b"],
        "preprocessing": {"scale": "0..1", "size": [8, 8], "mean": [0.0], "std": [1.0], "shape": [8, 8, 1]},
        "task": {"name": "classification"}, "provenance": {"golden": {"input": "a", "output": "b"}, "keep": []},
    }  # fmt: skip
    for _ in range(int(random.integers(1, 4))):
        where = fields if random.integers(2) else fields["preprocessing" if random.integers(2) else "provenance"]
        if isinstance(where, dict) and where:
            where[list(where)[int(random.integers(len(where)))]] = VALUES[int(random.integers(len(VALUES)))]
    text = json.dumps(fields).encode()
    if random.integers(8) == 0:
        text = b"[" * 50_000
    if random.integers(6) == 0:
        text = flipped(text, random)
    model = flatbuffer.read(content)
    for name in (metadata.OUR_BUFFER, metadata.STANDARD_BUFFER):
        if name == metadata.OUR_BUFFER or random.integers(2):
            model.metadata = [*(model.metadata or []), MetadataT(name=name, buffer=len(model.buffers))]
            model.buffers.append(BufferT(data=np.frombuffer(text, np.uint8)))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED if random.integers(2) else zipfile.ZIP_STORED) as file:
        file.writestr("labels.txt", TEXTS[int(random.integers(len(TEXTS)))])
        if random.integers(3) == 0:
            file.writestr("padding.bin", bytes(10 << 20))
    packed = archive.getvalue()
    return flatbuffer.serialize(model) + (flipped(packed, random) if random.integers(4) == 0 else packed)
