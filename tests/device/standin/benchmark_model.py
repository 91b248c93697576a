"""The stand-in's benchmark_model: really runs the model on this host, and reports as the official program does.

The formats are those of `benchmark_model.cc`, `benchmark_tflite_model.cc` and `benchmark_litert_model.h`.
"""

from __future__ import annotations

import itertools
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, pstdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.tensors import TensorSpec

COMMON = (
    *("num_runs", "min_secs", "max_secs", "num_threads", "warmup_runs", "warmup_min_secs"),
    *("report_peak_memory_footprint", "graph", "require_full_delegation", "result_file_path"),
)
OWN = {
    "tflite": (
        *("input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath", "enable_op_profiling"),
        *("op_profiling_output_mode", "op_profiling_output_file", "use_xnnpack", "use_gpu", "use_nnapi"),
    ),
    "litert": ("use_cpu", "use_gpu", "use_npu", "dispatch_library_path", "use_profiler"),
}
DEFAULTS = {"num_runs": "50", "min_secs": "1", "max_secs": "150", "warmup_runs": "1", "warmup_min_secs": "0.5"}


def main(dialect: str = "tflite", fault: str = "") -> None:
    """Run as the program of that dialect.

    Args:
        dialect: tflite or litert.
        fault: What goes wrong: killed, garbage, truncated, disagree, silent, hang, or nothing.
    """
    names = (*COMMON, *OWN[dialect])
    info("STARTING!")
    if "--help" in sys.argv:
        print("usage: benchmark_model <flags>\nFlags:", file=sys.stderr)
        for name in names:
            print(f"\t--{name}={DEFAULTS.get(name, '')}\tstring\toptional\t{name}", file=sys.stderr)
        print("ERROR: Benchmarking failed.", file=sys.stderr)
        sys.exit(1)
    flags = {**DEFAULTS, **dict(argument[2:].split("=", 1) for argument in sys.argv[1:])}
    unknown = [name for name in flags if name not in names]
    if unknown:
        print(f"WARN: Unconsumed cmdline flags: {' '.join(unknown)}", file=sys.stderr)
    if fault == "killed":
        os.kill(os.getpid(), 9)
    if fault == "hang":
        time.sleep(600)
    if fault == "silent":
        return
    run(dialect, flags, fault)


