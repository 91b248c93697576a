"""The app runner: this project's benchmark app (`android_bench/`), started and read through adb.

The app measures where users' models run: in an app's process, with the app's scheduling. It writes
`files/results/RUN_ID.json` under a temporary name and renames it, also where it fails.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.device import results
from pipeline.device.device import FOLDER, Device, words
from pipeline.device.facts import Described
from pipeline.device.golden_check import Golden
from pipeline.device.push import push
from pipeline.device.results import Parity, RunResult
from pipeline.device.settings import Settings
from pipeline.errors import InputError, PipelineError

PACKAGE = "dev.kerasint8.bench"
ACTIVITY = f"{PACKAGE}/.BenchActivity"

_PAUSE = 0.5
"""Seconds between two looks for the result: each takes a moment of the device's time."""

_INSTALLING = 300.0


class AppRunner:
    """Runs models in the benchmark app; what it needs is pushed to a folder of its own that goes with it.

    A context manager. Inside, `run` measures a model once. The app itself stays on the device.

    Args:
        device: Where.
        described: What the device is.
        apk: The app to install first; None where it is there.
        sleep: Waits between two looks for the result.
    """

    def __init__(
        self,
        device: Device,
        described: Described,
        apk: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._device, self._described, self._apk, self._sleep = device, described, apk, sleep
        self._folder = f"{FOLDER}/.run-{secrets.token_hex(8)}"
        self._models: dict[Path, str] = {}
        self._goldens: dict[Path, tuple[list[str], list[str]]] = {}

    def __enter__(self) -> Self:
        if self._apk is not None:
            self._install(self._apk)
        elif not self._device.shell(f"pm path {PACKAGE}").text.startswith("package:"):
            raise InputError(
                f"The benchmark app is not on the device {self._device.serial}. Build it with `make apk` and give it "
                "with --apk FILE; it is installed then and stays there."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._device.shell(f"am force-stop {PACKAGE}; rm -rf {words(self._folder)}; rmdir {FOLDER} 2>/dev/null")
        except PipelineError:
            return

    def run(self, model: Path, settings: Settings) -> RunResult:
        """Time a model once.

        Raises:
            DeviceLostError: the device went away.
            PipelineError: the app cannot be started, ends without a result, hangs, or says what failed.
        """
        return self._measure(model, settings, None)

    def parity(self, model: Path, golden: Golden, settings: Settings) -> Parity | None:
        """Compare the app's outputs for a golden input with the host's, byte for byte.

        Raises:
            As `run`.
        """
        short = replace(settings, runs=1, min_secs=0.0, warmup_runs=0)
        return self._measure(model, short, golden).parity

    def _measure(self, model: Path, settings: Settings, golden: Golden | None) -> RunResult:
        run_id = secrets.token_hex(8)
        inputs, outputs = (None, None) if golden is None else self._put_golden(model, golden)
        arguments: dict[str, Any] = {
            "run_id": run_id,
            "model": self._put(model),
            "threads": settings.threads,
            "delegate": settings.delegate,
            "runs": settings.runs,
            "min_secs": settings.min_secs,
            "warmup_runs": settings.warmup_runs,
            "affinity": settings.affinity,
            "golden_input": inputs,
            "golden_output": outputs,
            "input_shapes": None if golden is None else [list(shape) for shape in golden.shapes],
        }
        self._start(arguments)
        content = self._wait(f"files/results/{run_id}.json", settings.timeout)
        return self._judge(results.read(content, "What the benchmark app wrote"), run_id)

    def _judge(self, result: RunResult, run_id: str) -> RunResult:
        if result.run_id != run_id:
            raise PipelineError(f"The benchmark app wrote the result of run '{result.run_id}', not of '{run_id}'.")
        if result.error is not None:
            raise PipelineError(f"The benchmark app failed on {self._device.serial}: {result.error.what.rstrip('.')}.")
        if result.latency_us.p50 is None:
            raise PipelineError(f"The benchmark app wrote a result without a time on {self._device.serial}.")
        # The app cannot know whether adb reached a phone, nor under which serial.
        reasons = list(result.why_not_valid)
        if self._described.not_a_phone is not None:
            reasons.insert(0, self._described.not_a_phone)
        return result.model_copy(
            update={
                "kind": self._described.kind("app"),
                "device": result.device.model_copy(update={"serial": self._device.serial}),
                "valid": result.valid and not reasons,
                "why_not_valid": tuple(reasons),
            }
        )

    def _install(self, apk: Path) -> None:
        if not apk.is_file():
            raise InputError(f"There is no APK at '{apk}'. Build it with `make apk`.")
        done = self._device.call("install", "-r", "-t", str(apk), timeout=_INSTALLING)
        if done.status != 0 or "Success" not in done.text:
            raise self._device.failure(f"Installing '{apk}'", done)

    def _start(self, arguments: dict[str, Any]) -> None:
        command = words("am", "start", "-S", "-n", ACTIVITY, "--es", "args", json.dumps(arguments))
        done = self._device.must(command, "Starting the benchmark app")
        # `am` also ends with 0 where it could not start anything.
        if "Error" in done.text + done.err:
            raise self._device.failure("Starting the benchmark app", done)

    def _wait(self, path: str, timeout: float) -> bytes:
        """The result, once it is there; it is removed from the device."""
        deadline, gone = time.monotonic() + timeout, 0
        there = f"run-as {PACKAGE} test -f {path}"
        while self._device.shell(there).status != 0:
            # Right after the start there is no process yet, so one look without it is none too many.
            gone = 0 if self._device.shell(f"pidof {PACKAGE}").status == 0 else gone + 1
            if gone > 3:
                raise PipelineError(
                    f"The benchmark app ended on {self._device.serial} without a result: it was killed or crashed. "
                    f"Android's log says:{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"The benchmark app gave no result on {self._device.serial} within {timeout:.0f} s and was "
                    "stopped. Unlock the phone's screen and try again; a large model needs a smaller --runs."
                )
            self._sleep(_PAUSE)
        done = self._device.call("exec-out", "run-as", PACKAGE, "cat", path)
        self._device.shell(f"run-as {PACKAGE} rm -f {path}")
        return done.out

    def _last_words(self) -> str:
        text = self._device.shell("logcat -d -b crash -t 20").text
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("---")]
        return " " + " / ".join(lines[-3:]) if lines else " nothing."

    def _put(self, model: Path) -> str:
        if model not in self._models:
            (pushed,) = push(self._device, [model], folder=f"{self._folder}/{len(self._models)}")
            self._models[model] = pushed.path
        return self._models[model]

    def _put_golden(self, model: Path, golden: Golden) -> tuple[list[str], list[str]]:
        """Paths on the device of a file for each input and for each output."""
        if model not in self._goldens:
            with tempfile.TemporaryDirectory() as scratch:
                contents = [*golden.inputs, *golden.outputs.values()]
                names = [f"input{place}" for place in range(len(golden.inputs))]
                names += [f"output{place}" for place in range(len(golden.outputs))]
                files = [Path(scratch) / name for name in names]
                for file, content in zip(files, contents, strict=True):
                    file.write_bytes(content)
                pushed = push(self._device, files, folder=f"{self._folder}/golden{len(self._goldens)}")
            paths = [one.path for one in pushed]
            self._goldens[model] = paths[: len(golden.inputs)], paths[len(golden.inputs) :]
        return self._goldens[model]
