"""The stage that judges .tflite files on held-out data, by a recipe's task and beside a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.workflow import targets
from pipeline.workflow.context import EVALUATION_CHUNK, resolve_task, silent, task_json

if TYPE_CHECKING:
    from pipeline.data import Dataset
    from pipeline.recipe import Recipe


@dataclass(frozen=True)
class FilesEvaluation:
    """How good models are."""

    blocks: dict[str, dict[str, Any]]
    """Their JSON, by the names that tables call them; the reference's too."""
    asked: dict[str, dict[str, Any]]
    """Without a reference that was given beside them."""
    against: str | None
    """The reference's name."""
    task: dict[str, Any]
    """As JSON, with its metrics."""


def evaluate_files(
    models: Sequence[Path],
    recipe: str | None,
    overrides: Sequence[str],
    reference: Path | None = None,
    *,
    data: str | None = None,
    split: str = "test",
    threads: int = 2,
    batch: int = 8,
    xnnpack: bool = True,
    pictures: Path | None = None,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
) -> FilesEvaluation:
    """Judge models on a split.

    Args:
        models: .tflite files, or runs; the newest run by default.
        recipe: Whose data and task, by name or file; None: the run's.
        overrides: `section.key=value` settings laid over it.
        reference: What they are compared with; None: the float model among them, if there is one.
        data: What `open_given` takes, for models that lie in no run and have no recipe.
        split: Whose examples.
        threads: Models that run at the same time.
        batch: Examples in one call of a model.
        xnnpack: Whether XNNPACK computes.
        pictures: A folder for pictures of the answers, as `pictures.save` draws them.
        track: Follows the pass over the data.
        say: Told the task, and what could not be read.

    Raises:
        InputError: no model, no data, a recipe and data both, no such split, a task that does not fit, or
            nothing to judge by.
        PipelineError: a model fails or gives NaN.
    """
    from pipeline.evaluation.evaluator import evaluate

    files = targets.model_files(models)
    for file in (*files.values(), *([] if reference is None else [reference])):
        targets.check_there(file)
    settings, dataset = _data(recipe, data, overrides, list(files.values()), split)
    for note in dataset.remarks([split]):
        say(note)
    against = "float" if reference is None and "float" in files else None
    shown = list(files)
    if reference is not None:
        against = next((name for name, path in files.items() if path == reference), f"reference {reference}")
        files[against] = reference
    resolved = resolve_task(settings, dataset, files[against or shown[0]])
    if not resolved.task.metrics and against is None:
        raise InputError(
            f"There is nothing to judge '{shown[0]}' by: {resolved.reason} Give a model to compare it with by "
            "--reference FILE, or say what it is for with --set task=NAME."
        )
    if settings.task == "auto":
        say(f"task: {resolved.reason}")
    results = evaluate(
        files,
        dataset.batches(split, EVALUATION_CHUNK),
        resolved.task,
        against,
        threads=threads,
        batch_size=batch,
        track=track,
        xnnpack=xnnpack,
    )
    if dataset.skipped:
        say(f"{len(dataset.skipped)} examples could not be read and were left out: {', '.join(dataset.skipped)}")
    if pictures is not None:
        from pipeline.tflite.kernels import Kernels, open_runner
        from pipeline.workflow.pictures import save

        kernels: Kernels = "xnnpack" if xnnpack else "builtin"
        first = sorted(files, key=lambda name: name != against)
        called = {name: files[name].stem if name == against else name for name in first}
        if len(set(called.values())) < len(called):
            called = {name: name for name in first}
        runners = {called[name]: open_runner(files[name], kernels, batch, threads=threads) for name in first}
        for path in save(runners, dataset, split, resolved.task, pictures, track=track):
            say(f"wrote {path}")
    blocks = {name: result.to_json() for name, result in results.items()}
    return FilesEvaluation(blocks, {name: blocks[name] for name in shown}, against, task_json(resolved))


def _data(
    recipe: str | None, data: str | None, overrides: Sequence[str], files: Sequence[Path], split: str
) -> tuple[Recipe, Dataset]:
    """Settings and examples: of the recipe, of what is given, or of the run."""
    from pipeline.data import load

    if data is not None:
        from pipeline.workflow.evaluation_data import open_given

        if recipe is not None:
            raise InputError("--recipe and --data both name the data: give one of them.")
        return open_given(data, files[0], overrides, split)
    if recipe is None and targets.locate(files[0]).run is None:
        raise InputError(
            f"'{files[0]}' is in no run folder: say which data to use with --data (a folder, an .npz, .npy or .csv "
            "file, module:function) or --recipe RECIPE."
        )
    settings = targets.recipe_of(recipe, overrides, files)
    return settings, load(settings.data, trains=settings.trains)
