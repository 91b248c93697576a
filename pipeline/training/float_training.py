"""Float training: the loop, and batch-norm statistics that are right at the end of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Task
from pipeline.training import batch_norm, distribute
from pipeline.training.fit import fit
from pipeline.training.history import History

STATISTICS_BATCHES = 100
"""Batches for the final batch-norm statistics: their error falls with the root of this number."""


def train_float(
    model: Any,
    data: Dataset,
    how: recipe.Train,
    task: Task,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
) -> History:
    """Train a `tf_keras` model in place, on the devices or workers of the recipe's strategy.

    Args:
        model: Of any inputs and outputs.
        data: Its training split is learned; its validation split chooses the epoch.
        how: The recipe's section.
        task: What it is trained and judged by.
        augment: Random changes to the training images.
        track: Progress.

    Raises:
        InputError: as `fit`, or the data has no training split.
        PipelineError: the loss became NaN, or a worker was lost.
    """
    batch_norm.fit_momentum(model, math.ceil(data.size("train") / how.batch_size))
    with distribute.scope(how.strategy):
        trained = distribute.copied(model)
        history = fit(trained, data, how, task, augment, what="float training", track=track)
        # Every worker sees the same batches here, so that all come to the same statistics.
        batches = data.batches("train", how.batch_size, shuffle_seed=how.seed, augment=augment)
        batch_norm.reestimate(trained, (batch.inputs for batch in itertools.islice(batches, STATISTICS_BATCHES)))
        if trained is not model:
            model.set_weights(trained.get_weights())
    return history
