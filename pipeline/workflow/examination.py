"""What `pipeline doctor` examines: a Keras model layer by layer, or the calibration data with a float model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.finding import Diagnosis, Finding
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.workflow.command_targets import DataTarget, KerasTarget
from pipeline.workflow.context import resolve_task, silent


@dataclass(frozen=True)
class ModelExamination:
    """What is between a Keras model and int8."""

    name: str
    parameters: int
    diagnosis: Diagnosis


def examine_data(target: DataTarget, track: Track = quiet) -> Diagnosis:
    """What is wrong with the data for the model.

    Args:
        target: Of `command_targets.for_data`.
        track: Follows the passes over the data.

    Raises:
        InputError: as `diagnose`, or the recipe's task does not fit the model.
    """
    from pipeline.data import load
    from pipeline.diagnosis.calibration_data import diagnose
    from pipeline.tflite import flatbuffer, metadata

    content = flatbuffer.load(target.model)
    data = load(target.recipe.data.model_copy(update={"on_corrupt": "skip"}), trains=target.recipe.trains)
    task = resolve_task(target.recipe, data, content).task
    return diagnose(
        content,
        target.recipe.data,
        metadata.read(target.described),
        task=task,
        trains=target.recipe.trains,
        track=track,
    )


def examine_labels(model: Path, recipe: Recipe, track: Track = quiet) -> list[Finding]:
    """Whether a model's classes are those of a recipe's data, by their number and by its answers.

    Args:
        model: A .tflite file.
        recipe: Whose data and task.
        track: Follows the pass over the data.

    Raises:
        InputError: the data cannot be read, or the task does not fit the model.
    """
    from pipeline.data import load
    from pipeline.diagnosis.calibration_data import label_findings
    from pipeline.tflite import flatbuffer
    from pipeline.workflow.export_judgement import judging_split

    content = flatbuffer.load(model)
    data = load(recipe.data, trains=recipe.trains)
    if not data.class_names:
        return []
    task = resolve_task(recipe, data, content).task
    return label_findings(content, data, judging_split(data.splits, data.calibrating), task, track=track)


def examine_model(target: KerasTarget, say: Callable[[str], None] = silent) -> ModelExamination:
    """What is in the way of QAT and int8, and what is done about it. Imports TensorFlow.

    Args:
        target: Of `command_targets.for_keras_model`.
        say: Told what takes a while.

    Raises:
        InputError: the model cannot be loaded or built.
    """
    from pipeline.models.open_model import open_model
    from pipeline.training.qat import custom_configs
    from pipeline.training.qat.doctor import examine

    model = open_model(target.source, trusted=target.trusted)
    diagnosis = examine(model, custom_configs.load(target.configs), say=say)
    return ModelExamination(str(model.name), int(model.count_params()), diagnosis)
