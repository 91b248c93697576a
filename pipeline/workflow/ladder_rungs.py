"""The rungs of the accuracy ladder: the forms of a model, from its files, and the kernels that compute the int8 one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline import recipe as recipes
from pipeline.benchmarking.memory import peak_memory
from pipeline.data import load
from pipeline.errors import InputError
from pipeline.progress import Track
from pipeline.recipe import Recipe
from pipeline.tensors import Array, Batch, first_examples
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.refusals import NoReferenceKernelError
from pipeline.verification.arm.arm_rung import ArmRung
from pipeline.verification.arm.profiles import chosen
from pipeline.verification.arm.random_inputs import random_examples
from pipeline.verification.flatbuffer_rung import FlatbufferRung
from pipeline.verification.keras_rung import KerasRung
from pipeline.verification.rung import Rung
from pipeline.workflow.command_targets import LadderTarget, for_ladder
from pipeline.workflow.run_folder import Run
from pipeline.workflow.targets import float_beside, model_file

REFERENCE, LAST = "float", "xnnpack"
"""The rungs between which the whole loss is counted."""
_FLOAT_KINDS = {"float32", "float16", "weight_only", "dynamic"}


def open_ladder(
    given: Path | None,
    reference: Path | None = None,
    recipe: str | Recipe | None = None,
    overrides: Sequence[str] = (),
    *,
    keras: bool = True,
) -> LadderTarget:
    """Find the ladder's files and make sure that they can be compared.

    Args:
        given: A run folder or a quantized .tflite; None: the newest run.
        reference: The float .tflite; None: that of the run.
        recipe: Whose data and promises; None: the run's.
        overrides: `section.key=value` settings laid over the recipe.
        keras: Take the run's Keras models too.

    Raises:
        InputError: nothing there, a model that computes in float, no reference or one that is quantized, no recipe, a
            file that crashes the runtime, or an operator that it does not know.
    """
    model = model_file(given)
    inspection = inspect(model)
    if inspection.verdict.kind in _FLOAT_KINDS:
        raise InputError(
            f"{model} computes in float: it is {inspection.verdict.text}. The ladder is for models that compute in "
            "integers; give the int8 file (`pipeline export --int8` writes one), or compare float formats with "
            "`pipeline evaluate`."
        )
    files = for_ladder(model, reference, recipe, overrides, keras=keras)
    _check_runs(model)
    found = inspect(files.float_model)
    if found.verdict.kind not in _FLOAT_KINDS:
        raise InputError(f"The reference {files.float_model} is no float model: it is {found.verdict.text}.")
    if reference is not None:
        _check_runs(reference)
    return files


def rungs(target: LadderTarget, batch: int = 8, say: Callable[[str], None] = lambda text: None) -> list[Rung]:
    """The ladder's rungs, from the top; TensorFlow is imported where there is a Keras model among them.

    Args:
        target: The models.
        batch: Examples in one call of a model.
        say: Told where the reference kernels are left out, since they lack an operator of the model.

    Raises:
        InputError: a model that cannot be loaded.
    """
    ladder: list[Rung] = []
    if target.keras:
        signature = target.recipe.model.signature if target.keras.is_dir() else None
        ladder.append(KerasRung("keras", "the float Keras model", target.keras, signature, trusted=target.trusted))
    ladder.append(FlatbufferRung(REFERENCE, "the float .tflite", target.float_model, batch=batch))
    if target.keras_qat:
        ladder.append(
            KerasRung(
                "keras_qat", "QAT's Keras model, with fake quantization", target.keras_qat, trusted=target.trusted
            )
        )
    if target.qat:
        ladder.append(FlatbufferRung("qat", "the same as .tflite", target.qat, batch=batch))
    if target.prepared:
        ladder.append(
            FlatbufferRung("prepared", "the float model that formats are written from", target.prepared, batch=batch)
        )
    kind = target.model.stem
    try:
        ladder.append(
            FlatbufferRung(
                "reference", f"{kind} on TFLite's reference kernels", target.model, kernels="reference", batch=batch
            )
        )
    except NoReferenceKernelError as error:
        say(f"without the rung 'reference': {error}")
    ladder.append(
        FlatbufferRung("builtin", f"{kind} on TFLite's own kernels", target.model, kernels="builtin", batch=batch)
    )
    ladder.append(FlatbufferRung(LAST, f"{kind} under XNNPACK", target.model, kernels="xnnpack", batch=batch))
    return ladder


def arm_rungs(
    target: Path | None,
    reference: Path | None,
    profiles: Sequence[str],
    examples: int,
    track: Track,
    say: Callable[[str], None],
) -> list[ArmRung]:
    """An emulated ARM CPU a profile, below the ladder's last rung.

    Args:
        target: A run or an int8 .tflite; None: the newest run.
        reference: The float model; None: the run's.
        profiles: All by default.
        examples: That each is given.
        track: Follows the inferences.
        say: Told of the set-up.

    Raises:
        InputError: an unknown profile, or no model.
    """
    model = model_file(target)
    beside = reference or float_beside(model)
    return [ArmRung(profile.name, model, beside, examples, track, say) for profile in chosen(profiles)]


def inputs_for(model: Path, examples: int) -> dict[str, Array]:
    """Of a run's model its first test examples, of any other file random values; by input name, [B, ...].

    Raises:
        InputError: the data is not there or has no test examples, or LiteRT does not take the model.
        PipelineError: a download failed.
    """
    content = Run(model.parent).manifest.get("recipe")
    if content is None:
        return random_examples(model, examples)
    recipe = recipes.parse(content, f"the recipe of {model.parent}")
    data = load(recipe.data, trains=recipe.trains)
    batches: list[Batch] = list(first_examples(data.batches("test", min(examples, 16)), examples))
    if not batches:
        raise InputError("The data has no test examples to compare on.")
    return {name: np.concatenate([batch.inputs[name] for batch in batches]) for name in batches[0].inputs}


def _check_runs(model: Path) -> None:
    """LiteRT aborts the process on some files: let it do so in another one."""
    try:
        peak_memory(model)
    except InputError as error:
        tree = flatbuffer.read(model)
        custom = sorted(
            {flatbuffer.text(code.customCode) for code in tree.operatorCodes if flatbuffer.text(code.customCode)}
        )
        if not custom:
            raise
        raise InputError(
            f"{model} needs the custom operator{'s' * (len(custom) > 1)} {', '.join(custom)}, which LiteRT does not "
            "bring: only an app that registers them can run it. Leave them out of the model (cut it before them), or "
            "export it with builtin operators only."
        ) from error
