"""The binary result of benchmark_model (`--result_file_path`): `tflite.tools.benchmark.BenchmarkResult`.

A proto2 message of a dozen numbers, read by its wire format (https://protobuf.dev/programming-guides/encoding/), so
that no generated code has to follow the two repositories that the .proto file lives in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.errors import PipelineError

_LATENCY, _MEMORY, _MISC = 2, 3, 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Value = int | float | bytes


@dataclass(frozen=True)
class ProtoResult:
    """The message's fields, in µs where it has ms; None for one that was not set."""

    mean_us: float
    min_us: float
    max_us: float
    std_us: float | None
    median_us: float | None
    """None from a build that does not know percentiles yet."""
    p5_us: float | None
    p95_us: float | None
    init_us: float | None
    first_us: float | None
    """Of the warm-up; None without one, where the file says 0."""
    warmup_mean_us: float | None
    runs: int
    warmup_runs: int | None
    peak_mb: float | None
    """Only with --report_peak_memory_footprint."""
    overall_kb: int | None
    """What the process's memory grew by."""


def parse(content: bytes) -> ProtoResult:
    """The result in a file that benchmark_model wrote.

    Raises:
        PipelineError: it is empty, cut short, or another file.
    """
    try:
        top = dict(_fields(content))
        latency, memory, misc = (
            dict(_fields(_as_bytes(top.get(number, b"")))) for number in (_LATENCY, _MEMORY, _MISC)
        )
        mean, least, most = (_us(latency, number) for number in (1, 2, 3))
        runs = misc.get(2)
    except (ValueError, IndexError, struct.error) as error:
        raise PipelineError(
            f"The result file of benchmark_model is cut short or garbage ({len(content)} bytes: {error}). Run the "
            "benchmark again; if it stays so, give another --benchmark-binary."
        ) from error
    if mean is None or least is None or most is None or not isinstance(runs, int) or runs < 1:
        raise PipelineError(
            f"The result file of benchmark_model ({len(content)} bytes) holds no timed run. Run the benchmark again."
        )
    return ProtoResult(
        mean_us=mean,
        min_us=least,
        max_us=most,
        std_us=_us(latency, 4),
        median_us=_us(latency, 5),
        p5_us=_us(latency, 6),
        p95_us=_us(latency, 7),
        init_us=_us(latency, 8),
        first_us=_us(latency, 9) if misc.get(3) != 0 else None,
        warmup_mean_us=_us(latency, 10),
        runs=runs,
        warmup_runs=_whole(misc.get(3)),
        peak_mb=_number(memory.get(3)),
        overall_kb=_whole(memory.get(2)),
    )


def _fields(content: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field; of one that occurs twice, the last counts, as in proto2."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        value: Value
        if kind == _VARINT:
            value, place = _varint(content, place)
        elif kind == _FIXED32:
            (value,) = struct.unpack_from("<f", content, place)
            place += 4
        elif kind == _FIXED64:
            (value,) = struct.unpack_from("<d", content, place)
            place += 8
        elif kind == _BYTES:
            size, place = _varint(content, place)
            value = content[place : place + size]
            if len(value) < size:
                raise ValueError(f"field {number} ends early")
            place += size
        else:
            raise ValueError(f"no field has the wire type {kind}")
        if number == 0:
            raise ValueError("no field has the number 0")
        yield number, value


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[place + shift // 7]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + shift // 7 + 1
    raise ValueError("a number has more than ten bytes")


def _as_bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message is a number")
    return value


def _number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _whole(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _us(fields: dict[int, Value], number: int) -> float | None:
    ms = _number(fields.get(number))
    return None if ms is None else float(f"{ms * 1000:.7g}")  # a float32 has no more digits
