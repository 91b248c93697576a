"""The QAT stage: a trained float model in, a model that learned to live with int8's rounding out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.training import batch_norm
from pipeline.training.distillation import Teacher
from pipeline.training.fit import History, answers_probabilities, fit
from pipeline.training.qat import calibrated_start, custom_configs
from pipeline.training.qat.apply import quantize_aware
from pipeline.training.qat.range_variables import input_quantizers, set_ranges
from pipeline.training.qat.schedule import Following, Freezing
from pipeline.training.qat.snap import snap

CALIBRATION_BATCHES = 20
"""Ranges go on moving in training; more batches would only weigh more in their mean."""


def fine_tune(
    model: Any,
    data: Dataset,
    how: recipe.Qat,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
    score: Callable[[Any], float] | None = None,
) -> tuple[Any, History]:
    """Make a quantization-aware copy of the model and fine-tune it; the float model is left alone.

    Args:
        model: A trained `tf_keras` classifier.
        data: Its calibration split is what the ranges begin from, where it has one.
        how: The recipe's section.
        augment: Random changes to the training images.
        track: Progress.
        score: Chooses the epoch instead of the simulation's validation accuracy; see `fit`.

    Raises:
        InputError: tfmot cannot quantize the model, a config of the user's cannot be used, or the data has no training
            split.
        PipelineError: the loss became NaN.
    """
    aware = quantize_aware(model, custom_configs.load(how.configs))
    _set_input_range(aware, data)
    if how.calibrate:
        batches = itertools.islice(data.batches(_calibration(data), how.batch_size), CALIBRATION_BATCHES)
        calibrated_start.calibrate(aware, (batch.x for batch in batches))
    if how.freeze_batch_norm and not how.batch_norm_epochs:
        batch_norm.freeze(aware)
    teacher = None
    if how.distill is not None:
        teacher = Teacher(model, how.distill.weight, how.distill.temperature, answers_probabilities(model))
    history = fit(
        aware,
        data,
        how,
        augment,
        what="QAT",
        track=track,
        score=score,
        teacher=teacher,
        callbacks=[Freezing(how), Following()],
    )
    snap(aware)
    return aware, history


def _set_input_range(aware: Any, data: Dataset) -> None:
    """Start the input's quantizer from the data's range: it only ever widens, and it would put zero elsewhere."""
    names = input_quantizers(aware)
    if len(names) != 1:
        return  # several inputs begin with what their first batch holds
    ends = [(float(batch.x.min()), float(batch.x.max())) for batch in data.batches(_calibration(data), 32)]
    set_ranges(aware, {names[0]: (min(low for low, _ in ends), max(high for _, high in ends))})


def _calibration(data: Dataset) -> str:
    return "calibration" if "calibration" in data.splits else "train"
