"""What every stage of a run is given: the recipe, the folder, the data and the task, each opened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cluster import Worker, worker_of
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.workflow.run_folder import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.data import Dataset

EVALUATION_CHUNK = 32
"""Examples read at a time; the models run them in their own batches."""


def silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class RunContext:
    """What every stage needs: the recipe, the folder, the data (opened once), and how to tell of progress."""

    recipe: Recipe
    run: Run
    track: Track = quiet
    say: Callable[[str], None] = silent

    @cached_property
    def worker(self) -> Worker:
        """Which of the processes that train together this is; its run lies where `cluster.folder_for` says.

        Raises:
            InputError: the recipe trains in several processes, and TF_CONFIG does not say which this is.
        """
        return worker_of(self.recipe)

    @cached_property
    def data(self) -> Dataset:
        """The recipe's data.

        Raises:
            InputError: it is not there or not usable.
        """
        from pipeline.data import load

        return load(self.recipe.data)


@dataclass(frozen=True)
class StageResult:
    """What a stage left in the run folder."""

    stage: str
    key: str
    """Over all that it depends on; recorded in the manifest."""
    files: tuple[Path, ...]
    repeated: bool = field(default=False, compare=False)
    """Whether it was done before, from the same things, and so not again."""


def calibration_inputs(context: RunContext) -> Iterator[NDArray[np.float32]]:
    """The calibration examples, float32 [B, ...]."""
    return (batch.x for batch in context.data.batches("calibration", EVALUATION_CHUNK))
