"""The QAT stage: a trained float model in, a model that adapted to int8's rounding out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Task
from pipeline.tensors import Tensors, in_order
from pipeline.training import batch_norm
from pipeline.training.distillation import Teacher, variances
from pipeline.training.feeding import input_specs
from pipeline.training.fit import Score, fit, seed_everything
from pipeline.training.history import History
from pipeline.training.losses import losses_of
from pipeline.training.objective import with_targets
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
    task: Task,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
    score: Score | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> tuple[Any, History]:
    """Make a quantization-aware copy of the model and fine-tune it; the float model is left alone.

    Outputs without a loss, or without a target in the data, learn from the float model's.

    Args:
        model: A trained `tf_keras` model of any inputs and outputs.
        data: Its calibration split is what the ranges begin from, where it has one.
        how: The recipe's section.
        task: What it is trained and judged by.
        augment: Random changes to the training images.
        track: Progress.
        score: Chooses the epoch instead of the simulation's validation metric; see `fit`.
        say: Told which outputs learn from the float model.

    Raises:
        InputError: tfmot cannot quantize the model, a config of the user's cannot be used, the data has no training
            split, or its inputs are not finite.
        PipelineError: the loss became NaN.
    """
    seed_everything(how.seed)
    aware = quantize_aware(model, custom_configs.load(how.configs))
    if getattr(model, "loss", None):
        aware.compile(loss=model.loss)
    _set_input_ranges(aware, data)
    if how.calibrate:
        calibrated_start.calibrate(aware, itertools.islice(_calibration(data, how.batch_size), CALIBRATION_BATCHES))
    if how.freeze_batch_norm and not how.batch_norm_epochs:
        batch_norm.freeze(aware)
    history = fit(
        aware,
        data,
        how,
        task,
        augment,
        what="QAT",
        track=track,
        score=score,
        teacher=_teacher(model, data, how, task, say),
        callbacks=[Freezing(how), Following()],
    )
    snap(aware)
    return aware, history


def _teacher(model: Any, data: Dataset, how: recipe.Qat, task: Task, say: Callable[[str], None]) -> Teacher | None:
    """The float model, where the recipe says so or an output has nothing else to learn from."""
    names = tuple(model.output_names)
    learned = with_targets(losses_of(model, task, how), task, next(iter(data.batches("train", 1))), names)
    left = [name for name in names if name not in learned]
    if how.distill is None and not left:
        return None
    if left:
        listed = ", ".join(f"'{name}'" for name in left)
        say(f"QAT: no loss or no target for {listed}: learned from the float model's outputs, with weight 1")
    distill = how.distill or recipe.Distill()
    weight = distill.weight if how.distill is not None else 0.0
    spread = variances(model, itertools.islice(_calibration(data, how.batch_size), CALIBRATION_BATCHES))
    return Teacher(model, weight, distill.temperature, spread)


def _set_input_ranges(aware: Any, data: Dataset) -> None:
    """Start the float inputs' quantizers from the data's ranges: they only widen, and would put zero elsewhere."""
    wrappers, specs = input_quantizers(aware), input_specs(aware)
    ends: dict[str, tuple[float, float]] = {}
    for batch in _calibration(data, 32):
        for spec, array in zip(specs, in_order(batch, specs, f"The model '{aware.name}'"), strict=True):
            if spec.name not in wrappers:
                continue
            low, high = float(array.min()), float(array.max())
            if not np.isfinite([low, high]).all():
                raise InputError(
                    f"The calibration examples hold NaN or infinite values for the input '{spec.name}': no range can "
                    "be measured. Check the data and its preprocessing."
                )
            known = ends.get(spec.name, (low, high))
            ends[spec.name] = (min(known[0], low), max(known[1], high))
    set_ranges(aware, {wrappers[name]: pair for name, pair in ends.items()})


def _calibration(data: Dataset, batch_size: int) -> Iterator[Tensors]:
    split = "calibration" if "calibration" in data.splits else "train"
    return (batch.inputs for batch in data.batches(split, batch_size))
