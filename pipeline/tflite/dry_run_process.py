"""The process in which models run that may end it: `python -m pipeline.tflite.dry_run_process`.

It reads jobs from its standard input, one after the other: a line of JSON, and the bytes of a .tflite. It answers on
its standard output: a line with what it is about to do before each step, so that whoever reads them knows at which one
it ended, and then a line of JSON. :mod:`pipeline.tflite.dry_run` is the other side. It imports LiteRT and NumPy only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pipeline.tflite.plausible_inputs import KINDS, plausible

READY = "making it ready"
_RESOLVERS = {
    "xnnpack": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def run(content: bytes, job: dict[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
    """Load a model and invoke it on plausible inputs.

    Returns:
        `refused`: why LiteRT does not take it, or None; `failed`: by input, why it gave up; `tried`: the inputs.
    """
    step(READY)
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=_RESOLVERS[job["kernels"]])
        details = interpreter.get_input_details()
        for place, entry in enumerate(details):
            shape = list(entry["shape"])
            wanted = job["shapes"][place] if job["shapes"] else [job["batch"] or side for side in shape[:1]] + shape[1:]
            if list(wanted) != shape:
                interpreter.resize_tensor_input(entry["index"], [int(side) for side in wanted])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, IndexError) as error:
        return {"refused": str(error), "failed": {}, "tried": []}
    details = interpreter.get_input_details()
    failed: dict[str, str] = {}
    said = ""  # LiteRT repeats all that went wrong before
    tried: list[str] = []
    if any(np.dtype(entry["dtype"]).kind not in "fiub" for entry in details):
        return {"refused": None, "failed": failed, "tried": tried}
    started = time.monotonic()
    for kind in job["kinds"] or KINDS:
        if tried and job["seconds"] is not None and time.monotonic() - started > job["seconds"]:
            break
        step(kind)
        tried.append(kind)
        try:
            for entry in details:
                points = entry["quantization_parameters"]["zero_points"]
                values = plausible(kind, entry["shape"], entry["dtype"], int(points[0]) if len(points) == 1 else 0)
                interpreter.set_tensor(entry["index"], values)
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            failed[kind], said = str(error).removeprefix(said), str(error)
    return {"refused": None, "failed": failed, "tried": tried}


def _serve(jobs: IO[bytes], answers: IO[str]) -> None:
    def say(line: str) -> None:
        answers.write(f"{line}\n")
        answers.flush()

    while line := jobs.readline():
        job = json.loads(line)
        say(json.dumps(run(jobs.read(job["bytes"]), job, say)))


if __name__ == "__main__":
    # Kernels may print: the answers keep the pipe to themselves.
    _answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, _answers)
