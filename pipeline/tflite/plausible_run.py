"""Whether a model runs on plausible inputs, in another process, and which operator gives up where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.tflite.culprit import Culprit, find_culprit
from pipeline.tflite.dry_run import OUT_OF_TIME, Outcome, content_of, dry_run
from pipeline.tflite.dry_run_process import READY
from pipeline.tflite.example_shapes import example_shapes

_CALLED = {"zeros": "zeros", "noise": "random values"}


@dataclass(frozen=True)
class PlausibleRun:
    """What came of it, under XNNPACK."""

    bad: Mapping[str, str]
    """By kind of input, what LiteRT said; `READY` where it came to none. Empty where all is well."""
    culprit: Culprit | None
    hung: bool = False
    """Whether it was stopped because it came to no end."""

    @property
    def sentence(self) -> str:
        """What it does not do, where it does not do all: `does not run on …`, with what gives up."""
        who = "" if self.culprit is None else f": {self.culprit} gives up"
        return f"does not run {self._where}{who} ({next(iter(self.bad.values()))})"

    @property
    def _where(self) -> str:
        if READY in self.bad:
            return "at all, loading it comes to no end" if self.hung else "at all, it ends the process that loads it"
        *first, last = [_CALLED.get(kind, kind) for kind in self.bad]
        others = f"{', '.join(first)} or " if first else ""
        return f"on an input that holds {others}{last} throughout"


def plausible_run(model: Path | bytes) -> PlausibleRun | None:
    """Run a model on plausible inputs, its open dimensions as large as its metadata says.

    Returns:
        None where nothing can be said: LiteRT does not load it, nothing tells its open dimensions, or there is no
        process to run it in.
    """
    try:
        known = example_shapes(model)
    except InputError:
        return None
    if known is not None and known.note is not None:
        return None
    shapes = None if known is None else known.shapes
    outcome = dry_run(model, shapes=shapes)
    if outcome is None or outcome.refused is not None or not (outcome.tried or outcome.crash):
        return None
    bad = _bad(outcome)
    hung = outcome.crash is not None and outcome.crash.ended == OUT_OF_TIME  # each part would take as long again
    culprit = find_culprit(content_of(model), next(iter(bad)), shapes=shapes) if bad and not hung else None
    return PlausibleRun(bad, culprit, hung)


def _bad(outcome: Outcome) -> dict[str, str]:
    found = dict(outcome.failed)
    if outcome.crash is not None:
        found[outcome.crash.step] = f"{outcome.crash.ended} {outcome.crash.said}".strip()
    return found
