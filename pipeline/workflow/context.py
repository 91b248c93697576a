"""What every stage of a run is given: the recipe, the folder, the data and the task, each opened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import recipe as recipes
from pipeline.cluster import Worker, folder_for, worker_of
from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.workflow.run_folder import FLOAT, PREPARED, Run, run_named

if TYPE_CHECKING:
    from pipeline.data import Dataset
    from pipeline.tasks.registry import Resolved
    from pipeline.tasks.task import Endings, Task
    from pipeline.tensors import Signature, Tensors
    from pipeline.workflow.given_data import DataSource

EVALUATION_CHUNK = 32
"""Examples read at a time; the models run them in their own batches."""


_SPANS: dict[Any, float] = {"0..1": 1.0, "-1..1": 2.0}
"""The highest value that a pixel can have less the lowest, by the scale of the preprocessing."""


def silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class RunContext:
    """What every stage needs: the recipe, the folder, the data (opened once), and how to tell of progress."""

    recipe: Recipe
    run: Run
    track: Track = quiet
    say: Callable[[str], None] = silent
    lock: object = field(default=None, repr=False, compare=False)
    """Keeps other processes out of the folder as long as the context lives."""

    @cached_property
    def worker(self) -> Worker:
        """Which of the processes that train together this is; its run lies where `cluster.folder_for` says.

        Raises:
            InputError: the recipe trains in several processes, and TF_CONFIG does not say which this is.
        """
        return worker_of(self.recipe)

    @cached_property
    def data(self) -> Dataset:
        """The recipe's data; what should be known of it is said once.

        Raises:
            InputError: it is not there or not usable.
        """
        from pipeline.data import load

        data = load(self.recipe.data, trains=self.recipe.trains)
        for note in data.remarks():
            self.say(note)
        return data

    @cached_property
    def resolved(self) -> Resolved:
        """The task for what the run's float model takes and gives, and why it is that.

        What `auto` took is said once.

        Raises:
            InputError: the run has no float flatbuffer yet, or as :func:`pipeline.tasks.registry.resolve`.
        """
        model = self.run.path(FLOAT)
        if not model.is_file():
            model = self.run.path(PREPARED)  # of a run whose float model was only given
        if not model.is_file():
            raise InputError(f"The run '{self.run.folder}' has no {FLOAT} yet: run its recipe as far as the export.")
        return self._said(resolve_task(self.recipe, self.data, model))

    @property
    def task(self) -> Task:
        """How the outputs are judged; errors as `resolved`."""
        return self.resolved.task

    def task_of(self, signature: Signature, endings: Endings) -> Task:
        """As `task`, for a model that is not in the folder yet; the answer of the first call is the run's.

        Args:
            signature: What the float model takes and gives.
            endings: What its last operators do to its outputs.

        Raises:
            InputError: as :func:`pipeline.tasks.registry.resolve`.
        """
        return self._once(lambda: task_for(self.recipe.task, self.data, signature, endings))

    def task_of_model(self, content: bytes) -> Task:
        """As `task_of`, for a float flatbuffer."""
        return self._once(lambda: resolve_task(self.recipe, self.data, content))

    def _once(self, resolve: Callable[[], Resolved]) -> Task:
        if "resolved" not in vars(self):  # where `cached_property` keeps it
            vars(self)["resolved"] = self._said(resolve())
        return self.task

    def _said(self, found: Resolved) -> Resolved:
        if self.recipe.task == "auto":
            self.say(f"task: {found.reason}")
        return found


def resolve_task(recipe: Recipe, data: DataSource, model: Path | bytes) -> Resolved:
    """The recipe's task for a .tflite model, and why it is that.

    Raises:
        InputError: no such model, or as :func:`pipeline.tasks.registry.resolve`.
    """
    from pipeline.tflite.endings import endings
    from pipeline.tflite.flatbuffer import load
    from pipeline.tflite.kernels import open_runner

    content = load(model)
    return task_for(recipe.task, data, open_runner(content).signature, endings(content))


def task_for(section: str | Mapping[str, Any], data: DataSource, signature: Signature, endings: Endings) -> Resolved:
    """As `resolve_task`, of a recipe's `task` section and a model of which only this is known."""
    from pipeline.tasks.registry import resolve

    described = {name: preprocessor.describe() for name, preprocessor in data.preprocessors.items()}
    spans = {
        name: _SPANS.get(facts.get("scale")) for name, facts in described.items() if len(data.inputs[name].shape) == 4
    }
    known = {name: span for name, span in spans.items() if span is not None}
    return resolve(section, signature, endings, data.inputs, data.targets, data.class_names, data_ranges=known)


def task_json(resolved: Resolved) -> dict[str, Any]:
    """The task as JSON: its name and options, why it is that, and its metrics, the one that decides first."""
    return {
        **resolved.task.describe(),
        "reason": resolved.reason,
        "metrics": [vars(metric) for metric in resolved.task.metrics],
    }


def start_run(
    recipe: str | Recipe,
    overrides: Sequence[str] = (),
    name: str | None = None,
    *,
    ptq: bool = False,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
) -> RunContext:
    """The context of a recipe, for a run that is new or goes on.

    Args:
        recipe: Its name, its file, or itself.
        overrides: `section.key=value` settings laid over it.
        name: Of the folder under `runs/`; by default the recipe's, and with `ptq`, where the recipe has a QAT, that and
            `-ptq`. A worker's folder is a temporary one.
        ptq: Whether the QAT is left out.
        track: Progress.
        say: Told what was done.

    Raises:
        InputError: no such recipe, a wrong setting, or the recipe trains in several processes and TF_CONFIG does not
            say which this is.
        PipelineError: another process works in the folder.
    """
    if isinstance(recipe, Recipe):
        content = recipe.model_dump(mode="json")
        for override in overrides:
            recipes.lay_over(content, override)
        loaded = recipes.parse(content)
    else:
        loaded = recipes.load(recipe, list(overrides))
    own = f"{loaded.name}-ptq" if ptq and loaded.qat is not None else loaded.name
    return open_context(loaded, Run(folder_for(worker_of(loaded), run_named(name or own).folder)), track, say)


def open_context(recipe: Recipe, run: Run, track: Track = quiet, say: Callable[[str], None] = silent) -> RunContext:
    """A context that writes into the run folder, which is this process's as long as it lives.

    Raises:
        PipelineError: another process works there.
    """
    from pipeline.workflow.run_lock import hold

    return RunContext(recipe, run, track, say, hold(run.folder))


@dataclass(frozen=True)
class StageResult:
    """What a stage left in the run folder."""

    stage: str
    key: str
    """Over all that it depends on; recorded in the manifest."""
    files: tuple[Path, ...]
    repeated: bool = field(default=False, compare=False)
    """Whether it was done before, from the same things, and so not again."""


def calibration_inputs(context: RunContext) -> Iterator[Tensors]:
    """The calibration examples, batches [B, ...] by input name."""
    return (batch.inputs for batch in context.data.batches("calibration", EVALUATION_CHUNK))
