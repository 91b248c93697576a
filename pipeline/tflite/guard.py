"""No model ends the process that loads it: it is run in another one first.

With MobileNetV1 0.25 at 224 pixels that takes some 50 ms, and starting the other process 300 ms once. Asking another
process for every inference instead would cost every evaluation, search and calibration a copy of its data. The other
process may take so much time and memory; what it refuses is not loaded here.

What crashes on single examples only, of values that no plausible input has, still ends the process that evaluates it:
the command line's parent process says so (:mod:`pipeline.supervision`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError, one_line
from pipeline.tflite import flatbuffer
from pipeline.tflite.culprit import Culprit, find_culprit
from pipeline.tflite.dry_run import MOST_MEMORY, OUT_OF_MEMORY, OUT_OF_TIME, Crash, Outcome, content_of, dry_run
from pipeline.tflite.dry_run_process import ALLOCATING, READY
from pipeline.tflite.refusals import refusal

_SECONDS = 0.5
"""After which a model gets no further inputs."""
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
) -> Outcome | None:
    """Make sure that a model can be loaded and run in this process.

    Args:
        model: A file that is there, or its content.
        name: What messages call it.
        kernels: One of :data:`pipeline.tflite.kernels.Kernels`.
        batch: The first dimension of every input; None: the model's own.
        shapes: The whole shape of every input instead.

    Returns:
        What came of it in another process; None where it was not tried. A model that leaves sizes open, and that LiteRT
        cannot make ready at size 1, is refused only with `shapes`.

    Raises:
        InputError: it ends the process, takes too much time or memory, or LiteRT does not take it.
    """
    if _off or (isinstance(model, Path) and not model.is_file()):
        return None
    outcome = dry_run(model, kernels=kernels, batch=batch, shapes=shapes, seconds=_SECONDS)
    if outcome is not None and outcome.refused is not None:
        refused = outcome.refused
        if refused.open and refused.at == ALLOCATING and shapes is None:
            return outcome
        raise refusal(name, refused.at, refused.why, kernels=kernels, batch=batch, resized=refused.resized)
    if outcome is None or outcome.crash is None:
        return outcome
    crash = outcome.crash
    if crash.ended in (OUT_OF_TIME, OUT_OF_MEMORY):
        raise InputError(_too_much(name, crash))
    when = "while it is made ready" if crash.step == READY else f"on {_input(crash.step)}"
    who = find_culprit(content_of(model), crash.step, kernels=kernels, batch=batch, shapes=shapes)
    at = "" if who is None else f", in {who}"
    said = f" LiteRT: {crash.said}." if crash.said else ""
    raise InputError(
        f"{name} kills the process that runs it ({crash.ended}) {when}{at}.{said} The file is damaged, or LiteRT's "
        "kernel does not take such an operator: make the file again; where it is quantized, keep that operator in "
        f"float (--keep{'' if who is None else _pattern(who)})."
    )


def _too_much(name: str, crash: Crash) -> str:
    when = "to be made ready" if crash.step == READY else f"for {_input(crash.step)}"
    if crash.ended == OUT_OF_TIME:
        return (
            f"{name} does not come to an end {when}: it takes far more time than its operators explain. A loop in it "
            "never ends, or the file is damaged. Make it again."
        )
    return (
        f"{name} takes more than {MOST_MEMORY / 1e9:.1f} GB of memory {when}, beside what it holds. The sides of its "
        "tensors are damaged, or it is none for a phone: make it again, for smaller inputs."
    )


@contextmanager
def damage_told(model: Path | bytes, name: str) -> Iterator[None]:
    """Tell a damaged model from a mistake of this program: what goes wrong with one that LiteRT refuses is the model's.

    Code that takes a graph apart counts on operators having the inputs and outputs that their kinds have, which LiteRT
    checks as it makes them ready.

    Raises:
        InputError: something of :data:`pipeline.tflite.flatbuffer.CORRUPT` was raised inside, and LiteRT does not take
            the model.
    """
    try:
        yield
    except flatbuffer.CORRUPT as error:
        outcome = dry_run(model)
        if outcome is None or (outcome.refused is None and outcome.crash is None):
            raise
        said = outcome.refused.why if outcome.refused is not None else ""
        why = said if outcome.crash is None else f"it ends the process with {outcome.crash.ended}"
        raise InputError(
            f"{name} is damaged: LiteRT does not take it either ({one_line(why)}). Make or copy it again."
        ) from error


def _input(kind: str) -> str:
    return "an input of zeros" if kind == "zeros" else "random inputs" if kind == "noise" else f"inputs of {kind}"


def _pattern(who: Culprit) -> str:
    return f" {shlex.quote(who.output)}"
