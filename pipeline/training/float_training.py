"""Float training: the loop, and batch-norm statistics that are right at the end of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.training import batch_norm
from pipeline.training.fit import History, fit

STATISTICS_BATCHES = 100
"""Batches for the final batch-norm statistics: their error falls with the root of this number."""


def train_float(
    model: Any,
    data: Dataset,
    how: recipe.Train,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
) -> History:
    """Train a `tf_keras` classifier in place.

    Raises:
        InputError: the data has no training split.
        PipelineError: the loss became NaN.
    """
    batch_norm.fit_momentum(model, math.ceil(data.size("train") / how.batch_size))
    history = fit(model, data, how, augment, what="float training", track=track)
    batches = data.batches("train", how.batch_size, shuffle_seed=how.seed, augment=augment)
    batch_norm.reestimate(model, (batch.x for batch in itertools.islice(batches, STATISTICS_BATCHES)))
    return history
