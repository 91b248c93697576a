"""The QAT stage: a trained float model in, a model that learned to live with int8's rounding out."""

from __future__ import annotations

from typing import Any

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.training import batch_norm
from pipeline.training.fit import History, fit
from pipeline.training.qat import own
from pipeline.training.qat.apply import quantize_aware
from pipeline.training.qat.ranges import input_quantizers, set_ranges


def fine_tune(
    model: Any,
    data: Dataset,
    how: recipe.Qat,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
) -> tuple[Any, History]:
    """Make a quantization-aware copy of the model and fine-tune it; the float model is left alone.

    Raises:
        InputError: tfmot cannot quantize the model, a config of the user's cannot be used, or the data has no training
            split.
        PipelineError: the loss became NaN.
    """
    aware = quantize_aware(model, own.load(how.configs))
    _set_input_range(aware, data)
    if how.freeze_batch_norm:
        batch_norm.freeze(aware)
    history = fit(aware, data, how, augment, what="QAT", track=track)
    return aware, history


def _set_input_range(aware: Any, data: Dataset) -> None:
    """Start the input's quantizer from the data's range: it only ever widens, and it would put zero elsewhere."""
    names = input_quantizers(aware)
    if len(names) != 1:
        return  # several inputs begin with what their first batch holds
    split = "calibration" if "calibration" in data.splits else "train"
    ends = [(float(batch.x.min()), float(batch.x.max())) for batch in data.batches(split, 32)]
    set_ranges(aware, {names[0]: (min(low for low, _ in ends), max(high for _, high in ends))})