def run(dialect: str, flags: dict[str, str], fault: str) -> None:
    from pipeline.benchmarking.inputs import random_inputs
    from pipeline.errors import PipelineError
    from pipeline.tflite.runner import Runner

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter_ns()
    xnnpack = flags.get("use_xnnpack", "true") == "true"
    try:
        runner = Runner(Path(flags["graph"]), threads=int(flags["num_threads"]), xnnpack=xnnpack)
        runner.feed(*(given_inputs(flags, runner.inputs) or random_inputs(runner)))
    except PipelineError as error:
        print(f"ERROR: Failed to load model {flags['graph']}: {error}", file=sys.stderr)
        print("ERROR: Benchmarking failed.", file=sys.stderr)
        sys.exit(1)
    info(f"Loaded model {flags['graph']}")
    delegated = runner.delegated
    if delegated:
        nodes = len(runner._interpreter._get_ops_details()) - 1
        print(
            f"INFO: Replacing {round(delegated * nodes)} out of {nodes} node(s) with delegate (TfLiteXNNPackDelegate) "
            "node, yielding 1 partitions for subgraph 0.",
            file=sys.stderr,
        )
    init = (time.perf_counter_ns() - started) // 1000
    warmup = timed(runner.invoke, int(flags["warmup_runs"]), float(flags["warmup_min_secs"]))
    samples = timed(runner.invoke, int(flags["num_runs"]), float(flags["min_secs"]))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    (report_tflite if dialect == "tflite" else report_litert)(
        init, warmup, samples, peak, truncated=fault == "truncated"
    )
    if "result_file_path" in flags and fault != "no file":
        content = proto(init, warmup, [2 * sample for sample in samples] if fault == "disagree" else samples, peak)
        damaged = {"garbage": b"not a proto", "cut": content[: len(content) // 2]}
        Path(flags["result_file_path"]).write_bytes(damaged.get(fault, content))
    if "output_filepath" in flags:
        answer = b"".join(view.tobytes() for view in runner.views())
        Path(flags["output_filepath"]).write_bytes(bytes([answer[0] ^ 1]) + answer[1:] if fault == "wrong" else answer)
    if "op_profiling_output_file" in flags:
        Path(flags["op_profiling_output_file"]).write_text("node type,start,first,avg_ms\n")


def timed(call: Callable[[], None], runs: int, seconds: float) -> list[int]:
    """µs of each call: as many as asked for, and for as long."""
    samples: list[int] = []
    deadline = time.perf_counter() + seconds
    while len(samples) < runs or (seconds > 0 and time.perf_counter() < deadline):
        start = time.perf_counter_ns()
        call()
        samples.append((time.perf_counter_ns() - start) // 1000)
    return samples


def given_inputs(flags: dict[str, str], specs: tuple[TensorSpec, ...]) -> list[Any]:
    """What --input_layer_value_files names, in the model's order."""
    import numpy as np  # only here, so that --help needs no second to start

    pairs = [pair.split(":", 1) for pair in flags.get("input_layer_value_files", "").split(",") if pair]
    names = flags.get("input_layer", "").split(",")
    assert [name for name, _ in pairs] == (names if pairs else [])
    return [
        np.frombuffer(Path(file).read_bytes(), spec.dtype).reshape(spec.shape)
        for (_, file), spec in zip(pairs, specs, strict=bool(pairs))
    ]


def info(message: str) -> None:
    print(f"INFO: {message}")


def statistics(samples: list[int]) -> str:
    """`tsl::Stat::OutputToStream`."""
    if not samples:
        return "count=0"
    if len(set(samples)) == 1:
        return f"count={len(samples)} curr={samples[-1]}" + ("(all same)" if len(samples) > 1 else "")
    five, half, most = (percentile(samples, percent) for percent in (5, 50, 95))
    return (
        f"count={len(samples)} first={samples[0]} curr={samples[-1]} min={min(samples)} max={max(samples)} "
        f"avg={mean(samples):.6g} std={int(pstdev(samples))} p5={five} median={half} p95={most}"
    )


def report_tflite(init: int, warmup: list[int], samples: list[int], peak: float, *, truncated: bool) -> None:
    info(f"Initialized session in {init / 1000:g}ms.")
    for name, times in (("warmup", warmup), ("timed", samples)):
        info(f"Running benchmark ({name}).")
        info(f"{statistics(times)}\n")
        if truncated:
            return
    first, average = (warmup[0], mean(warmup)) if warmup else (0, float("nan"))
    info(
        f"Inference timings in us: Init: {init}, First inference: {first}, Warmup (avg): {average:.6g}, "
        f"Inference (avg): {mean(samples):.6g}"
    )
    info(f"Overall peak memory footprint (MB) via periodic monitoring: {peak:.6g}")


def report_litert(init: int, warmup: list[int], samples: list[int], peak: float, *, truncated: bool) -> None:
    lines = [
        "\n========== BENCHMARK RESULTS ==========",
        f"Model initialization: {init / 1000:.2f} ms",
        f"Warmup (first):       {warmup[0] / 1000 if warmup else 0:.2f} ms",
        f"Inference (avg):      {mean(samples) / 1000:.2f} ms ({len(samples)} runs)",
        f"Inference (min):      {min(samples) / 1000:.2f} ms",
        f"Inference (max):      {max(samples) / 1000:.2f} ms",
        f"Peak memory:          {peak:.2f} MB",
    ]
    for line in itertools.islice(lines, 3 if truncated else None):
        info(f"[./litert/tools/benchmark_litert_model.h:88] {line}")


def proto(init: int, warmup: list[int], samples: list[int], peak: float) -> bytes:
    """A `tflite.tools.benchmark.BenchmarkResult`."""
    five, half, most = (percentile(samples, percent) for percent in (5, 50, 95))
    first, average = (warmup[0], float(mean(warmup))) if warmup else (0, 0.0)
    times = (mean(samples), min(samples), max(samples), pstdev(samples), half, five, most, init, first, average)
    latency = b"".join(fixed32(place, float(us) / 1000) for place, us in enumerate(times, 1))
    misc = fixed32(1, 0.1) + varint(2, len(samples)) + varint(3, len(warmup)) + fixed32(4, 1.0)
    memory = varint(1, 100) + varint(2, 200) + fixed32(3, peak)
    return b"".join(message(number, part) for number, part in ((2, latency), (3, memory), (4, misc)))


def percentile(samples: list[int], percent: int) -> int:
    """As `StatWithPercentiles`: the sample at that place, without interpolation."""
    return sorted(samples)[min(len(samples) - 1, int(percent / 100 * len(samples)))]


def fixed32(number: int, value: float) -> bytes:
    return bytes([number << 3 | 5]) + struct.pack("<f", value)


def varint(number: int, value: int) -> bytes:
    content = bytearray([number << 3])
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


def message(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(0, len(content))[1:] + content
