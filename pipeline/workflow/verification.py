"""The whole verification: climb the ladder, look inside the rung that lost, hold the promises, check the provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.data import Batch, load
from pipeline.files import write_text
from pipeline.progress import Track, quiet
from pipeline.recipe import Verify
from pipeline.tflite.activations import Activations
from pipeline.verification import metadata_check, promises
from pipeline.verification.flatbuffer_rung import FlatbufferRung
from pipeline.verification.inside import Inside, Tapped, look_inside
from pipeline.verification.keras_rung import KerasRung
from pipeline.verification.ladder import Step, climb
from pipeline.verification.metadata_check import Check
from pipeline.verification.rung import Float, Rung
from pipeline.versions import versions
from pipeline.workflow.given_data import DataSource
from pipeline.workflow.stages import EVALUATION_CHUNK, silent
from pipeline.workflow.verify_target import LAST, REFERENCE, Target, rungs

RESULT = "verify.json"
LOOKED_AT = 16
"""Examples that are run to look inside a rung."""


@dataclass(frozen=True)
class Verification:
    """All that was found."""

    model: Path
    split: str
    steps: tuple[Step, ...]
    """From the top of the ladder."""
    lost: Step | None
    """The rung whose loss of top-1 against the one above is more than chance, the largest; None where none is."""
    weakest: Step | None
    """The rung that agrees least with the one above; None where all agree on everything."""
    inside: Inside | None
    """A look into the rung that lost, else into the weakest; of those that are a .tflite under another form of the
    same weights."""
    provenance: tuple[Check, ...]
    broken: tuple[str, ...]
    """A sentence for each promise that was not kept."""
    left_out: tuple[str, ...]
    """What could not be held to, and why."""
    skipped: dict[str, str]
    """Examples that could not be read."""

    @property
    def kept(self) -> bool:
        """Whether no promise is broken."""
        return not self.broken

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "split": self.split,
            "kept": self.kept,
            "broken": list(self.broken),
            "left_out": list(self.left_out),
            "rungs": [step.to_json() for step in self.steps],
            "lost": self.lost.name if self.lost else None,
            "weakest": self.weakest.name if self.weakest else None,
            "inside": self.inside.to_json() if self.inside else None,
            "provenance": [check.to_json() for check in self.provenance],
            "skipped_examples": self.skipped,
            "versions": versions(),
        }


def verify(
    target: Target,
    *,
    data: DataSource | None = None,
    split: str = "test",
    examples: int | None = None,
    batch: int = 8,
    threads: int = 2,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
    further: Sequence[Rung] = (),
) -> Verification:
    """Prove what the int8 model answers, and find where it loses.

    Args:
        target: See :func:`pipeline.workflow.verify_target.resolve`.
        data: The examples, where they are not those of the target's recipe. What the file's metadata say of its data is
            not checked then.
        split: Whose examples.
        examples: At most so many of them, the first.
        batch: Examples in one call of a model.
        threads: Rungs that run at the same time.
        track: Follows the passes over the data.
        say: Told what is going on where it takes a while.
        further: More rungs below the last one, such as emulated or real devices.

    Raises:
        InputError: the data or a model cannot be used.
        PipelineError: a model fails while it runs.
    """
    section = target.recipe.verify
    own = load(target.recipe.data) if data is None else None
    data = data or own
    assert data is not None
    if target.keras or target.keras_qat:
        say("loading TensorFlow for the Keras models (--no-keras leaves them out)")
    ladder = [*rungs(target, batch), *further]
    steps = climb(ladder, _batches(data, split, examples), reference=REFERENCE, threads=threads, track=track)
    broken, left_out = promises.broken(section, steps, LAST)
    checks = metadata_check.check(target.inspection, own) if own is not None else ()
    broken += [
        f"{target.model} is not what its metadata say: {check.what}: {check.message}."
        for check in checks
        if check.state == "broken"
    ]
    suspects = _suspects(steps)
    found = Verification(
        model=target.model,
        split=split,
        steps=steps,
        lost=next((step for step in suspects if _loses(step)), None),
        weakest=min(suspects, key=_agreement, default=None),
        inside=_inside(section, ladder, suspects, _examples(data, split, examples), track),
        provenance=checks,
        broken=tuple(broken),
        left_out=tuple(left_out),
        skipped=dict(data.skipped),
    )
    if target.run is not None:
        write_text(target.run.path(RESULT), json.dumps(found.to_json(), indent=1) + "\n")
    return found


def _loses(step: Step) -> bool:
    """Whether the interval of the paired difference lies below zero."""
    return step.above is not None and step.above.difference.high < 0


def _agreement(step: Step) -> float:
    return step.above.agreement if step.above else 1.0


def _suspects(steps: Sequence[Step]) -> list[Step]:
    """The rungs that answer otherwise than the one above: those that lose first, by how much, then by agreement."""
    apart = [step for step in steps if step.above is not None and step.above.agreement < 1]

    def order(step: Step) -> tuple[bool, float]:
        loses = _loses(step) and step.above is not None
        return not loses, step.above.difference.value if loses and step.above else _agreement(step)

    return sorted(apart, key=order)


def _inside(
    section: Verify, ladder: Sequence[Rung], suspects: Sequence[Step], examples: Iterator[Float], track: Track
) -> Inside | None:
    by_name = {rung.name: rung for rung in ladder}
    for step in suspects:
        assert step.above is not None
        upper, lower = by_name[step.above.against], by_name[step.name]
        # QAT's Keras model has other weights than what stands above it: of course its activations differ.
        if isinstance(lower, FlatbufferRung) and isinstance(upper, FlatbufferRung | KerasRung):
            break
    else:
        return None
    below = Activations(Path(lower.source).read_bytes(), lower.kernels)
    above: Tapped = (
        upper.activations(below.listed)
        if isinstance(upper, KerasRung)
        else Activations(Path(upper.source).read_bytes(), upper.kernels)
    )
    return look_inside(
        step.name,
        step.above.against,
        above,
        below,
        examples,
        sqnr_db=section.tensor_sqnr_db,
        lsb=section.tensor_lsb,
        track=track,
    )


def _batches(data: DataSource, split: str, limit: int | None) -> Iterator[Batch]:
    left = limit
    for batch in data.batches(split, EVALUATION_CHUNK):
        if left is None:
            yield batch
            continue
        yield batch[:left]
        left -= len(batch.x)
        if left <= 0:
            return


def _examples(data: DataSource, split: str, limit: int | None) -> Iterator[Float]:
    """Single examples for the look inside."""
    single = (example for batch in data.batches(split, LOOKED_AT) for example in batch.x)
    return islice(single, min(LOOKED_AT, limit or LOOKED_AT))
