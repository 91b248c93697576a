"""What `pipeline export` is pointed at: a run, a Keras model, or a float .tflite, with or without data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from pipeline import recipe as recipes
from pipeline.errors import InputError, PipelineError, did_you_mean
from pipeline.files import write_bytes
from pipeline.foreign_files import recognize
from pipeline.progress import Track, quiet
from pipeline.quantization.format_check import audit
from pipeline.quantization.keep import BASE
from pipeline.recipe import Format, IoType, Keep, Model, Recipe
from pipeline.tensors import OPEN, show_shape
from pipeline.workflow import export_judgement, stages
from pipeline.workflow.export_judgement import Judgement
from pipeline.workflow.run_folder import MANIFEST, Run, name_for, newest, root, run_named


@dataclass(frozen=True)
class Request:
    """An export as the user words it."""

    target: Path | None
    """A run folder, a Keras model or a float .tflite; None: the newest run."""
    formats: Sequence[Format]
    io: str | None
    """None: the recipe's."""
    recipe: str | None
    """Whose data calibrates a target that is no run."""
    data: str | None
    """A path or `module:function`: representative data for a target that is no run, without a recipe."""
    overrides: Sequence[str]
    run: str | None
    """Name of the run folder; the target's stem by default."""
    keep: Sequence[Keep] = ()
    """Rules after the recipe's: operators of the int8 and int16x8 formats that compute in another type."""


def export(request: Request, track: Track = quiet, say: Callable[[str], None] = stages.silent) -> dict[Format, Path]:
    """Write the formats.

    Returns:
        The files by format.

    Raises:
        InputError: no such target, a format that needs data and none is given, contradictory options.
        PipelineError: the model cannot be converted, or a file is not what it was written as.
    """
    if request.io is not None and request.io not in get_args(IoType):
        hint = did_you_mean(request.io, get_args(IoType))
        raise InputError(f"--io takes int8, uint8 or float32, not '{request.io}'.{hint}")
    if request.keep and not any(name in BASE for name in request.formats):
        raise InputError(
            f"--keep is for formats that compute in integers ({', '.join(BASE)}); {' and '.join(request.formats)} "
            "computes in float."
        )
    if request.recipe and request.data:
        raise InputError("--recipe and --data both name the data: give one of them.")
    target = request.target if request.target is not None else newest(root()).folder
    kind = None if (target / MANIFEST).is_file() else recognize(target)
    if kind is not None:
        raise InputError(f"'{target}' is {kind}")
    if not target.exists():
        raise InputError(f"There is no '{target}': give a run folder, a Keras model or a float .tflite.")
    if (target / MANIFEST).is_file():
        return _from_run(Run(target), request, track, say)
    run = run_named(request.run or name_for(target))
    if request.recipe or request.data:
        recipe = _recipe_for(target, request)
        return _from_file(stages.open_context(recipe, run, track, say), target, request)
    return _without_data(run, target, request)


def _io(request: Request, recipe: Recipe) -> IoType:
    return cast(IoType, request.io) if request.io is not None else recipe.quantize.io


def _keep(request: Request, recipe: Recipe) -> tuple[Keep, ...]:
    return (*recipe.quantize.keep, *request.keep)


def _from_run(run: Run, request: Request, track: Track, say: Callable[[str], None]) -> dict[Format, Path]:
    if request.recipe or request.data or request.overrides or request.run:
        raise InputError(
            f"'{run.folder}' is a run with its own recipe and data: --recipe, --data, --set and --run go with a "
            "model file. To change the recipe, run it again: pipeline run RECIPE --set KEY=VALUE."
        )
    context = stages.reopen(run, track, say)
    recipe = context.recipe
    return stages.formats(context, request.formats, _io(request, recipe), _keep(request, recipe))


def _from_file(context: stages.RunContext, target: Path, request: Request) -> dict[Format, Path]:
    stages.make_float_model(context, with_qat=False)
    return stages.formats(context, request.formats, _io(request, context.recipe), _keep(request, context.recipe))


def _recipe_for(target: Path, request: Request) -> Recipe:
    """The given recipe, or one made of `--data`, around the target instead of its own model and training."""
    if request.recipe is not None:
        base = recipes.load(request.recipe, request.overrides)
    else:
        base = recipes.parse(_content_for_data(target, request.data or "", request), "--data")
    name = request.run or name_for(target)
    kept = {
        "signature": base.model.signature,
        "input_shape": base.model.input_shape,
        "input_sizes": base.model.input_sizes,
        "trust": base.model.trust,
    }
    model = {"path": str(target), **kept}
    content = base.model_dump(mode="json") | {"name": name, "model": model, "train": None, "qat": None}
    return recipes.parse(content, f"the recipe for {target}")


def _content_for_data(target: Path, data: str, request: Request) -> dict[str, Any]:
    from pipeline.conversion.import_float import inputs_of
    from pipeline.workflow.export_data import data_section

    content = _with_settings({"name": "data", "model": {"path": str(target)}}, request)
    model = recipes.parse({"name": "model", "model": content["model"]}, "--set").model
    try:
        inputs = inputs_of(target, signature=model.signature, sizes=model.sizes, trusted=model.trust)
    except InputError:  # a subclassed model that was never called; what is wrong else is told where it is converted
        inputs = ()
    data_section(data, content, inputs)
    return content


def _with_settings(content: dict[str, Any], request: Request) -> dict[str, Any]:
    for override in request.overrides:
        recipes.lay_over(content, override)
    return content


