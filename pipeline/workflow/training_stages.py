"""The stages that end in a Keras model: float training, and quantization-aware fine-tuning."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cluster import trains_together
from pipeline.errors import InputError
from pipeline.files import replacing
from pipeline.versions import versions
from pipeline.workflow import origins
from pipeline.workflow.context import RunContext, StageResult
from pipeline.workflow.run_folder import FLOAT_KERAS, QAT_KERAS, Run, key_of

if TYPE_CHECKING:
    from pipeline.tasks.task import Metric, Task


def train(context: RunContext, *, with_qat: bool = False) -> StageResult:
    """Build or load the model and train it in float where the recipe has a `train` section.

    Writes `float.keras`.

    Args:
        context: The run.
        with_qat: Whether QAT follows: what it trained before stays the run's model until it has trained anew.
    """
    recipe, run = context.recipe, context.run
    origin = origins.of_training(context)
    key = key_of("train", origin, versions())
    done = run.has("train", key)
    if not done and run.adopt("train", key, Run(run.folder.parent / recipe.name)):
        run.forget("qat", "flatbuffers")
        done = True
    if _everywhere(context, done):
        context.say(f"float model: as trained before ({FLOAT_KERAS})")
        if not with_qat or "qat" not in run.manifest["stages"]:
            origins.describe(context)
        return StageResult("train", key, (run.path(FLOAT_KERAS),), repeated=True)
    started = time.time()
    from pipeline.models.build import build
    from pipeline.training.fit import seed_everything
    from pipeline.training.losses import reads_compiled

    will_train = recipe.train is not None and recipe.train.epochs > 0
    data = context.data
    compiled = recipe.train is not None and reads_compiled(recipe.train)
    compiled = compiled or (recipe.qat is not None and reads_compiled(recipe.qat))
    # Before the model is built: its first weights are drawn then, and the seeds of its dropout.
    seed_everything(recipe.train.seed if recipe.train is not None else 0)
    model = build(
        recipe.model, data.inputs, data.targets, data.class_names, recipe.task, trainable=will_train, compiled=compiled
    )
    facts: dict[str, Any] = {"parameters": int(model.count_params())}
    if recipe.train is not None and recipe.train.epochs:
        from pipeline.training.float_training import train_float

        task = task_of_keras(context, model)
        history = train_float(model, data, recipe.train, task, recipe.data.augment, context.track)
        facts["history"] = vars(history)
        outcome = history.outcome(_deciding(task), recipe.train.epochs)
        context.say(f"float training: {outcome}, {time.time() - started:.0f} s")
    else:
        context.say(f"float model: {model.name}, {model.count_params():,} parameters, weights as given")
    _save(model, run.path(FLOAT_KERAS))
    run.forget("qat", "flatbuffers")  # they were made from the float model that was here before
    run.record("train", key, [FLOAT_KERAS], started, origins.description(context), made_from=origin, **facts)
    return StageResult("train", key, (run.path(FLOAT_KERAS),))


def qat(context: RunContext) -> StageResult:
    """Quantization-aware fine-tuning of `float.keras`. Writes `qat.h5`.

    Raises:
        InputError: the recipe has no `qat` section, or the model cannot be quantized so.
    """
    recipe, run = context.recipe, context.run
    if recipe.qat is None:
        raise InputError(f"The recipe '{recipe.name}' has no qat section: add one, or leave the QAT out with --ptq.")
    parent, origin = run.manifest["stages"]["train"]["outputs"], origins.of_qat(context)
    key = key_of("qat", parent, origin, versions())
    if _everywhere(context, run.has("qat", key)):
        context.say(f"QAT: as trained before ({QAT_KERAS})")
        origins.describe(context)
        return StageResult("qat", key, (run.path(QAT_KERAS),), repeated=True)
    run.check_intact("train")  # what the recipe made may hold the user's own code: it is loaded as trusted
    started = time.time()
    from pipeline.conversion.qat_int8 import int8_score
    from pipeline.models.load import load_file
    from pipeline.training import distribute
    from pipeline.training.losses import reads_compiled
    from pipeline.training.qat.fine_tune import fine_tune

    trained = load_file(run.path(FLOAT_KERAS), compiled=reads_compiled(recipe.qat), trusted=True)
    task = task_of_keras(context, trained)
    with distribute.scope(recipe.qat.strategy):
        score = None
        # Of a distributed model every worker would convert its own copy.
        if recipe.qat.best_by == "int8" and recipe.qat.strategy == "none" and "validation" in context.data.splits:
            score = int8_score(trained, context.data, "validation", task, recipe.quantize)
        model, history = fine_tune(
            trained, context.data, recipe.qat, task, recipe.data.augment, context.track, score, context.say
        )
    context.say(f"QAT: {history.outcome(_deciding(task), recipe.qat.epochs)}, {time.time() - started:.0f} s")
    _save(model, run.path(QAT_KERAS))
    run.record("qat", key, [QAT_KERAS], started, origins.description(context), made_from=origin, history=vars(history))
    return StageResult("qat", key, (run.path(QAT_KERAS),))


def _everywhere(context: RunContext, done: bool) -> bool:
    """Whether a stage is done; of several workers, whether it is in all of them, since they train it together."""
    if not trains_together(context.recipe):
        return done
    from pipeline.training import distribute

    context.say(f"{context.worker}: waiting for the others")
    with distribute.scope("multi_worker"):
        return distribute.everywhere(done)


def _save(model: Any, path: Path) -> None:
    from pipeline.models import custom_objects

    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's advice against HDF5
        model.save(temporary)
        custom_objects.remember(model, temporary)


def task_of_keras(context: RunContext, model: Any) -> Task:
    """The run's task, by the float Keras model where there is no flatbuffer yet.

    Raises:
        InputError: as :func:`pipeline.tasks.registry.resolve`.
    """
    from pipeline.models.keras_signature import endings_of, signature_of

    return context.task_of(signature_of(model), endings_of(model))


def _deciding(task: Task) -> Metric | None:
    return task.metrics[0] if task.metrics else None
