"""The stand-in's `am` and benchmark app: really runs the model on this host and writes the app's result.

`etc/app-fault` on the device says what goes wrong: crash, error, garbage, other id, hang, or nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

PACKAGE = "dev.kerasint8.bench"


def main() -> None:
    """As `am`: start the app and return at once, or stop it."""
    root = Path(os.environ["STANDIN_ROOT"])
    home, running = root / "data/data" / PACKAGE, root / "etc/app-pid"
    if sys.argv[1] == "force-stop":
        if running.is_file():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(running.read_text()), signal.SIGKILL)
        return
    if not home.is_dir():
        print("Error type 3\nError: Activity class {dev.kerasint8.bench/.BenchActivity} does not exist.")
        return
    assert sys.argv[1:6] == ["start", "-S", "-n", f"{PACKAGE}/.BenchActivity", "--es"], sys.argv
    print(f"Starting: Intent {{ cmp={PACKAGE}/.BenchActivity (has extras) }}")
    fault = root / "etc/app-fault"
    code = f"import sys; sys.path[:] = {sys.path!r}; from tests.device.standin.app import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home), sys.argv[7], fault.read_text() if fault.is_file() else ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    running.write_text(str(process.pid))


def run() -> None:
    """As the app: measure, and write the result under a temporary name that is then renamed."""
    home, arguments, fault = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
    if fault == "crash":
        return
    if fault == "hang":
        time.sleep(600)
    result = {**measure(arguments), **({"error": {"what": "the delegate refused"}} if fault == "error" else {})}
    if fault == "other id":
        result["run_id"] = "another"
    content = "{" if fault == "garbage" else json.dumps(result)
    file = home / "files/results" / f"{arguments['run_id']}.json"
    file.with_suffix(".tmp").write_text(content)
    file.with_suffix(".tmp").rename(file)


def measure(arguments: dict) -> dict:
    from pipeline.benchmarking.inputs import random_inputs
    from pipeline.tflite.runner import Runner

    model = Path(arguments["model"])
    xnnpack, shapes = arguments["delegate"] == "xnnpack", arguments["input_shapes"]
    runner = Runner(model, threads=arguments["threads"], xnnpack=xnnpack, shapes=shapes)
    golden = arguments["golden_input"]
    if golden:
        contents = [Path(file).read_bytes() for file in golden]
        pairs = zip(contents, runner.inputs, strict=True)
        runner.feed(*(np.frombuffer(content, spec.dtype).reshape(spec.shape) for content, spec in pairs))
    else:
        runner.feed(*random_inputs(runner))
    samples = []
    for _ in range(arguments["warmup_runs"] + arguments["runs"]):
        start = time.perf_counter_ns()
        runner.invoke()
        samples.append((time.perf_counter_ns() - start) // 1000)
    samples = samples[arguments["warmup_runs"] :]
    parity = None
    if golden:
        differing = {
            spec.name: sum(a != b for a, b in zip(view.tobytes(), Path(file).read_bytes(), strict=True))
            for spec, view, file in zip(runner.outputs, runner.views(), arguments["golden_output"], strict=True)
        }
        total = sum(differing.values())
        parity = {"golden": True, "identical": total == 0, "differing_bytes": total, "differing_by_output": differing}
    percentiles = {f"p{percent}": float(np.percentile(samples, percent)) for percent in (50, 90, 95, 99)}
    return {
        "schema": 1,
        "run_id": arguments["run_id"],
        "kind": "app",
        "model": {
            "name": model.name,
            "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
            "size_bytes": model.stat().st_size,
        },
        "device": {"manufacturer": "nobody", "model": "Loopback stand-in", "abi": "arm64-v8a", "android": "14"},
        "delegate": {"asked": arguments["delegate"], "got": arguments["delegate"]},
        "threads": arguments["threads"],
        "affinity": None,
        "samples_us": samples,
        "latency_us": {**percentiles, "min": min(samples), "max": max(samples), "mean": float(np.mean(samples))},
        "parity": parity,
        "valid": True,
        "why_not_valid": [],
        "error": None,
        "started": "2026-01-01T00:00:00+0000",
        "runner_version": "stand-in of the app",
        "a key of a newer app": 1,
    }
