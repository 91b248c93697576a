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

from pipeline.errors import InputError, one_line, readable
from pipeline.tflite import flatbuffer
from pipeline.tflite.dry_run_process import NO_MEMORY, READY
from pipeline.tflite.work import work

_SAID = 200
"""Characters of what LiteRT prints before it ends the process."""

_SECONDS = 10.0
"""Of processor time that any model may take to be made ready, or for one input."""
_MACS_A_SECOND = 1e8
"""What a slow processor's plainest kernels manage: a model may take as much longer as it has to multiply."""
MOST_MEMORY = 3 << 29
"""Bytes that a model may take beside three times its size: the file, and the same packed for a delegate."""
OUT_OF_TIME = "SIGXCPU"
OUT_OF_MEMORY = f"exit status {NO_MEMORY}"


@dataclass(frozen=True)
class Crash:
    """How a model ended the process that ran it."""

    ended: str
    """The signal's name, or the exit status."""
    step: str
    """`READY`, or the kind of input."""
    said: str
    """The last line that it printed; may be empty."""


@dataclass(frozen=True)
class Refusal:
    """Why LiteRT does not take a model: no model, an unknown operator, shapes that do not fit, too little memory."""

    at: str
    """`LOADING`, `NAMING`, `RESIZING` or `ALLOCATING`."""
    resized: bool
    """Whether the inputs had got other shapes by then."""
    why: str
    """LiteRT's words."""
    open: bool = False
    """Whether the model leaves sizes open beside the batch."""


@dataclass(frozen=True)
class Outcome:
    """What came of a dry run."""

    crash: Crash | None = None
    refused: Refusal | None = None
    failed: tuple[tuple[str, str], ...] = ()
    """Kinds of plausible inputs on which it gave up, and why."""
    tried: tuple[str, ...] = ()
    delegated: tuple[int, tuple[tuple[int, ...], ...]] | None = None
    """As :func:`pipeline.tflite.delegated_nodes.partitions`; None where it does not load."""


class _Process:
    """The other process, started with the first job and again after a crash; a fork of this one starts its own."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None
        atexit.register(self.close)

    def run(self, model: Path | bytes, job: dict[str, Any]) -> Outcome:
        """One job.

        Raises:
            OSError: the process cannot be started, or the model cannot be read.
        """
        path = path_for_litert(model)
        content = content_of(model) if path is None else b""
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            step = READY
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job | {"path": path, "bytes": len(content)}).encode() + b"\n" + content)
                process.stdin.flush()
            for line in process.stdout:
                if line.startswith(b"{"):
                    answer = json.loads(line)
                    return _outcome(answer)
                step = line.decode().strip()
            return Outcome(Crash(_ending(process.wait()), step, self._last_words()))

    def close(self) -> None:
        """End it."""
        if self._owner != os.getpid():
            return
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
        if self._owner != os.getpid():
            self._owner, self._process, self._printed = os.getpid(), None, None
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


def _outcome(answer: dict[str, Any]) -> Outcome:
    failed = tuple((kind, one_line(why, 400)) for kind, why in answer["failed"].items())
    operators, taken = answer["delegated"] or (0, ())
    delegated = None if answer["delegated"] is None else (operators, tuple(tuple(places) for places in taken))
    refused = None if answer["refused"] is None else Refusal(**answer["refused"])
    return Outcome(None, refused, failed, tuple(answer["tried"]), delegated)


_process = _Process()
_known: dict[tuple[Any, ...], Outcome] = {}
_endless: dict[str, Outcome] = {}
"""Of models that got no time any more, which no other batch or kernel changes, by their digest."""
_digests: dict[tuple[Any, ...], str] = {}


def dry_run(
    model: Path | bytes,
    *,
    kernels: str = "xnnpack",
    batch: int | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    seconds: float | None = None,
    kinds: Sequence[str] = (),
) -> Outcome | None:
    """Load a model and invoke it on plausible inputs, in another process.

    Args:
        model: A file that is there, or its content.
        kernels: One of :data:`pipeline.tflite.kernels.Kernels`.
        batch: The first dimension of every input; None: the model's own.
        shapes: The whole shape of every input instead.
        seconds: After which it gets no further inputs; None: it gets all.
        kinds: Of :data:`pipeline.tflite.plausible_inputs.KINDS`; all by default.

    Returns:
        None where no process can be started.
    """
    fixed = None if shapes is None else tuple(tuple(int(side) for side in shape) for shape in shapes)
    digest = _digest(model)
    key = (digest, kernels, batch, fixed, tuple(kinds))
    known = _endless.get(digest) or _known.get((*key, None)) or _known.get((*key, seconds))
    if known is None:
        job = {"kernels": kernels, "batch": batch, "shapes": fixed, "seconds": seconds, "kinds": list(kinds)}
        try:
            known = _run(model, job)
        except OSError:
            return None
        _known[*key, seconds] = known
        if known.crash is not None and known.crash.ended == OUT_OF_TIME:
            _endless[digest] = known
    return known


def _run(model: Path | bytes, job: dict[str, Any]) -> Outcome:
    size = model.stat().st_size if isinstance(model, Path) else len(model)
    bounds = {"cpu_seconds": _SECONDS, "memory": 3 * size + MOST_MEMORY}
    outcome = _process.run(model, job | bounds)
    if outcome.crash is not None and outcome.crash.ended == OUT_OF_TIME:
        more = _macs(model, job["batch"], job["shapes"]) / _MACS_A_SECOND
        if more > 1:
            return _process.run(model, job | bounds | {"cpu_seconds": _SECONDS + more})
    return outcome


def _macs(model: Path | bytes, batch: int | None, shapes: Sequence[Sequence[int]] | None) -> float:
    """Multiply-accumulates of one run; 0 of a file that cannot be read."""
    try:
        tree = flatbuffer.read(model)
        graph = tree.subgraphs[0]
        count = sum(work(tree, place).macs for place in range(len(graph.operators)))
    except (*flatbuffer.CORRUPT, InputError):
        return 0.0
    own = sum(math.prod(flatbuffer.tensor_shape(graph.tensors[index])) for index in graph.inputs)
    given = sum(map(math.prod, shapes)) if shapes is not None else own * (batch or 1)
    return count * max(1.0, given / max(1, own))


def content_of(model: Path | bytes) -> bytes:
    """Of a .tflite file, or given as such."""
    return model.read_bytes() if isinstance(model, Path) else bytes(model)


def path_for_litert(model: Path | bytes) -> str | None:
    """Where LiteRT maps a model from; None where it is given the content: it takes names in UTF-8 alone."""
    path = str(model.absolute()) if isinstance(model, Path) else None
    return path if path is not None and path == readable(path) else None


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
