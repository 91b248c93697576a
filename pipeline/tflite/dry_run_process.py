"""The process in which models run that may end it: `python -m pipeline.tflite.dry_run_process`.

It reads jobs from its standard input, one after the other: a line of JSON, and the bytes of a .tflite where the job
names no file. It answers on its standard output: a line with what it is about to do before each step, so that whoever
reads them knows at which one it ended, and then a line of JSON. :mod:`pipeline.tflite.dry_run` is the other side. It
imports LiteRT and NumPy only.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pipeline.tflite.delegated_nodes import of_interpreter
from pipeline.tflite.plausible_inputs import KINDS, plausible

READY = "making it ready"
LOADING, NAMING, RESIZING, ALLOCATING = "loading", "naming", "resizing", "allocating"
"""The steps of making it ready."""
NO_MEMORY = 12
"""The exit status of a process that got no more memory; LiteRT may also abort there, or go where there is none."""
_GIVEN = {kind: resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)}
_RESOLVERS = {
    "xnnpack": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def _bound(job: dict[str, Any]) -> None:
    """Let the next step take so much processor time (or be ended by SIGXCPU) and so much further memory."""
    _limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + job["cpu_seconds"]))
    taken = Path("/proc/self/statm")  # elsewhere than on Linux nobody says, and the limit does not count
    if taken.exists():
        pages = int(taken.read_text(encoding="ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + job["memory"])


def _limit(kind: int, value: int) -> None:
    """Within the limits that the process was given."""
    given = [limit for limit in _GIVEN[kind] if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min([value, *given]), _GIVEN[kind][1]))


def run(source: dict[str, Any], job: dict[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
    """Load a model and invoke it on plausible inputs.

    Args:
        source: `model_path` or `model_content`, as LiteRT's interpreter takes it.
        job: What :func:`pipeline.tflite.dry_run.dry_run` is asked for, and how many seconds of processor time and bytes
            of memory each step may take.
        step: Told what is done next.

    Returns:
        `refused`: None, or `why` LiteRT does not take it, `at` which step, whether inputs were `resized` by then, and
        whether it leaves sizes `open` beside the batch;
        `failed`: by input, why it gave up; `tried`: the inputs;
        `delegated`: as :func:`pipeline.tflite.delegated_nodes.partitions`, or None.
    """
    step(READY)
    _bound(job)
    at, resized, leaves_open = LOADING, False, False
    try:
        interpreter = Interpreter(**source, experimental_op_resolver_type=_RESOLVERS[job["kernels"]])
        at = NAMING
        details = interpreter.get_input_details()
        interpreter.get_output_details()
        leaves_open = any(-1 in list(entry["shape_signature"])[1:] for entry in details)
        for place, entry in enumerate(details):
            shape = list(entry["shape"])
            wanted = job["shapes"][place] if job["shapes"] else [job["batch"] or side for side in shape[:1]] + shape[1:]
            if list(wanted) != shape:
                at, resized = RESIZING, True
                interpreter.resize_tensor_input(entry["index"], [int(side) for side in wanted])
        at = ALLOCATING
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, IndexError) as error:
        refused = {"at": at, "resized": resized, "why": str(error), "open": leaves_open}
        return {"refused": refused, "failed": {}, "tried": [], "delegated": None}
    delegated = of_interpreter(interpreter)
    details = interpreter.get_input_details()
    failed: dict[str, str] = {}
    said = ""  # LiteRT repeats all that went wrong before
    tried: list[str] = []
    if any(np.dtype(entry["dtype"]).kind not in "fiub" for entry in details):
        return {"refused": None, "failed": failed, "tried": tried, "delegated": delegated}
    started = time.monotonic()
    for kind in job["kinds"] or KINDS:
        if tried and job["seconds"] is not None and time.monotonic() - started > job["seconds"]:
            break
        step(kind)
        _bound(job)
        tried.append(kind)
        try:
            for entry in details:
                points = entry["quantization_parameters"]["zero_points"]
                values = plausible(kind, entry["shape"], entry["dtype"], int(points[0]) if len(points) == 1 else 0)
                interpreter.set_tensor(entry["index"], values)
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            failed[kind], said = str(error).removeprefix(said), str(error)
    return {"refused": None, "failed": failed, "tried": tried, "delegated": delegated}


@contextmanager
def _source(content: bytes) -> Iterator[dict[str, Any]]:
    """A file of this content for as long as it is used, since LiteRT maps files read-only.

    An operator that writes to a constant ends the process then. In memory it would change what lies there, and whatever
    lies behind, without a word.
    """
    with ExitStack() as opened:
        path = None
        with suppress(OSError):  # a full disk, or no folder for temporary files
            file = opened.enter_context(tempfile.TemporaryFile(buffering=0))  # nothing is left to write as it closes
            file.write(content)
            path = Path(f"/dev/fd/{file.fileno()}")
        mapped = path is not None and path.exists() and path.stat().st_size == len(content)
        yield {"model_path": str(path)} if mapped else {"model_content": content}


def _serve(jobs: IO[bytes], answers: IO[str]) -> None:
    def say(line: str) -> None:
        answers.write(f"{line}\n")
        answers.flush()

    while line := jobs.readline():
        job = json.loads(line)
        try:
            if job["path"] is not None:
                answer = run({"model_path": job["path"]}, job, say)
            else:
                with _source(jobs.read(job["bytes"])) as source:
                    answer = run(source, job, say)
        except MemoryError:
            sys.exit(NO_MEMORY)
        say(json.dumps(answer))


if __name__ == "__main__":
    # Kernels may print: the answers keep the pipe to themselves.
    _answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, _answers)
