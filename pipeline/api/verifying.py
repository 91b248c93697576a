"""`pipeline.verify`: what an int8 model answers, set of kernels by set of kernels, against the float model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import recipe as recipes
from pipeline.api.model import files, load
from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.text_table import decibels, text_table
from pipeline.workflow.context import silent
from pipeline.workflow.given_data import GivenData

if TYPE_CHECKING:
    from pipeline.workflow.verification import Verification


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """The accuracy ladder: each form of the model and each set of kernels against the one above it."""

    found: Verification
    name: str

    @property
    def kept(self) -> bool:
        """Whether no promise is broken."""
        return self.found.kept

    @property
    def broken(self) -> tuple[str, ...]:
        """A sentence for each promise that was not kept."""
        return self.found.broken

    def to_json(self) -> dict[str, Any]:
        return self.found.to_json() | {"model": self.name}

    def __str__(self) -> str:
        rows = []
        for step in self.found.steps:
            above = step.above
            row = (
                ["–", "–", "–"]
                if above is None
                else [above.against, f"{100 * above.agreement:.1f} %", decibels(above.sqnr_db)]
            )
            rows.append([step.name, *row])
        lines = [text_table(["rung", "against", "agreement", "SQNR"], rows)]
        lines.append(f"{self.name}, {self.found.steps[-1].n} examples")
        lost = self.found.lost or self.found.weakest
        if lost is not None:
            lines.append(f"{'lost' if self.found.lost else 'widest step'}: {lost.name}, {lost.title}")
        return "\n".join([*lines, *self.broken])


def verify(
    model: Any = None,
    reference: Any = None,
    data: Any = None,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    promises: Mapping[str, Any] | None = None,
    task: str | Mapping[str, Any] = "auto",
    split: str = "test",
    examples: int | None = None,
    batch_size: int = 8,
    threads: int = 2,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
) -> VerificationResult:
    """Run a quantized model on the reference, the builtin and the XNNPACK kernels, each held against the one above.

    Args:
        model: A run folder (None: the newest) or a quantized .tflite; with `data`, bytes or a result of `quantize` too.
        reference: The float model: a .tflite or Keras file, bytes, a Keras model. None: that of the run.
        data: A pair (inputs, targets), a function of batches, or a data set of `load_data`. None: the recipe's.
        recipe: Whose data and promises; None: the run's.
        overrides: Settings laid over it: `["verify.min_agreement=0.99"]`.
        promises: With `data`, keys of a recipe's `verify` section: `{"min_agreement": 0.99}`.
        task: With `data`, what the outputs are, as in a recipe.
        split: Of a data set.
        examples: At most so many, the first.
        batch_size: Examples in one call of a model.
        threads: Rungs that run at the same time.
        track: Progress, for example `pipeline.progress.bar`.
        say: Told what takes a while.

    Returns:
        What was found; a broken promise raises nothing, `kept` tells.

    Raises:
        InputError: nothing there, a model that computes in float, no reference, or data that the models do not take.
        PipelineError: a model fails while it runs.

    Example:
        >>> print(verify("int8.tflite", "float.tflite", (x_test, y_test)))  # doctest: +SKIP
    """
    from pipeline.workflow import verification
    from pipeline.workflow.ladder_rungs import open_ladder

    if data is None:
        if promises is not None:
            raise InputError("promises go with data; those of a recipe are set with overrides=['verify.KEY=VALUE'].")
        paths = [None if given is None else _path(given) for given in (model, reference)]
        target = open_ladder(paths[0], paths[1], recipe, overrides)
        found = verification.verify(
            target, split=split, examples=examples, batch=batch_size, threads=threads, track=track, say=say
        )
        return VerificationResult(found, str(target.model))
    if model is None or reference is None:
        raise InputError("With data, give both models: verify(int8, float, data).")
    if recipe is not None or overrides:
        raise InputError("data and recipe both name the data: give one of them, and promises beside data.")
    own, other = load(model), load(reference)
    with files({own.name: own, f"{own.name}'s reference": other}) as written:
        quantized, floating = written.values()
        named = task if isinstance(task, str) else dict(task)
        content = {"name": "given", "task": named, "model": {}, "verify": dict(promises or {})}
        own_recipe = recipes.parse(content, "promises")
        target = replace(open_ladder(quantized, floating, own_recipe), run=None)
        found = verification.verify(
            target,
            data=data if hasattr(data, "batches") else GivenData(data),
            split=split,
            examples=examples,
            batch=batch_size,
            threads=threads,
            track=track,
            say=say,
        )
    return VerificationResult(found, str(own.path or own.name))


def _path(given: Any) -> Path:
    if isinstance(given, str | Path):
        return Path(given)
    raise InputError(f"Without data, models are paths or a run folder, not {type(given).__name__}: give data too.")
