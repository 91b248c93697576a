"""What `pipeline verify` is pointed at: a run, or an int8 file and its float reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.benchmarking.memory import peak_memory
from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.verification.flatbuffer_rung import FlatbufferRung
from pipeline.verification.keras_rung import KerasRung
from pipeline.verification.rung import Rung
from pipeline.workflow.run_folder import MANIFEST, Run
from pipeline.workflow.stages import FLOAT, FLOAT_KERAS, PREPARED, QAT, QAT_KERAS
from pipeline.workflow.targets import model_file, recipe_of

REFERENCE, LAST = "float", "xnnpack"
"""The rungs between which the whole loss is counted."""
_FLOAT_KINDS = {"float32", "float16", "weight_only", "dynamic"}


@dataclass(frozen=True)
class Target:
    """What is verified, opened as far as files go; nothing has run yet."""

    model: Path
    inspection: Inspection
    """The model's."""
    float_model: Path
    prepared: Path | None
    """The float model that it was written from, where the run has it: its activations have the same names."""
    qat: Path | None
    keras: Path | None
    keras_qat: Path | None
    recipe: Recipe
    run: Run | None
    """Where results are written."""


def has_ladder(target: Path | None, recipe: str | None) -> bool:
    """Whether there is data to climb a ladder on: of a run, or by a recipe."""
    return recipe is not None or bool(Run(model_file(target).parent).manifest.get("recipe"))


def resolve(
    target: Path | None,
    reference: Path | None = None,
    recipe: str | Recipe | None = None,
    overrides: Sequence[str] = (),
    *,
    keras: bool = True,
) -> Target:
    """Find the ladder's files.

    Args:
        target: A run folder or a quantized .tflite; None: the newest run.
        reference: The float .tflite; None: that of the run.
        recipe: Whose data; None: the run's.
        overrides: `section.key=value` settings laid over the recipe.
        keras: Take the run's Keras models too.

    Raises:
        InputError: nothing there, a model that computes in float, no reference or one that is quantized, no recipe, a
            file that crashes the runtime, or an operator that it does not know.
    """
    model = model_file(target)
    inspection = inspect(model)
    if inspection.verdict.kind in _FLOAT_KINDS:
        raise InputError(
            f"{model} computes in float: it is {inspection.verdict.text}. The ladder is for models that compute in "
            "integers; give the int8 file (`pipeline export --int8` writes one), or compare float formats with "
            "`pipeline evaluate`."
        )
    opened = recipe if isinstance(recipe, Recipe) else recipe_of(recipe, list(overrides), [model])
    _check_runs(model)
    folder = model.parent
    run = Run(folder) if (folder / MANIFEST).is_file() else None

    def of_run(name: str) -> Path | None:
        return folder / name if run is not None and reference is None and (folder / name).is_file() else None

    float_model = reference if reference is not None else of_run(FLOAT)
    if float_model is None:
        raise InputError(
            f"There is no float model to hold {model} against: give the one it was made from with "
            f"--reference FLOAT.tflite{'' if run is None else f' (the run has no {FLOAT})'}."
        )
    found = inspect(float_model)
    if found.verdict.kind not in _FLOAT_KINDS:
        raise InputError(f"The reference {float_model} is no float model: it is {found.verdict.text}.")
    if reference is not None:
        _check_runs(reference)
    qat = of_run(QAT)
    return Target(
        model=model,
        inspection=inspection,
        float_model=float_model,
        prepared=None if qat else of_run(PREPARED),
        qat=qat,
        keras=of_run(FLOAT_KERAS) if keras else None,
        keras_qat=of_run(QAT_KERAS) if keras and qat else None,
        recipe=opened,
        run=run,
    )


def rungs(target: Target, batch: int = 8) -> list[Rung]:
    """The ladder's rungs, from the top; TensorFlow is imported where there is a Keras model among them.

    Raises:
        InputError: a model that cannot be loaded.
    """
    ladder: list[Rung] = []
    if target.keras:
        ladder.append(KerasRung("keras", "the float Keras model", target.keras))
    ladder.append(FlatbufferRung(REFERENCE, "the float .tflite", target.float_model, batch=batch))
    if target.keras_qat:
        ladder.append(KerasRung("keras_qat", "QAT's Keras model, with fake quantization", target.keras_qat))
    if target.qat:
        ladder.append(FlatbufferRung("qat", "the same as .tflite", target.qat, batch=batch))
    if target.prepared:
        ladder.append(
            FlatbufferRung("prepared", "the float model that formats are written from", target.prepared, batch=batch)
        )
    kind = target.model.stem
    ladder.append(
        FlatbufferRung(
            "reference", f"{kind} on TFLite's reference kernels", target.model, kernels="reference", batch=batch
        )
    )
    ladder.append(
        FlatbufferRung("builtin", f"{kind} on TFLite's own kernels", target.model, kernels="builtin", batch=batch)
    )
    ladder.append(FlatbufferRung(LAST, f"{kind} under XNNPACK", target.model, kernels="xnnpack", batch=batch))
    return ladder


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
