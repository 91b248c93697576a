"""The binary result, written here by Google's protobuf and read by the project's own reader."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pipeline.device.benchmark_proto import parse
from pipeline.errors import PipelineError

FIELDS = {
    "LatencyMetrics": [
        *("avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms", "p95_ms", "init_ms"),
        *("first_inference_ms", "average_warm_up_ms"),
    ],
    "MemoryMetrics": ["init_footprint_kb:int64", "overall_footprint_kb:int64", "peak_mem_mb"],
    "MiscMetrics": ["model_size_mb", "num_runs:int32", "num_warmup_runs:int32", "model_throughput_in_mb_per_sec"],
    "BenchmarkResult": ["name:string", "latency_metrics:LatencyMetrics", "memory_metrics:MemoryMetrics",
                        "misc_metrics:MiscMetrics"],
}  # fmt: skip
"""`benchmark_result.proto` (proto2), the fields in the order of their numbers."""


def message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="benchmark_result.proto", package="t", syntax="proto2")
    kinds = {"": 2, "int64": 3, "int32": 5, "string": 9}
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for number, entry in enumerate(fields, 1):
            field, _, kind = entry.partition(":")
            if kind in FIELDS:
                message.field.add(name=field, number=number, label=1, type=11, type_name=f".t.{kind}")
            else:
                message.field.add(name=field, number=number, label=1, type=kinds[kind])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.BenchmarkResult"))


@pytest.fixture(scope="module")
def message() -> Any:
    result = message_class()(name="ä run")
    latency = {"avg_ms": 0.5, "min_ms": 0.25, "max_ms": 4, "median_ms": 0.375, "p5_ms": 0.25, "p95_ms": 1}
    for name, value in {**latency, "init_ms": 12.5, "first_inference_ms": 2, "average_warm_up_ms": 1}.items():
        setattr(result.latency_metrics, name, value)
    result.memory_metrics.overall_footprint_kb = 70_000
    result.memory_metrics.peak_mem_mb = 9.5
    result.misc_metrics.num_runs = 2112
    result.misc_metrics.num_warmup_runs = 300
    return result


def test_every_number_is_read(message: Any) -> None:
    found = parse(message.SerializeToString())
    assert (found.mean_us, found.min_us, found.max_us) == (500, 250, 4000)
    assert (found.median_us, found.p5_us, found.p95_us, found.std_us) == (375, 250, 1000, None)
    assert (found.init_us, found.first_us, found.warmup_mean_us) == (12500, 2000, 1000)
    assert (found.runs, found.warmup_runs, found.peak_mb, found.overall_kb) == (2112, 300, 9.5, 70_000)


def test_a_float32s_own_digits_are_kept_and_no_others(message: Any) -> None:
    other = type(message)()
    other.CopyFrom(message)
    other.latency_metrics.avg_ms, other.latency_metrics.min_ms = 0.0013333333, 1234.567
    found = parse(other.SerializeToString())
    assert (found.mean_us, found.min_us) == (1.333333, 1_234_567)


def test_what_is_not_set_is_none(message: Any) -> None:
    small = type(message)()
    for name in ("avg_ms", "min_ms", "max_ms"):
        setattr(small.latency_metrics, name, 1)
    small.misc_metrics.num_runs = 1
    found = parse(small.SerializeToString())
    assert (found.median_us, found.init_us, found.peak_mb, found.warmup_runs) == (None, None, None, None)


def test_fields_of_a_newer_schema_are_passed_over(message: Any) -> None:
    unknown = bytes([15 << 3 | 1, *[0] * 8, 14 << 3 | 5, *[0] * 4, 13 << 3, 200, 1, 12 << 3 | 2, 1, 0])
    assert parse(message.SerializeToString() + unknown) == parse(message.SerializeToString())


def test_without_a_warm_up_there_is_no_first_inference(message: Any) -> None:
    other = type(message)()
    other.CopyFrom(message)
    other.misc_metrics.num_warmup_runs = 0
    assert parse(other.SerializeToString()).first_us is None


def test_a_file_cut_anywhere_is_refused(message: Any) -> None:
    # The last part, memory and misc, may be cut off whole and leave a file that is well formed.
    content = message.SerializeToString()
    for size in range(len(content)):
        with pytest.raises(PipelineError, match=r"cut short or garbage|no timed run"):
            parse(content[:size])


@pytest.mark.parametrize("garbage", [b"\xff" * 40, b"hello there", b"\x10\x05", b"\x13", b"\x00\x01", b"\x12\x02\x0a"])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(PipelineError, match=r"garbage|no timed run"):
        parse(garbage)
