"""The int8 model that a QAT model is at this moment: what the best epoch is chosen by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.conversion.convert import to_flatbuffer
from pipeline.data.loader import Dataset
from pipeline.evaluation.classify import class_scores
from pipeline.quantization.formats import write
from pipeline.quantization.learned import take_out_fake_quant
from pipeline.quantization.ptq import FloatModel, Settings, prepare
from pipeline.tflite.global_pooling import mean_for_global_pooling
from pipeline.tflite.runner import Runner

BATCH = 32


def float_model_of(aware: Any, data: Dataset) -> FloatModel:
    """The float flatbuffer of a QAT model with the ranges that it learned; calibration measures what it did not."""
    content, learned = take_out_fake_quant(to_flatbuffer(aware))
    content = mean_for_global_pooling(content)
    return prepare(
        content, lambda: (batch.inputs for batch in data.batches("calibration", BATCH)), Settings(), given=learned
    )


def accuracy_on(data: Dataset, split: str) -> Callable[[Any], float]:
    """A function that says how many of a split's examples the int8 model of a QAT model answers right, 0..1."""

    def accuracy(aware: Any) -> float:
        prepared = float_model_of(aware, data)
        runner = Runner(write(prepared.content, "int8", prepared.ranges))
        right = [
            class_scores(runner.predict(example[None]), 1, "of this epoch").argmax() == label
            for batch in data.batches(split, BATCH)
            for example, label in zip(batch.x, batch.y, strict=True)
        ]
        return float(np.mean(right))

    return accuracy


def same_answers(aware: Any, content: bytes, x: np.ndarray) -> float:
    """The share of examples, float32 [B, ...], that a Keras model and its flatbuffer answer alike."""
    kerass = np.asarray(aware(x, training=False))
    runner = Runner(content)
    converted = np.concatenate([runner.predict(example[None]) for example in x])
    name = "that was trained"
    both = (class_scores(scores, len(x), name).argmax(axis=-1) for scores in (kerass, converted))
    first, second = both
    return float(np.mean(first == second))
