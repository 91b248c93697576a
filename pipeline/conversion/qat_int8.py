"""The .tflite that a QAT model is at this moment, with the recipe's keep rules: what the best epoch is chosen by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pipeline.conversion.import_float import import_float
from pipeline.data.loader import Dataset
from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Record
from pipeline.models.predictor import KerasPredictor
from pipeline.quantization.formats import NEEDS_RANGES, write
from pipeline.quantization.mends import unmeasured_rules
from pipeline.quantization.ptq import FloatModel, Settings, prepare
from pipeline.recipe import Format, Quantize
from pipeline.tasks.task import Task
from pipeline.tensors import Predictor, Tensors, bind, first_examples
from pipeline.tflite.kernels import open_runner

BATCH = 32


def float_model_of(aware: Any, data: Dataset) -> FloatModel:
    """The float flatbuffer of a QAT model with the ranges that it learned; calibration measures what it did not."""
    found = import_float(aware)
    specs = KerasPredictor(aware).signature.inputs

    def inputs() -> Iterable[Tensors]:
        return (bind(batch.inputs, specs) for batch in data.batches("calibration", BATCH))

    return prepare(found.content, inputs, Settings(), given=found.ranges)  # type: ignore[arg-type, unused-ignore]


def written(aware: Any, data: Dataset, how: Quantize) -> bytes:
    """The .tflite that a recipe writes of a QAT model: its int8 format, or the first with integer activations.

    Raises:
        InputError: a keep rule matches no operator, or asks for what the operator does not come in.
        PipelineError: the writer refuses the model.
    """
    prepared = float_model_of(aware, data)
    rules = (*unmeasured_rules(prepared.content, prepared.ranges, how.mixed_ranges, how.keep), *how.keep)
    return write(prepared.content, format_of(how), prepared.ranges, how.io, rules)


def format_of(how: Quantize) -> Format:
    """The format that decides, of those that a recipe writes."""
    integers = [target for target in how.formats if target in NEEDS_RANGES]
    return "int8" if "int8" in integers or not integers else integers[0]


def int8_score(reference: Any, data: Dataset, split: str, task: Task, how: Quantize) -> Callable[[Any], float]:
    """A function that says how good the written model of a QAT model is on a split.

    Args:
        reference: The float Keras model.
        data: With a calibration split, where QAT leaves ranges to be measured.
        split: For example "validation".
        task: What decides: its first metric; where it has none, or the split no targets, the decibels of the worst
            output to the float model's.
        how: What is written: format, io, keep.

    Returns:
        From a QAT model to that number, shares as 0..1. It raises PipelineError where LiteRT does not run what is
        written.
    """
    example = next(iter(data.batches(split, 1)))
    judged = bool(task.metrics) and bool(task.targets_of(example))
    float_model = None if judged else KerasPredictor(reference)

    def score(aware: Any) -> float:
        content = written(aware, data, how)
        try:
            runner = open_runner(content, batch=BATCH, threads=2)
        except InputError as error:
            raise PipelineError(
                f"QAT trains towards an {format_of(how)} model that LiteRT does not run, so no epoch can be chosen by "
                f"it. {error} In a recipe that is quantize.keep."
            ) from error
        return _value(runner, float_model, data, split, task)

    return score


def _value(runner: Predictor, float_model: Predictor | None, data: Dataset, split: str, task: Task) -> float:
    record, other = Record("the int8 model of this epoch", task), Record("the float model", task)
    for batch in data.batches(split, BATCH):
        answers = runner(batch.inputs)
        if float_model is None:
            record.add(answers, task.targets_of(batch))
        else:
            record.hold_against(other.name, answers, float_model(batch.inputs))
    if float_model is None:
        return record.values[task.metrics[0].name]
    return record.against(other).sqnr_db


def same_answers(aware: Any, content: bytes, data: Dataset, split: str, task: Task, examples: int = BATCH) -> float:
    """How far a Keras model and its flatbuffer give the same answers, 0..1: the task's agreement, no labels needed.

    Args:
        aware: The Keras model.
        content: What was converted from it.
        data: Where the examples come from.
        split: For example "test".
        task: How two answers are compared.
        examples: The first so many of the split.
    """
    keras, converted = KerasPredictor(aware), open_runner(content, batch=BATCH)
    record, other = Record("the converted model", task), Record("the Keras model", task)
    for batch in first_examples(data.batches(split, BATCH), examples):
        record.hold_against(other.name, converted(batch.inputs), keras(batch.inputs))
    return float(np.mean(record.against(other).agreed))
