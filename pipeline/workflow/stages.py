"""A recipe's stages in order: data → float model → QAT → float flatbuffer and ranges → formats → audit → numbers.

Each stage is a function over a :class:`~pipeline.workflow.context.RunContext`. It writes its files into the run folder
and records them there; one that was done before, from the same recipe, data, parents and versions, is not done again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline import recipe as recipes
from pipeline.errors import InputError
from pipeline.files import write_text
from pipeline.progress import Track, quiet
from pipeline.workflow.context import EVALUATION_CHUNK, RunContext, StageResult, calibration_inputs, silent
from pipeline.workflow.float_model_stage import flatbuffers, take_built, take_file, taken_before
from pipeline.workflow.format_stage import formats, open_quantizer
from pipeline.workflow.measurement import measure
from pipeline.workflow.run_folder import FLOAT, FLOAT_KERAS, LABELS, MANIFEST, PREPARED, QAT, QAT_KERAS, RANGES, Run
from pipeline.workflow.training_stages import qat, train

__all__ = [
    "EVALUATION_CHUNK",
    "FLOAT",
    "FLOAT_KERAS",
    "PREPARED",
    "QAT",
    "QAT_KERAS",
    "RANGES",
    "RunContext",
    "calibration_inputs",
    "describe",
    "flatbuffers",
    "formats",
    "make_float_model",
    "measure",
    "open_quantizer",
    "qat",
    "reopen",
    "run_recipe",
    "silent",
    "take_file",
    "train",
    "train_recipe",
]


def run_recipe(context: RunContext, *, ptq: bool = False) -> dict[str, Any]:
    """The whole recipe: train, QAT (unless `ptq` or the recipe has none), export, audit, evaluate, benchmark.

    Of several workers only the chief goes on after the training.

    Returns:
        The metrics, a block a model, as in `metrics.json`; empty in a worker that is not the chief.

    Raises:
        InputError: the recipe, its data or its model cannot be used.
        PipelineError: a stage failed, or a file is not what its name promises.
    """
    with_qat = context.recipe.qat is not None and not ptq
    make_float_model(context, with_qat=with_qat)
    if not context.worker.is_chief:
        return {}
    formats(context, context.recipe.quantize.formats, context.recipe.quantize.io, context.recipe.quantize.keep)
    return measure(context)


def train_recipe(context: RunContext, *, with_qat: bool) -> StageResult:
    """A recipe as far as the Keras model that the rest is made from.

    Raises:
        InputError: the recipe, its data or its model cannot be used, or `with_qat` and the recipe has no QAT.
    """
    describe(context)
    trained = train(context)
    return qat(context) if with_qat else trained


def make_float_model(context: RunContext, *, with_qat: bool) -> None:
    """The float model that formats are written from: trained as the recipe says, or a file as it is.

    A model file of which nothing is trained is imported as it is, whatever wrote it; so is a Keras 3 model that a
    function gives. Training and QAT go through `tf_keras`, to which a Keras 3 file is translated.

    Raises:
        InputError: the recipe, its data or its model cannot be used.
        PipelineError: the model cannot be converted.
    """
    model = context.recipe.model
    trains = with_qat or (context.recipe.train is not None and context.recipe.train.epochs > 0)
    if not trains and model.path is not None:
        describe(context)
        take_file(context, model.path)
        return
    if not trains and model.function is not None and taken_before(context, model.function) is not None:
        describe(context)
        return
    try:
        train_recipe(context, with_qat=with_qat)
    except InputError as error:
        built = getattr(error, "model", None)  # a Keras3ModelError, whose class comes with TensorFlow
        if trains or built is None or model.function is None:
            raise
        take_built(context, model.function, built)
        return
    if context.worker.is_chief:
        flatbuffers(context, with_qat=with_qat)


def reopen(run: Run, track: Track = quiet, say: Callable[[str], None] = silent) -> RunContext:
    """Go on with a run that was made before, by its own recipe, and make sure of its float model and its ranges.

    Raises:
        InputError: it is no run, its recipe is damaged, or it was stopped before it had a model.
    """
    if not run.path(MANIFEST).is_file():
        raise InputError(f"'{run.folder}' is no run folder, it has no {MANIFEST}: give the folder of a run.")
    manifest = run.manifest
    context = RunContext(
        recipes.parse(manifest.get("recipe", {}), f"the recipe in {run.path(MANIFEST)}"), run, track, say
    )
    stages = manifest.get("stages", {})
    if "train" in stages:
        flatbuffers(context, with_qat="qat" in stages)
    elif "flatbuffers" not in stages:
        raise InputError(f"The run '{run.folder}' was stopped before it had a model: run its recipe again.")
    return context


def describe(context: RunContext) -> None:
    """Record the recipe and the data in the manifest, and write the labels."""
    data = context.data
    context.run.describe(
        name=context.recipe.name,
        recipe=context.recipe.model_dump(mode="json"),
        data={
            "fingerprint": data.fingerprint,
            "inputs": {name: list(spec.shape[1:]) for name, spec in data.inputs.items()},
            "targets": {name: list(spec.shape[1:]) for name, spec in data.targets.items()},
            "splits": {name: len(examples) for name, examples in data.splits.items()},
        },
    )
    write_text(context.run.path(LABELS), "\n".join(data.class_names) + "\n")
