"""Run a model in another process, on plausible inputs: LiteRT ends the process on some files.

Its kernels check some things by `abort()`, in Prepare as in Eval, and damaged files lead it to where there is no
memory. The other process stays for the next model: a dry run costs what the model takes to load and run a few times,
and each model, set of kernels and shape is tried once.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import InputError, one_line
from pipeline.tflite import flatbuffer
from pipeline.tflite.dry_run_process import READY
from pipeline.tflite.work import work

LIMIT = 60.0
"""Seconds that loading a model, or one inference, may take."""
SLOWEST = 2e7
"""Multiply-accumulates a second: what the reference kernels do on a busy machine."""
_SAID = 200
"""Characters of what LiteRT prints before it ends the process."""


@dataclass(frozen=True)
class Crash:
    """How a model ended the process that ran it."""

    ended: str
    """The signal's name, or the exit status."""
    step: str
    """`READY`, or the kind of input."""
    said: str
    """The last line that it printed; may be empty."""
    hung: bool = False
    """Whether it was stopped because it came to no end."""


@dataclass(frozen=True)
class Outcome:
    """What came of a dry run."""

    crash: Crash | None = None
    refused: str | None = None
    """Why LiteRT does not load it: no model, an unknown operator, shapes that do not fit."""
    failed: tuple[tuple[str, str], ...] = ()
    """Kinds of plausible inputs on which it gave up, and why."""
    tried: tuple[str, ...] = ()


class _Process:
    """The other process, started with the first job and again after a crash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None
        atexit.register(self.close)

    def run(self, content: bytes, job: dict[str, Any], limit: float) -> Outcome:
        """One job.

        Args:
            content: Of the .tflite.
            job: As the process takes it.
            limit: Seconds for each step of it, after which the process is ended.

        Raises:
            OSError: the process cannot be started.
        """
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            step = READY
            late = _Deadline(process, limit)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job | {"bytes": len(content)}).encode() + b"\n" + content)
                process.stdin.flush()
            for line in process.stdout:
                late.start_again()
                if line.startswith(b"{"):
                    late.stop()
                    answer = json.loads(line)
                    failed = tuple((kind, one_line(why, 400)) for kind, why in answer["failed"].items())
                    return Outcome(None, answer["refused"], failed, tuple(answer["tried"]))
                step = line.decode().strip()
            late.stop()
            ended = _ending(process.wait())
            if late.missed:
                return Outcome(Crash(f"no end within {limit:.0f} s", step, "", hung=True))
            return Outcome(Crash(ended, step, self._last_words()))

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and process.stdout is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()
        if self._printed is not None:
            self._printed.close()
            self._printed = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._printed = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
            home = str(Path(__file__).resolve().parents[2])  # where it finds this package, wherever it is started
            path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.tflite.dry_run_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                env={**os.environ, "PYTHONPATH": path},
            )
        return self._process

    def _last_words(self) -> str:
        assert self._printed is not None
        self._printed.seek(0)
        lines = [line for line in self._printed.read().decode("utf-8", "replace").splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith(("INFO:", "***", "@", " "))]
        return one_line(said[-1], _SAID) if said else ""


class _Deadline:
    """Ends a process that does not say within some seconds that it has got on."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process, self._seconds = process, seconds
        self.missed = False
        self._timer = self._started()

    def start_again(self) -> None:
        self._timer.cancel()
        self._timer = self._started()

    def stop(self) -> None:
        self._timer.cancel()

    def _started(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()
        return timer

    def _end(self) -> None:
        self.missed = True
        self._process.kill()


_process = _Process()
_known: dict[tuple[Any, ...], Outcome] = {}
_digests: dict[tuple[Any, ...], str] = {}


def dry_run(
    model: Path | bytes,
    *,
    kernels: str = "xnnpack",
    batch: int | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    seconds: float | None = None,
    kinds: Sequence[str] = (),
    limit: float | None = None,
) -> Outcome | None:
    """Load a model and invoke it on plausible inputs, in another process.

    Args:
        model: A file that is there, or its content.
        kernels: One of :data:`pipeline.tflite.kernels.Kernels`.
        batch: The first dimension of every input; None: the model's own.
        shapes: The whole shape of every input instead.
        seconds: After which it gets no further inputs; None: it gets all.
        kinds: Of :data:`pipeline.tflite.plausible_inputs.KINDS`; all by default.
        limit: Seconds for loading it, and for each inference, after which it counts as hung; by default `LIMIT`, and
            more for models of much work.

    Returns:
        None where no process can be started.
    """
    fixed = None if shapes is None else tuple(tuple(int(side) for side in shape) for shape in shapes)
    key = (_digest(model), kernels, batch, fixed, tuple(kinds), limit)
    known = _known.get((*key, None)) or _known.get((*key, seconds))
    if known is None:
        job = {"kernels": kernels, "batch": batch, "shapes": fixed, "seconds": seconds, "kinds": list(kinds)}
        content = content_of(model)
        try:
            known = _process.run(content, job, _limit(content, batch, fixed) if limit is None else limit)
        except OSError:
            return None
        _known[*key, seconds] = known
    return known


def _limit(content: bytes, batch: int | None, shapes: Sequence[Sequence[int]] | None) -> float:
    """`LIMIT`, or what the slowest kernels may take for the model's multiply-accumulates."""
    try:
        model = flatbuffer.read(content)
        graph = model.subgraphs[0]
        macs = sum(work(model, place).macs for place in range(len(graph.operators)))
        own = [flatbuffer.tensor_shape(graph.tensors[index]) for index in graph.inputs]
    except (*flatbuffer.CORRUPT, InputError):
        return LIMIT
    larger = [math.prod(given) / max(math.prod(shape), 1) for given, shape in zip(shapes or (), own, strict=False)]
    return max(LIMIT, macs * max([1.0, *larger, float(batch or 1)]) / SLOWEST)


def content_of(model: Path | bytes) -> bytes:
    """Of a .tflite file, or given as such."""
    return model.read_bytes() if isinstance(model, Path) else bytes(model)


def _digest(model: Path | bytes) -> str:
    if not isinstance(model, Path):
        return hashlib.sha256(model).hexdigest()
    facts = model.stat()
    key = (str(model.resolve()), facts.st_size, facts.st_mtime_ns, facts.st_ino)
    if key not in _digests:
        _digests[key] = hashlib.sha256(model.read_bytes()).hexdigest()
    return _digests[key]


def _ending(status: int) -> str:
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"exit status {status}"
