"""The stage that says what a .tflite file is, and examines it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pipeline.progress import Track, quiet
from pipeline.tensors import Tensors
from pipeline.tflite.audit.audit import Audit, audit
from pipeline.tflite.guard import damage_told
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.workflow import targets
from pipeline.workflow.context import EVALUATION_CHUNK


def inspect_file(
    given: Path | None,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    *,
    with_data: bool = False,
    track: Track = quiet,
) -> tuple[Inspection, Audit]:
    """Read a file, and check it.

    Args:
        given: A .tflite file or a run; None: the newest run.
        recipe: Whose data, by name or file; None: the run's.
        overrides: `section.key=value` settings laid over it.
        with_data: Whether activations are looked at too, on examples of the test split.
        track: Follows these.

    Raises:
        InputError: no such file, a damaged one, or data that is not there.
    """
    path = targets.model_file(given)
    found = inspect(path)
    examples = _examples(path, recipe, overrides) if with_data else None
    with damage_told(path, f"The model {path}"):
        return found, audit(path, found, examples, track=track)


def _examples(path: Path, recipe: str | None, overrides: Sequence[str]) -> Iterator[Tensors]:
    from pipeline.data import load
    from pipeline.diagnosis.measured_ranges import each_example
    from pipeline.tflite.audit.observe import EXAMPLES

    found = targets.recipe_of(recipe, overrides, [path])
    data = load(found.data, trains=found.trains)
    return islice(
        (example for batch in data.batches("test", EVALUATION_CHUNK) for example in each_example(batch)), EXAMPLES
    )
