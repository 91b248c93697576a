"""The one schema of results: what the app's Java writes can be read, and what is wrong with it is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.device.results import read
from pipeline.errors import PipelineError

WRITTEN: dict[str, Any] = {
    "schema": 1,
    "run_id": "a1b2",
    "kind": "app",
    "model": {"name": "int8.tflite", "sha256": "00" * 32, "size_bytes": 637000},
    "device": {
        "serial": None,
        "manufacturer": "Google",
        "model": "Pixel 8",
        "soc": "Tensor G3",
        "abi": "arm64-v8a",
        "android": "14",
        "cpu_cores": [{"id": 0, "max_khz": 1704000}, {"id": 8, "max_khz": 2914000}],
    },
    "delegate": {"asked": "gpu", "got": "xnnpack", "delegated_nodes": 60, "total_nodes": 62, "partitions": 2},
    "threads": 4,
    "affinity": [8],
    "thermal": {"before": {"status": 0, "celsius": 31.5}, "after": {"status": None, "celsius": None}},
    "battery": {"before": {"percent": 80, "charging": True}, "after": {"percent": None, "charging": None}},
    "init_us": 5685,
    "first_us": None,
    "samples_us": [463, 459],
    "latency_us": {"p50": 461, "p90": 462.6, "p95": 462.8, "p99": 463, "min": 459, "max": 463, "mean": 461},
    "memory": {"peak_mb": None},
    "parity": {"golden": True, "identical": False, "differing_bytes": 3, "differing_by_output": {"y": 3}},
    "valid": False,
    "why_not_valid": ["gpu was asked for and xnnpack ran"],
    "error": None,
    "started": "2026-11-24T18:00:00Z",
    "runner_version": "0.1.0",
}


def written(**changes: Any) -> bytes:
    return json.dumps({**WRITTEN, **changes}).encode()


def test_what_is_read_is_what_was_written() -> None:
    assert read(written(), "it").to_json() == WRITTEN


def test_a_newer_apps_keys_are_passed_over() -> None:
    newer = written(npu={"clock": 1}, memory={"peak_mb": 9.5, "swap_mb": 0})
    assert read(newer, "it").memory.peak_mb == 9.5


def test_a_failed_run_has_no_numbers() -> None:
    nothing = dict.fromkeys(("threads", "affinity", "init_us", "first_us", "latency_us", "parity"))
    failed = written(
        **nothing,
        samples_us=[],
        model={"name": None, "sha256": None, "size_bytes": None},
        delegate=dict.fromkeys(WRITTEN["delegate"]),
        error={"what": "no such model"},
    )
    result = read(failed, "it")
    assert result.error is not None
    assert (result.error.what, result.latency_us.p50, result.parity) == ("no such model", None, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (written(schema=2), "'schema'"),
        (written(kind="phone"), "'kind'"),
        (written(threads="many"), "'threads'"),
        (written(model={"name": "x"}), "'model.sha256'"),
        (b"[]", "schema 1"),
        (written()[:-5], "cut short or no JSON"),
        (b"", "0 bytes"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_what_is_wrong_with_a_result_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(PipelineError, match=f"The thing.*{reason}"):
        read(content, "The thing")
