"""The QAT stage: a trained float model in, a model that learned to live with int8's rounding out."""

from __future__ import annotations

from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.quantize.ranges import holding_zero
from pipeline.training import batch_norm
from pipeline.training.fit import History, fit
from pipeline.training.qat.apply import quantize_aware


def fine_tune(
    model: Any,
    data: Dataset,
    how: recipe.Qat,
    augment: recipe.Augment | None = None,
    track: Track = quiet,
) -> tuple[Any, History]:
    """Make a quantization-aware copy of the model and fine-tune it; the float model is left alone.

    Raises:
        InputError: tfmot cannot quantize the model, or the data has no training split.
        PipelineError: the loss became NaN.
    """
    aware = quantize_aware(model)
    _set_input_range(aware, data)
    if how.freeze_batch_norm:
        batch_norm.freeze(aware)
    history = fit(aware, data, how, augment, what="QAT", track=track)
    return aware, history


def _set_input_range(aware: Any, data: Dataset) -> None:
    """Start tfmot's input quantizer from the data's range: it only ever widens, and it would put zero elsewhere."""
    split = "calibration" if "calibration" in data.splits else "train"
    ends = [(float(batch.x.min()), float(batch.x.max())) for batch in data.batches(split, 32)]
    low, high = holding_zero(min(low for low, _ in ends), max(high for _, high in ends))
    for layer in aware.layers:
        if isinstance(layer, QuantizeLayer) and layer.quantizer is not None:
            layer.quantizer_vars["min_var"].assign(low)
            layer.quantizer_vars["max_var"].assign(high)
