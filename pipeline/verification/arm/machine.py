"""One run of the emulated ARM machine: a process of QEMU that takes several models after another."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.progress import Track, quiet
from pipeline.verification.arm.counts import Counts, Reader, windows
from pipeline.verification.arm.emulator_self_test import known_answer
from pipeline.verification.arm.profiles import Profile
from pipeline.verification.arm.sysroot import Sysroot

GUEST = Path(__file__).with_name("guest.py")

Example = tuple[NDArray[Any], ...]
"""One array for each of the model's inputs, in its order and types, of the shapes to which it is resized."""


@dataclass(frozen=True, eq=False)
class Job:
    """A model and what to run it on."""

    model: Path | bytes
    examples: Sequence[Example]
    """At least one, all of the same shapes."""
    count: bool = False
    """Count the instructions of the first example."""
    name: str = "the model"


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model gave."""

    outputs: tuple[tuple[bytes, ...], ...]
    """The raw bytes of every output, an entry an example."""
    nodes: tuple[dict[str, Any], ...]
    """The runtime's list of operators after delegation: name, inputs, outputs."""
    counts: Counts | None
    """None where nothing was to be counted, or could be."""


class GuestError(PipelineError):
    """The emulated machine gave up on a job."""

    def __init__(self, job: int | None, message: str) -> None:
        super().__init__(message)
        self.job = job
        """Which; None before the first."""


def emulate(sysroot: Sysroot, profile: Profile, jobs: Sequence[Job], track: Track = quiet) -> tuple[Answer, ...]:
    """Run models on an emulated ARM CPU, one after another in one process; first of all one whose answer is known.

    Raises:
        GuestError: a model does not run there, or ends the process.
        PipelineError: the emulator computes wrongly: nothing it gives is worth anything.
    """
    known = known_answer()
    try:
        checked, *answers = _run(
            sysroot, profile, [Job(known.model, [(known.x,)], name="the self-check"), *jobs], track
        )
    except GuestError as error:
        raise GuestError(None if error.job in (None, 0) else error.job - 1, str(error)) from error
    [[given]] = checked.outputs
    wrong = int((np.frombuffer(given, np.int8) != known.y.ravel()).sum())
    if wrong:
        raise PipelineError(
            f"The emulator computes wrongly: {wrong} of {known.y.size} bytes of a model whose answer is known differ "
            f"({sysroot.qemu_version}, CPU {profile.cpu.value}). Nothing was proven. Use another version of QEMU."
        )
    return tuple(answers)


def _run(sysroot: Sysroot, profile: Profile, jobs: Sequence[Job], track: Track) -> tuple[Answer, ...]:
    with tempfile.TemporaryDirectory(prefix="pipeline-arm-") as temporary:
        folder = Path(temporary)
        plan = {"site": str(sysroot.site), "jobs": [_prepare(folder, number, job) for number, job in enumerate(jobs)]}
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        root = folder / "root"
        root.mkdir()
        profile.write_machine(root)
        for part in sysroot.parts:
            (root / part.name).symlink_to(part)
        counting = sysroot.plugin is not None and any(job.count for job in jobs)
        if counting:
            # A plugin's path may hold no comma, the cache's may: it is named relative to the working directory.
            (folder / "counter.so").symlink_to(sysroot.folder / "counter.so")
        events = _converse(_command(sysroot, profile, root, counting), sysroot, folder, profile, jobs, track)
        return _collect(folder, jobs, events, counting)


def _prepare(folder: Path, number: int, job: Job) -> dict[str, Any]:
    if isinstance(job.model, bytes):
        model = folder / f"{number}.tflite"
        model.write_bytes(job.model)
    else:
        model = job.model.resolve()
    content = b"".join(np.ascontiguousarray(array).tobytes() for example in job.examples for array in example)
    (folder / f"{number}.in").write_bytes(content)
    return {
        "model": str(model),
        "inputs": f"{number}.in",
        "outputs": f"{number}.out",
        "shapes": [list(array.shape) for array in job.examples[0]],
        "examples": len(job.examples),
        "count": job.count,
    }


def _command(sysroot: Sysroot, profile: Profile, root: Path, counting: bool) -> list[str]:
    plugin = ["-plugin", "file=./counter.so"] if counting else []
    # -S: no site, whose configuration is the host's; -B: the sysroot is shared, and complete.
    python = [str(sysroot.python), "-S", "-s", "-B", str(GUEST), "plan.json"]
    return [str(sysroot.qemu), "-cpu", profile.cpu.value, "-L", str(root), "-U", "LD_LIBRARY_PATH", *plugin, *python]


def _environment(sysroot: Sysroot) -> dict[str, str]:
    """Nothing of the caller's: it would reach the guest, and change what is counted."""
    environment = {
        "HOME": "/",
        "LC_ALL": "C",
        "PYTHONHOME": str(sysroot.python_home),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "TMPDIR": tempfile.gettempdir(),
    }
    if sysroot.libraries:
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, sysroot.libraries))
    return environment


def _converse(
    command: list[str], sysroot: Sysroot, folder: Path, profile: Profile, jobs: Sequence[Job], track: Track
) -> list[dict[str, Any]]:
    """Let the guest run to its end, and follow its progress."""
    told: list[dict[str, Any]] = []
    invocations = sum(len(job.examples) + 1 for job in jobs)
    with (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(sysroot),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None

        def progress(lines: Iterator[str]) -> Iterator[None]:
            for line in lines:
                event = json.loads(line)
                if event["event"] == "invoked":
                    yield None
                else:
                    told.append(event)

        try:
            for _ in track(progress(iter(process.stdout)), f"ARM {profile.name}", invocations):
                pass
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        complaint = errors.read().decode("utf-8", "replace")
    if status != 0 or not told or told[-1]["event"] != "end":
        raise _failure(status, told, complaint, profile, jobs)
    return told


def _failure(
    status: int, told: list[dict[str, Any]], complaint: str, profile: Profile, jobs: Sequence[Job]
) -> GuestError:
    started = [event["index"] for event in told if event["event"] == "job"]
    job = started[-1] if started else None
    what = "the emulated Python does not start" if job is None else f"{jobs[job].name} does not run"
    lines = [line.strip() for line in complaint.splitlines() if line.strip() and not line.startswith("INFO:")]
    # QEMU itself dies of the guest's signal, or returns 128 + its number.
    number = -status if status < 0 else status - 128
    killed = f"killed by {signal.Signals(number).name}" if number in set(signal.Signals) else f"exit status {status}"
    return GuestError(
        job,
        f"On the emulated {profile.core} ({profile.name}), {what}: {killed}"
        f"{'; ' + ' '.join(lines[-3:])[-400:] if lines else ''}.",
    )


def _collect(folder: Path, jobs: Sequence[Job], events: list[dict[str, Any]], counting: bool) -> tuple[Answer, ...]:
    done = [event for event in events if event["event"] == "done"]
    libraries = {path: (first, end) for path, (first, end) in events[-1]["libraries"].items()}
    found = iter(windows(folder / "counts")) if counting else iter(())
    reader = Reader(libraries)
    answers = []
    for number, (job, event) in enumerate(zip(jobs, done, strict=True)):
        content = (folder / f"{number}.out").read_bytes()
        outputs, position = [], 0
        for sizes in event["sizes"]:
            arrays = []
            for size in sizes:
                arrays.append(content[position : position + size])
                position += size
            outputs.append(tuple(arrays))
        window = next(found, None) if job.count else None
        answers.append(Answer(tuple(outputs), tuple(event["nodes"]), None if window is None else reader.counts(window)))
    return tuple(answers)
