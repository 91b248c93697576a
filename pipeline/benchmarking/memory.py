"""Peak memory of one model, in a process of its own.

Run as a module it is that process: `python -m pipeline.benchmarking.memory [MODEL THREADS XNNPACK SHAPES]`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.benchmarking.inputs import random_inputs
from pipeline.errors import InputError, PipelineError
from pipeline.tflite import guard
from pipeline.tflite.runner import Runner


def peak_memory(
    model: Path | None, *, threads: int = 1, xnnpack: bool = True, shapes: Sequence[Sequence[int]] | None = None
) -> int:
    """Most resident memory, in bytes, of a fresh process that loads the model and runs it twice.

    With None, of the same process without any model: what Python, NumPy and the runtime take. The difference
    of the two is the model's; it counts the file's pages that were touched and some 3 MB that the runtime
    takes with any model, and two runs differ by some 100 KiB.

    Args:
        model: The file.
        threads: As for `Runner`.
        xnnpack: As for `Runner`.
        shapes: Of every input, where the model leaves more than its batch open.

    Raises:
        InputError: the model cannot be loaded, or loading or running it kills the process.
        PipelineError: the model fails while it runs, or the process cannot be started.
    """
    if model is not None:
        kernels = "xnnpack" if xnnpack else "builtin"
        guard.check(model, f"The model {model}", kernels=kernels, shapes=shapes)
    sides = json.dumps(None if shapes is None else [list(shape) for shape in shapes])
    arguments = [] if model is None else [str(model), str(threads), str(int(xnnpack)), sides]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.benchmarking.memory", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return int(done.stdout)
    if done.returncode < 0:
        raise InputError(
            f"The model {model} kills the process that runs it on random inputs "
            f"({signal.Signals(-done.returncode).name}). It is damaged or needs more memory than there is."
        )
    message = done.stderr.strip().splitlines()[-1:]
    kind = InputError if done.returncode == InputError.exit_status else PipelineError
    raise kind(message[0] if message else f"The process that measures {model} ended without a word.")


def _own_peak() -> int:
    # Not ru_maxrss where it can be helped: exec hands it on, so a child would begin at its parent's size.
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _main(arguments: list[str]) -> int:
    guard.unguarded()
    try:
        if arguments:
            model, threads, xnnpack, shapes = arguments
            runner = Runner(Path(model), threads=int(threads), xnnpack=xnnpack == "1", shapes=json.loads(shapes))
            runner.feed(*random_inputs(runner))
            runner.invoke()
            runner.invoke()
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    sys.stdout.write(f"{_own_peak()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
