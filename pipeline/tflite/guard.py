"""No model ends the process that loads it: it is run in another one first.

With MobileNetV1 0.25 at 224 pixels that takes some 50 ms, and starting the other process 300 ms once. Asking another
process for every inference instead would cost every evaluation, search and calibration a copy of its data.

What crashes on single examples only, of values that no plausible input has, still ends the process that evaluates it:
the command line's parent process says so (:mod:`pipeline.supervision`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InputError
from pipeline.tflite.culprit import Culprit, find_culprit
from pipeline.tflite.dry_run import content_of, dry_run
from pipeline.tflite.dry_run_process import READY

_SECONDS = 0.5
"""After which a model gets no further inputs."""
CULPRIT_LIMIT = 10.0
"""Seconds for each part of a model that hung as a whole, while the operator is looked for."""
_off = False


def unguarded() -> None:
    """This process is one whose end its parent reports: let models run in it untried."""
    global _off
    _off = True


def check(
    model: Path | bytes,
    name: str,
    *,
    kernels: str = "xnnpack",
    batch: int | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
) -> None:
    """Make sure that a model can be loaded and run in this process.

    Args:
        model: A file that is there, or its content.
        name: What messages call it.
        kernels: One of :data:`pipeline.tflite.kernels.Kernels`.
        batch: The first dimension of every input; None: the model's own.
        shapes: The whole shape of every input instead.

    Raises:
        InputError: it ends the process. Whatever else is wrong with it, whoever runs it is told.
    """
    if _off or (isinstance(model, Path) and not model.is_file()):
        return
    outcome = dry_run(model, kernels=kernels, batch=batch, shapes=shapes, seconds=_SECONDS)
    if outcome is None or outcome.crash is None:
        return
    crash = outcome.crash
    when = "while it is made ready" if crash.step == READY else f"on {_input(crash.step)}"
    limit = CULPRIT_LIMIT if crash.hung else None
    who = find_culprit(content_of(model), crash.step, kernels=kernels, batch=batch, shapes=shapes, limit=limit)
    at = "" if who is None else f", in {who}"
    if crash.hung:
        raise InputError(
            f"{name} comes to no end {when}{at}: it was stopped ({crash.ended}). The file is damaged, or a loop in it "
            "does not end: make the file again, and look at what the loop's condition is computed from."
        )
    said = f" LiteRT: {crash.said}." if crash.said else ""
    raise InputError(
        f"{name} kills the process that runs it ({crash.ended}) {when}{at}.{said} The file is damaged, or LiteRT's "
        "kernel does not take such an operator: make the file again; where it is quantized, keep that operator in "
        f"float (--keep{'' if who is None else _pattern(who)})."
    )


def _input(kind: str) -> str:
    return "an input of zeros" if kind == "zeros" else "random inputs" if kind == "noise" else f"inputs of {kind}"


def _pattern(who: Culprit) -> str:
    return f" {shlex.quote(who.output)}"
