"""The whole verification: run the ladder, look inside the rung that lost, hold the promises, check the provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data import load
from pipeline.files import write_text
from pipeline.progress import Track, quiet
from pipeline.recipe import Verify
from pipeline.tasks.task import Task
from pipeline.tensors import Batch, first_examples
from pipeline.tflite.activations import Activations
from pipeline.tflite.inspect import inspect
from pipeline.tflite.plausible_run import plausible_run
from pipeline.verification import metadata_check, promises, suspects
from pipeline.verification.flatbuffer_rung import FlatbufferRung
from pipeline.verification.inside import Inside, Tapped, look_inside, single_examples
from pipeline.verification.keras_rung import KerasRung
from pipeline.verification.ladder import Step, compare_rungs
from pipeline.verification.metadata_check import Check
from pipeline.verification.rung import Rung
from pipeline.versions import versions
from pipeline.workflow.command_targets import LadderTarget
from pipeline.workflow.context import resolve_task
from pipeline.workflow.given_data import DataSource
from pipeline.workflow.ladder_rungs import LAST, REFERENCE, rungs
from pipeline.workflow.stages import EVALUATION_CHUNK, silent

RESULT = "verify.json"
LOOKED_AT = 16
"""Examples that are run to look inside a rung."""


@dataclass(frozen=True)
class Verification:
    """All that was found."""

    model: Path
    split: str
    task: Task
    """By which the rungs were judged."""
    steps: tuple[Step, ...]
    """From the top of the ladder."""
    lost: Step | None
    """The rung whose loss of the first metric against the one above is more than chance, the largest; None where none
    is, and without labels, which prove no loss."""
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
            "task": self.task.describe(),
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
    target: LadderTarget,
    *,
    data: DataSource | None = None,
    task: Task | None = None,
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
        target: The models, as :func:`pipeline.workflow.ladder_rungs.open_ladder` finds them.
        data: The examples, where they are not those of the target's recipe. What the file's metadata say of its data is
            not checked then.
        task: How outputs are judged; by default as the recipe says.
        split: Whose examples.
        examples: At most so many of them, the first.
        batch: Examples in one call of a model.
        threads: Rungs that run at the same time.
        track: Follows the passes over the data.
        say: Told what is going on where it takes a while.
        further: More rungs below the last one, such as emulated or real devices.

    Raises:
        InputError: the data or a model cannot be used, or a promise that the task cannot be held to.
        PipelineError: a model fails while it runs.
    """
    section = target.recipe.verify
    own = load(target.recipe.data, trains=target.recipe.trains) if data is None else None
    for note in own.remarks([split]) if own is not None else ():
        say(note)
    examined = data or own
    assert examined is not None
    if task is None:
        resolved = resolve_task(target.recipe, examined, target.float_model)
        task = resolved.task
        if target.recipe.task == "auto":
            say(f"task: {resolved.reason}")
    promises.check(section, task)
    if target.keras or target.keras_qat:
        say("loading TensorFlow for the Keras models (--no-keras leaves them out)")
    ladder = [*rungs(target, batch, say), *further]
    steps = compare_rungs(
        ladder, _batches(examined, split, examples), task, reference=REFERENCE, threads=threads, track=track
    )
    broken, left_out = promises.broken(section, steps, LAST)
    recorded = target.run.manifest.get("recipe") if target.run else None
    checks = metadata_check.check(inspect(target.model), own, recorded) if own is not None else ()
    broken += [
        f"{target.model} is not what its metadata say: {check.what}: {check.message}."
        for check in checks
        if check.state == "broken"
    ]
    ran = plausible_run(target.model)
    if ran is not None and ran.bad:
        broken.append(f"{target.model} {ran.sentence}.")
    looked_at = single_examples(examined.batches(split, LOOKED_AT), min(LOOKED_AT, examples or LOOKED_AT))
    found = Verification(
        model=target.model,
        split=split,
        task=task,
        steps=steps,
        lost=suspects.lost(steps),
        weakest=suspects.weakest(steps),
        inside=_inside(section, ladder, suspects.suspects(steps), looked_at, track),
        provenance=checks,
        broken=tuple(broken),
        left_out=tuple(left_out),
        skipped=dict(examined.skipped),
    )
    if target.run is not None:
        write_text(target.run.path(RESULT), json.dumps(found.to_json(), indent=1) + "\n")
    return found


def _inside(
    section: Verify,
    ladder: Sequence[Rung],
    suspected: Sequence[Step],
    examples: Iterable[dict[str, Any]],
    track: Track,
) -> Inside | None:
    by_name = {rung.name: rung for rung in ladder}
    for step in suspected:
        assert step.above is not None
        upper, lower = by_name[step.above.against], by_name[step.name]
        # QAT's Keras model has other weights than what stands above it: of course its activations differ.
        if not isinstance(lower, FlatbufferRung):
            continue
        below = Activations(Path(lower.source).read_bytes(), lower.kernels)
        above = _activations(upper, below)
        if above is not None:
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
    return None


def _activations(upper: Rung, below: Activations) -> Tapped | None:
    """Those of a rung whose activations can be read, under the names of the lower rung's where it has others."""
    if isinstance(upper, FlatbufferRung):
        return Activations(Path(upper.source).read_bytes(), upper.kernels)
    if isinstance(upper, KerasRung) and upper.has_layers:
        return upper.activations(below.listed)
    return None


def _batches(data: DataSource, split: str, limit: int | None) -> Iterable[Batch]:
    batches = data.batches(split, EVALUATION_CHUNK)
    return batches if limit is None else first_examples(iter(batches), limit)