def _without_a_size(target: Path, model: Model, error: PipelineError) -> PipelineError:
    """The error itself, or what is missing where the model leaves dimensions open that nothing says the size of."""
    from pipeline.conversion.import_float import inputs_of

    try:
        inputs = inputs_of(target, signature=model.signature, sizes=model.sizes, trusted=model.trust)
    except InputError:
        return error
    left_open = [spec for spec in inputs if OPEN in spec.shape[1:]]
    if not left_open:
        return error
    listed = ", ".join(f"'{spec.name}' {show_shape(spec.shape[1:])}" for spec in left_open)
    sizes = ", ".join(f"{spec.name}: […]" for spec in left_open)
    return InputError(
        f"The model '{target}' leaves dimensions of its inputs open, {listed}, and cannot be converted so. Say at "
        f"which size it is exported, without the batch: --set 'model.input_sizes={{{sizes}}}'; or give data of one "
        f"size, --data. ({error})"
    )


def compare(
    written: dict[Format, Path], track: Track = quiet, say: Callable[[str], None] = stages.silent
) -> dict[str, Any] | None:
    """Measure what `export` wrote beside the float model: the metrics of `pipeline run`.

    Args:
        written: The files by format, in one run folder.
        track: Follows the passes over the data.
        say: Told why nothing is measured.

    Returns:
        The blocks of `metrics.json`; None where there is no data to measure on.

    Raises:
        PipelineError: a model fails or gives NaN.
    """
    run = Run(next(iter(written.values())).parent)
    if "recipe" not in run.manifest:
        say("not measured: give data with --recipe or --data for accuracy and latency")
        return None
    try:
        recipe = recipes.parse(run.manifest["recipe"], f"the recipe in {run.path(MANIFEST)}")
        formats = [name for name in written if name != "float32"]
        return stages.measure(stages.open_context(recipe, run, track, say), formats)
    except InputError as error:
        say(f"not measured: {error}")
        return None


def judge(
    written: dict[Format, Path],
    track: Track = quiet,
    say: Callable[[str], None] = stages.silent,
    keep: Sequence[Keep] = (),
) -> Judgement | None:
    """How near what `export` wrote is to the float model, and what is wrong.

    Args:
        written: The files by format, in one run folder.
        track: Follows the passes over the data.
        say: Told why nothing is measured.
        keep: The request's rules.

    Returns:
        None where there is no data to measure on, or nothing but the float model.

    Raises:
        PipelineError: a model fails or gives NaN.
    """
    run = Run(next(iter(written.values())).parent)
    if set(written) == {"float32"}:
        return None
    if "recipe" not in run.manifest:
        say("not measured: give data with --recipe or --data to see how near it is to the float model")
        return None
    try:
        recipe = recipes.parse(run.manifest["recipe"], f"the recipe in {run.path(MANIFEST)}")
        context = stages.open_context(recipe, run, track)  # the task was said by the export
        return export_judgement.judge(context, written, (*recipe.quantize.keep, *keep))
    except InputError as error:
        say(f"not measured: {error}")
        return None


def _without_data(run: Run, target: Path, request: Request) -> dict[Format, Path]:
    from pipeline.conversion.import_float import import_float
    from pipeline.quantization.formats import NEEDS_RANGES, write
    from pipeline.quantization.mends import unmeasured_rules
    from pipeline.quantization.ptq import AFTER_QAT, prepare
    from pipeline.quantization.tap import activations
    from pipeline.tflite import metadata
    from pipeline.tflite.flatbuffer import is_tflite

    starving = [name for name in request.formats if name in NEEDS_RANGES]
    learned = bool(starving) and _has_fake_quant(target)
    if starving and not learned:
        raise _needs_data(starving, target)
    sizes = recipes.parse(_with_settings({"name": "sizes", "model": {"path": str(target)}}, request), "--set").model
    described = metadata.read(target) if is_tflite(target) else None
    try:
        imported = import_float(target, signature=sizes.signature, sizes=sizes.sizes, trusted=sizes.trust)
    except PipelineError as error:
        raise _without_a_size(target, sizes, error) from error
    content = imported.content
    unknown = [name for name in activations(content) if name not in imported.ranges] if learned else []
    if unknown:
        raise _needs_data(starving, target, f" QAT learned no range for {len(unknown)} tensors, '{unknown[0]}' first.")
    ranges = prepare(content, lambda: (), AFTER_QAT, given=imported.ranges).ranges if learned else None
    content = metadata.write(content, described) if described else content
    written = {name: run.path(f"{name}.tflite") for name in request.formats}
    io = cast(IoType, request.io or "int8") if learned else "float32"
    rules = request.keep
    if ranges is not None:
        rules = (*unmeasured_rules(content, ranges, "auto", request.keep), *request.keep)
    for name, path in written.items():
        write_bytes(path, write(content, name, ranges if name in NEEDS_RANGES else None, io, rules))
    audit(written, io, rules)
    return written


def _has_fake_quant(target: Path) -> bool:
    from pipeline.models import stored_config
    from pipeline.tflite import flatbuffer

    if not flatbuffer.is_tflite(target):
        return stored_config.has_fake_quant(target)
    model = flatbuffer.read(target)
    return any(flatbuffer.operator_name(model, operator) == "QUANTIZE" for operator in model.subgraphs[0].operators)


def _needs_data(formats: Sequence[Format], target: Path, why: str = "") -> InputError:
    return InputError(
        f"{' and '.join(formats)} needs a representative dataset to measure activation ranges on: give "
        f"--recipe RECIPE, or --data FILE (a folder, .npz, .npy, .csv or module:function), beside '{target}'.{why}"
    )
