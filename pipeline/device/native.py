"""The native runner: the official benchmark_model, run in the device's shell."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pipeline.device import agreement, benchmark_log, benchmark_proto
from pipeline.device.adb import QUICK, Done
from pipeline.device.binary import Binary
from pipeline.device.device import FOLDER, Device, words
from pipeline.device.facts import Described, big_cores, condition
from pipeline.device.golden_check import Golden
from pipeline.device.push import push
from pipeline.device.results import (
    BatteryChange,
    Memory,
    ModelFacts,
    Parity,
    RunResult,
    ThermalChange,
)
from pipeline.device.settings import Settings
from pipeline.device.validity import why_not_valid
from pipeline.errors import InputError, PipelineError

Dialect = Literal["tflite", "litert"]

_KILLED = range(129, 160)
"""A shell's status for a program that a signal ended: 128 and the signal's number."""

_OUT_OF_MEMORY = 128 + 9

_TIMED_OUT = 124
"""The status of `timeout` where it had to stop the program."""


@dataclass(frozen=True)
class Program:
    """What a benchmark_model on the device is, by its `--help`."""

    dialect: Dialect
    has_result_file: bool
    """Older builds only print."""


class NativeRunner:
    """Runs models with benchmark_model in a folder of its own on the device, which goes with it.

    A context manager. Inside, `run` measures a model once.

    Args:
        device: Where.
        described: What the device is.
        binary: The program, for an ABI that the device runs.
    """

    def __init__(self, device: Device, described: Described, binary: Binary) -> None:
        self._device, self._described, self._binary = device, described, binary
        self._folder = f"{FOLDER}/.run-{secrets.token_hex(8)}"
        self._program_path = f"{self._folder}/{binary.path.name}"
        self._models: dict[Path, tuple[str, ModelFacts]] = {}
        self._program: Program | None = None

    def __enter__(self) -> Self:
        try:
            push(self._device, [self._binary.path], folder=self._folder, mode="755")
            self._program = self._probe()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def program(self) -> Program:
        """What the benchmark_model is."""
        assert self._program is not None, "use it as a context manager"
        return self._program

    @property
    def version(self) -> str:
        """The program, for the results."""
        return f"benchmark_model ({self.program.dialect}) sha256 {self._binary.sha256[:12]}"

    def run(self, model: Path, settings: Settings) -> RunResult:
        """Time a model once.

        Raises:
            InputError: the settings ask for what this program cannot do.
            DeviceLostError: the device went away.
            AdbTimeoutError: it does not end.
            PipelineError: it failed, was killed, or its result cannot be believed.
        """
        path, facts = self._put(model)
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        before = condition(self._device)
        log, content = self._call(path, settings, self._timing_flags(settings))
        after = condition(self._device)
        told = benchmark_log.parse(log)
        proto = None
        if self.program.has_result_file:
            if content is None:
                raise PipelineError("benchmark_model ended well and wrote no result file. Run the benchmark again.")
            proto = benchmark_proto.parse(content)
            agreement.hold_together(proto, told)
        delegate = benchmark_log.delegation(log, settings.delegate)
        reasons = why_not_valid(self._described, before, after, delegate, proto.runs if proto else told.runs)
        return RunResult(
            run_id=secrets.token_hex(8),
            kind=self._described.kind("native"),
            model=facts,
            device=self._described.facts.model_copy(update={"abi": self._binary.abi or self._described.facts.abi}),
            delegate=delegate,
            threads=settings.threads,
            affinity=self._cores(settings),
            thermal=ThermalChange(before=before.thermal, after=after.thermal),
            battery=BatteryChange(before=before.battery, after=after.battery),
            init_us=_whole(proto.init_us if proto else told.init_us),
            first_us=_whole(proto.first_us if proto else told.first_us),
            latency_us=agreement.latency(proto, told),
            memory=Memory(peak_mb=proto.peak_mb if proto else told.peak_mb),
            valid=not reasons,
            why_not_valid=tuple(reasons),
            started=started,
            runner_version=self.version,
        )

    def parity(self, model: Path, golden: Golden, settings: Settings) -> Parity | None:
        """Compare the device's outputs for a golden input with the host's, byte for byte.

        Returns:
            None where the program cannot give its outputs: LiteRT's cannot.

        Raises:
            As `run`.
        """
        if self.program.dialect != "tflite":
            return None
        return golden.parity(self.answer(model, golden.inputs, golden.shapes, settings))

    def answer(
        self, model: Path, inputs: Sequence[bytes], shapes: Sequence[Sequence[int]], settings: Settings
    ) -> bytes:
        """What the model on the device makes of some inputs.

        Args:
            model: The file.
            inputs: Raw bytes of each input tensor, in the model's order.
            shapes: Their shapes, to which the model is resized.
            settings: Threads, delegate and affinity.

        Returns:
            Raw bytes of all outputs, one after the other.

        Raises:
            InputError: the program cannot give its outputs: LiteRT's cannot.
            As `run`.
        """
        if self.program.dialect != "tflite":
            raise InputError(
                "LiteRT's benchmark_model cannot give a model's outputs: give TFLite's with --benchmark-binary."
            )
        path, _ = self._put(model)
        target = f"{self._folder}/outputs"
        # Inputs are matched by their place; a name that is not the tensor's own only makes the program warn, and
        # needs no escaping of the commas and colons that tensors' names may hold.
        names = [f"input{place}" for place in range(len(inputs))]
        files = self._put_inputs(inputs)
        flags = [
            f"--input_layer={','.join(names)}",
            f"--input_layer_shape={':'.join(','.join(map(str, shape)) for shape in shapes)}",
            f"--input_layer_value_files={','.join(f'{n}:{file}' for n, file in zip(names, files, strict=True))}",
            f"--output_filepath={target}",
            *("--num_runs=1", "--min_secs=0", "--warmup_runs=0", "--warmup_min_secs=0"),
        ]
        self._device.must(f"rm -f {words(target)}", "Removing the outputs of before")
        self._call(path, settings, flags)
        outputs = self._device.fetch(target)
        if outputs is None:
            raise PipelineError("benchmark_model wrote no outputs, so nothing can be compared with the host's.")
        return outputs

    def profile(self, model: Path, settings: Settings) -> bytes:
        """The per-operator profile as benchmark_model writes it: CSV from TFLite's, its log from LiteRT's.

        Raises:
            As `run`.
        """
        path, _ = self._put(model)
        timing = self._timing_flags(settings)
        if self.program.dialect == "litert":
            log, _ = self._call(path, settings, [*timing, "--use_profiler=true"])
            return log.encode()
        target = f"{self._folder}/profile.csv"
        flags = ["--enable_op_profiling=true", "--op_profiling_output_mode=csv", f"--op_profiling_output_file={target}"]
        self._call(path, settings, [*timing, *flags])
        content = self._device.fetch(target)
        if not content:
            raise PipelineError("benchmark_model wrote no profile: this build may have been made without profiling.")
        return content

    def _probe(self) -> Program:
        done = self._device.shell(f"{words(self._program_path)} --help", timeout=QUICK)
        text = done.err + done.text
        # Any benchmark_model ends with an error after its help, so the status says nothing here.
        if "--graph" not in text:
            raise self._failed(done, text)
        dialect: Dialect = "litert" if "--use_npu" in text or "--dispatch_library_path" in text else "tflite"
        return Program(dialect, "--result_file_path" in text)

    def _put(self, model: Path) -> tuple[str, ModelFacts]:
        if model not in self._models:
            # One folder a model: two may have the same name.
            folder = f"{self._folder}/{len(self._models)}"
            (pushed,) = push(self._device, [model], folder=folder)
            facts = ModelFacts(name=model.name, sha256=pushed.sha256, size_bytes=pushed.size_bytes)
            self._models[model] = pushed.path, facts
        return self._models[model]

    def _put_inputs(self, inputs: Sequence[bytes]) -> list[str]:
        with tempfile.TemporaryDirectory() as scratch:
            files = [Path(scratch) / f"input{place}" for place in range(len(inputs))]
            for file, content in zip(files, inputs, strict=True):
                file.write_bytes(content)
            return [entry.path for entry in push(self._device, files, folder=f"{self._folder}/inputs")]

    def _timing_flags(self, settings: Settings) -> list[str]:
        return [
            f"--num_runs={settings.runs}",
            f"--min_secs={settings.min_secs:g}",
            f"--max_secs={settings.max_secs:g}",
            f"--warmup_runs={settings.warmup_runs}",
            f"--warmup_min_secs={settings.warmup_min_secs:g}",
            "--report_peak_memory_footprint=true",
        ]

    def _delegate_flags(self, settings: Settings) -> list[str]:
        if self.program.dialect == "litert":
            if settings.delegate == "none":
                raise InputError(
                    "LiteRT's benchmark_model always runs XNNPACK on the CPU: to measure without a delegate, give "
                    "TFLite's with --benchmark-binary."
                )
            return ["--use_cpu=true", f"--use_gpu={str(settings.delegate == 'gpu').lower()}"]
        if settings.delegate == "gpu":
            return ["--use_gpu=true"]
        return [f"--use_xnnpack={str(settings.delegate == 'xnnpack').lower()}"]

    def _cores(self, settings: Settings) -> tuple[int, ...] | None:
        return big_cores(self._described.facts.cpu_cores, settings.threads) if settings.affinity == "big" else None

    def _call(self, path: str, settings: Settings, flags: list[str]) -> tuple[str, bytes | None]:
        """The log and, where the program writes one, the result file of one call."""
        result = f"{self._folder}/result.pb"
        delegate = self._delegate_flags(settings)
        file = [f"--result_file_path={result}"] if self.program.has_result_file else []
        command = words(
            self._program_path, f"--graph={path}", f"--num_threads={settings.threads}", *delegate, *file, *flags
        )
        cores = self._cores(settings)
        bound = f"taskset {sum(1 << core for core in cores):x} " if cores else ""
        # Where the connection breaks or this program ends, the device must not go on computing for hours.
        limited = f"$(command -v timeout >/dev/null && echo timeout {settings.timeout:.0f}) "
        done = self._device.shell(f"rm -f {words(result)}; {limited}{bound}{command}", timeout=settings.timeout + QUICK)
        log = f"{done.text}\n{done.err}"
        if done.status != 0:
            raise self._failed(done, log)
        return log, self._device.fetch(result) if file else None

    def _failed(self, done: Done, log: str) -> PipelineError:
        what = f"benchmark_model failed on {self._device.serial}"
        last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it said nothing")
        if done.status in _KILLED:
            reason = (
                "most often because the device ran out of memory: try a smaller model or fewer threads"
                if done.status == _OUT_OF_MEMORY
                else f"its last line is: {last[:200]}"
            )
            return PipelineError(
                f"benchmark_model was killed on {self._device.serial} (signal {done.status - 128}), {reason}."
            )
        if done.status == _TIMED_OUT:
            return PipelineError(f"{what}: it did not end in time and was stopped. Its last line is: {last[:200]}.")
        if done.status in (126, 127):
            return PipelineError(
                f"benchmark_model cannot be run on {self._device.serial}: {last[:200]}. It may be built for another "
                "processor or Android version; give another --benchmark-binary."
            )
        said = benchmark_log.complaint(log) or last
        return PipelineError(f"{what} (status {done.status}): {said[:300].rstrip('.')}.")

    def _remove(self) -> None:
        """Leave nothing behind; of a device that is gone, the next `pipeline devices clean` removes it."""
        try:
            self._device.shell(f"rm -rf {words(self._folder)}", timeout=QUICK)
            # Without anything pushed, the folder was only made for this.
            self._device.shell(f"rmdir {words(FOLDER)} 2>/dev/null", timeout=QUICK)
        except PipelineError:
            return


def _whole(us: float | None) -> int | None:
    return None if us is None else round(us)
