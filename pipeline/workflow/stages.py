"""The main road: recipe → data → float model → QAT → float flatbuffer and ranges → int8 → audit → numbers.

Each stage is a function over a :class:`RunContext`. It writes its files into the run folder and records them there; one
that was done before, from the same recipe, data, parents and versions, is not done again.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import recipe as recipes
from pipeline.cluster import Worker, trains_together, worker_of
from pipeline.errors import InputError
from pipeline.files import replacing, write_bytes, write_text
from pipeline.progress import Track, quiet
from pipeline.quantization.format_check import audit
from pipeline.quantization.keep import BASE
from pipeline.recipe import Format, IoType, Keep, Recipe
from pipeline.workflow.provenance import with_metadata
from pipeline.workflow.run_folder import LABELS, MANIFEST, METRICS, Run, identity, key_of, versions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.data import Dataset
    from pipeline.quantization.ptq import FloatModel, Quantizer

FLOAT_KERAS = "float.keras"
QAT_KERAS = "qat.h5"
"""HDF5, the one format that tfmot's layers survive: Keras 2 builds its QuantizeLayer twice from a .keras file."""
FLOAT, QAT, PREPARED, RANGES = "float.tflite", "qat.tflite", "prepared.tflite", "ranges.json"
CALIBRATION = "calibration.json"
"""How PTQ was done: the settings, what else was tried, what was scaled. Not written for QAT, which learned its own."""
EVALUATION_CHUNK = 32
"""Images read at a time; the models run them in their own batches."""


def silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class RunContext:
    """What every stage needs: the recipe, the folder, the data (opened once), and how to tell of progress."""

    recipe: Recipe
    run: Run
    track: Track = quiet
    say: Callable[[str], None] = silent

    @cached_property
    def worker(self) -> Worker:
        """Which of the processes that train together this is; its run lies where `cluster.folder_for` says.

        Raises:
            InputError: the recipe trains in several processes, and TF_CONFIG does not say which this is.
        """
        return worker_of(self.recipe)

    @cached_property
    def data(self) -> Dataset:
        """The recipe's data.

        Raises:
            InputError: it is not there or not usable.
        """
        from pipeline.data import load

        return load(self.recipe.data)


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
    describe(context)
    train(context)
    if with_qat:
        qat(context)
    if not context.worker.is_chief:
        return {}
    flatbuffers(context, with_qat=with_qat)
    formats(context, context.recipe.quantize.formats, context.recipe.quantize.io, context.recipe.quantize.keep)
    return measure(context)


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


def open_quantizer(context: RunContext) -> Quantizer:
    """What writes the run's formats: corrected as calibration chose, not at all after QAT."""
    from pipeline.quantization.ptq import FloatModel, Quantizer, Settings
    from pipeline.quantization.ranges import Ranges

    run = context.run
    settings = Settings(bias_correction=False)  # QAT has trained against rounding already
    if CALIBRATION in run.manifest["stages"]["flatbuffers"]["outputs"]:
        settings = Settings(**json.loads(run.path(CALIBRATION).read_text(encoding="utf-8"))["settings"])
    prepared = FloatModel(run.path(PREPARED).read_bytes(), Ranges.load(run.path(RANGES)))
    return Quantizer(prepared, lambda: calibration_inputs(context), settings, track=context.track)


def describe(context: RunContext) -> None:
    """Record the recipe and the data in the manifest, and write the labels."""
    data = context.data
    context.run.describe(
        name=context.recipe.name,
        recipe=context.recipe.model_dump(mode="json"),
        data={
            "fingerprint": data.fingerprint,
            "input_shape": list(data.input_shape),
            "splits": {name: len(examples) for name, examples in data.splits.items()},
        },
    )
    write_text(context.run.path(LABELS), "\n".join(data.class_names) + "\n")


def train(context: RunContext) -> str:
    """Build or load the model and train it in float where the recipe has a `train` section.

    Writes `float.keras`. Returns the stage's key.
    """
    recipe, run = context.recipe, context.run
    key = key_of(
        "train",
        recipe.digest("model", "data", "train"),
        context.data.fingerprint,
        identity(recipe.model.path),
        versions(),
    )
    done = run.has("train", key)
    if not done and run.adopt("train", key, Run(run.folder.parent / recipe.name)):
        run.forget("qat", "flatbuffers")
        done = True
    if _everywhere(context, done):
        context.say(f"float model: as trained before ({FLOAT_KERAS})")
        return key
    started = time.time()
    from pipeline.models.build import build

    will_train = recipe.train is not None and recipe.train.epochs > 0
    model = build(recipe.model, context.data.input_shape, len(context.data.class_names), trainable=will_train)
    facts: dict[str, Any] = {"parameters": int(model.count_params())}
    if recipe.train is not None and recipe.train.epochs:
        from pipeline.training.float_training import train_float

        history = train_float(model, context.data, recipe.train, recipe.data.augment, context.track)
        facts["history"] = vars(history)
        context.say(f"float training: {_outcome(history, recipe.train.epochs)}, {time.time() - started:.0f} s")
    else:
        context.say(f"float model: {model.name}, {model.count_params():,} parameters, weights as given")
    _save(model, run.path(FLOAT_KERAS))
    run.forget("qat", "flatbuffers")  # they were made from the float model that was here before
    run.record("train", key, [FLOAT_KERAS], started, **facts)
    return key


def qat(context: RunContext) -> str:
    """Quantization-aware fine-tuning of `float.keras`. Writes `qat.h5`. Returns the stage's key.

    Raises:
        InputError: the recipe has no `qat` section, or the model cannot be quantized so.
    """
    recipe, run = context.recipe, context.run
    if recipe.qat is None:
        raise InputError(f"The recipe '{recipe.name}' has no qat section: add one, or take the road with --ptq.")
    key = key_of("qat", run.manifest["stages"]["train"]["outputs"], recipe.digest("data", "qat"), versions())
    if _everywhere(context, run.has("qat", key)):
        context.say(f"QAT: as trained before ({QAT_KERAS})")
        return key
    started = time.time()
    from pipeline.conversion.qat_int8 import accuracy_on
    from pipeline.models.load import load_file
    from pipeline.training import distribute
    from pipeline.training.qat.fine_tune import fine_tune

    trained = load_file(run.path(FLOAT_KERAS))
    with distribute.scope(recipe.qat.strategy):
        score = None
        # Of a distributed model every worker would convert its own copy.
        if recipe.qat.best_by == "int8" and recipe.qat.strategy == "none" and "validation" in context.data.splits:
            score = accuracy_on(context.data, "validation")
        model, history = fine_tune(trained, context.data, recipe.qat, recipe.data.augment, context.track, score)
    context.say(f"QAT: {_outcome(history, recipe.qat.epochs)}, {time.time() - started:.0f} s")
    _save(model, run.path(QAT_KERAS))
    run.record("qat", key, [QAT_KERAS], started, history=vars(history))
    return key


def _everywhere(context: RunContext, done: bool) -> bool:
    """Whether a stage is done; of several workers, whether it is in all of them, since they train it together."""
    if not trains_together(context.recipe):
        return done
    from pipeline.training import distribute

    context.say(f"{context.worker}: waiting for the others")
    with distribute.scope("multi_worker"):
        return distribute.everywhere(done)


def flatbuffers(context: RunContext, *, with_qat: bool) -> str:
    """Convert to float flatbuffers and bring the activation ranges together.

    Writes `float.tflite`, `prepared.tflite` (the float model that every format is made from) and `ranges.json`; with
    QAT also `qat.tflite`, which computes what QAT computed. QAT's ranges win, calibration fills the gaps.
    """
    recipe, run = context.recipe, context.run
    stages = run.manifest["stages"]
    parent = stages["qat" if with_qat else "train"]["outputs"]
    how = _calibration_key(recipe)
    key = key_of("flatbuffers", stages["train"]["outputs"], parent, recipe.digest("data"), how, with_qat, versions())
    if run.has("flatbuffers", key):
        context.say(f"float flatbuffer and ranges: as made before ({PREPARED}, {RANGES})")
        return key
    started = time.time()
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.conversion.import_float import as_float_model
    from pipeline.conversion.qat_int8 import same_answers
    from pipeline.models.load import load_file

    outputs, facts = [FLOAT], dict[str, Any]()
    content = to_flatbuffer(load_file(run.path(FLOAT_KERAS)))
    write_bytes(run.path(FLOAT), with_metadata(context.recipe, context.data, content, "float32"))
    if with_qat:
        from pipeline.training.qat import custom_configs

        custom_configs.load(recipe.qat.configs if recipe.qat else {})  # Keras must know them to load the model
        trained = load_file(run.path(QAT_KERAS))
        content = to_flatbuffer(trained)
        asked = next(iter(context.data.batches("test", EVALUATION_CHUNK))).x
        same = same_answers(trained, content, asked)
        context.say(f"converted fake-quant model: {100 * same:.1f} % of {len(asked)} answers are Keras's")
        facts["answers_as_keras"] = same
        write_bytes(run.path(QAT), with_metadata(context.recipe, context.data, content, "float32 with fake-quant"))
        outputs.append(QAT)
    else:
        run.path(QAT).unlink(missing_ok=True)  # of another road's run in this folder
    method, files = _prepared(context, as_float_model(content))
    run.record("flatbuffers", key, [*outputs, *files], started, ranges=method, **facts)
    context.say(f"float flatbuffer and ranges ({method}), {time.time() - started:.0f} s")
    return key


def take_flatbuffer(context: RunContext, path: Path) -> str:
    """Start from a float .tflite instead of a Keras model: the run's float model is made from it."""
    run = context.run
    how = _calibration_key(context.recipe)
    key = key_of(
        "flatbuffers", identity(path), context.recipe.digest("data"), context.data.fingerprint, how, versions()
    )
    if run.has("flatbuffers", key):
        return key
    started = time.time()
    from pipeline.conversion.import_float import import_float

    model = context.recipe.model
    found = import_float(path, signature=model.signature, sizes=model.sizes)
    write_bytes(run.path(FLOAT), path.read_bytes())
    method, files = _prepared(context, found)
    run.record("flatbuffers", key, [FLOAT, *files], started, ranges=method)
    return key


def _calibration_key(recipe: Recipe) -> dict[str, Any]:
    own = recipe.quantize.model_dump(mode="json", exclude={"formats", "io", "keep"})
    return own | {"ranges": identity(recipe.quantize.ranges)}


def _prepared(context: RunContext, found: FloatModel) -> tuple[str, list[str]]:
    """Write the prepared float model and its ranges: what QAT learned, and what calibration measures for the rest.

    Returns:
        How the ranges came about, and the files written.
    """
    from pipeline.quantization.auto import choose
    from pipeline.quantization.ptq import Settings, prepare
    from pipeline.quantization.ranges import Ranges

    content, learned = found.content, found.ranges
    section, run = context.recipe.quantize, context.run
    images = context.data.size("calibration")
    settings, report = Settings.of(section), {}
    given = None if section.ranges is None else Ranges.load(section.ranges)
    if learned:
        if given is not None or section.activations != "asymmetric":
            raise InputError(
                "quantize.ranges and quantize.activations are for post-training quantization: QAT trained the network "
                "with the ranges that it learned. Leave them out, or quantize with --ptq."
            )
        settings, given = Settings(), learned
    elif given is None and section.calibration == "auto":
        choice = choose(
            content,
            lambda: calibration_inputs(context),
            images,
            base=settings,
            equalizing=section.equalize is None,
            learning=section.rounding is None,
            budget=section.budget,
            track=context.track,
        )
        settings, report = choice.settings, choice.to_json()
        context.say(f"calibration: {settings}; {choice.reason}")
    prepared = prepare(
        content, lambda: calibration_inputs(context), settings, given=given, examples=images, track=context.track
    )
    write_bytes(run.path(PREPARED), prepared.content)
    prepared.ranges.save(run.path(RANGES))
    if learned:
        run.path(CALIBRATION).unlink(missing_ok=True)
        return prepared.ranges.method, [PREPARED, RANGES]
    report |= {"settings": settings.to_json(), "equalized": [pair.to_json() for pair in prepared.equalized]}
    write_text(run.path(CALIBRATION), json.dumps(report, indent=1) + "\n")
    return prepared.ranges.method, [PREPARED, RANGES, CALIBRATION]


def calibration_inputs(context: RunContext) -> Iterator[NDArray[np.float32]]:
    """The calibration examples, float32 [B, ...]."""
    return (batch.x for batch in context.data.batches("calibration", EVALUATION_CHUNK))


def formats(
    context: RunContext, wanted: Sequence[Format], io_type: IoType = "int8", keep: Sequence[Keep] = ()
) -> dict[Format, Path]:
    """Write the formats and audit each: the file must be what its name and the keep rules promise.

    Returns:
        The files by format.

    Raises:
        InputError: a keep rule matches no operator, or asks for what the operator does not come in.
        PipelineError: the writer refuses the model, or the audit breaks the promise (the file is left for a look).
    """
    run = context.run
    parent = run.manifest["stages"]["flatbuffers"]["outputs"]
    written: dict[Format, Path] = {}
    quantizer: Quantizer | None = None
    for target in wanted:
        name = f"{target}.tflite" if target != "float32" else PREPARED
        written[target] = run.path(name)
        rules = keep if target in BASE else ()
        key = key_of("format", target, io_type, [str(rule) for rule in rules], parent, versions())
        if target == "float32" or run.has(target, key):
            continue
        started = time.time()
        quantizer = quantizer or open_quantizer(context)
        content, corrected = quantizer(target, io_type, rules)
        described = with_metadata(
            context.recipe, context.data, content, target, quantizer.prepared.ranges.method, rules, quantizer.how
        )
        write_bytes(run.path(name), described)
        changes = [change.to_json() for change in corrected.changes] if corrected else []
        run.record(target, key, [name], started, io=io_type, keep=[str(rule) for rule in rules], corrected=changes)
    audit(written, io_type, keep, run.path(PREPARED))
    return written


def measure(context: RunContext, wanted: Sequence[Format] | None = None) -> dict[str, Any]:
    """Accuracy on the test split and latency on this host, of every model of the run, in one pass each.

    Args:
        wanted: The formats beside the float and the QAT model; the recipe's by default.

    Writes and returns `metrics.json`: a block a model (`float`, `qat`, `int8`, …) with `top1`, `n`, `agreement`
    (with float), `size_bytes`, `latency_p50_ms` and more.
    """
    recipe, run = context.recipe, context.run
    names: dict[str, str] = {
        "float": FLOAT,
        "qat": QAT,
        **{str(target): f"{target}.tflite" for target in wanted or recipe.quantize.formats},
    }
    files = {name: run.path(file) for name, file in names.items() if run.path(file).is_file()}
    stages = run.manifest["stages"]
    digests = {name: digest for stage in stages.values() for name, digest in stage["outputs"].items()}
    key = key_of(
        "measure",
        {name: digests[path.name] for name, path in files.items()},
        recipe.digest("data", "evaluate", "benchmark"),
        versions(),
    )
    if run.has("measure", key):
        context.say(f"accuracy and latency: as measured before ({METRICS})")
        return run.metrics
    started = time.time()
    from pipeline.benchmarking.host import describe_host
    from pipeline.benchmarking.latency import benchmark
    from pipeline.evaluation.classify import evaluate_many

    scores = evaluate_many(
        files,
        context.data.batches("test", EVALUATION_CHUNK),
        "float",
        threads=recipe.evaluate.threads,
        batch_size=recipe.evaluate.batch_size,
        track=context.track,
    )
    timings = benchmark(list(files.values()), **recipe.benchmark.model_dump(), track=context.track)
    metrics: dict[str, Any] = {
        name: {**scores[name].to_json(), **timing.to_json(), "model": path.name}
        for (name, path), timing in zip(files.items(), timings, strict=True)
    }
    metrics["float"]["agreement"] = 1.0
    if "qat" in files and "int8" in files:
        from pipeline.verification.parity import compare

        parity = compare(files, scores, context.data, track=context.track)
        metrics["int8"]["parity"] = parity.to_json()
        context.say(str(parity))
    metrics["host"] = describe_host().to_json()
    if context.data.skipped:
        metrics["skipped_examples"] = dict(context.data.skipped)
        context.say(f"{len(context.data.skipped)} examples could not be read and were left out ({METRICS} names them)")
    write_text(run.path(METRICS), json.dumps(metrics, indent=1) + "\n")
    run.record("measure", key, [METRICS], started)
    return metrics


def _save(model: Any, path: Path) -> None:
    from pipeline.models import custom_objects

    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's advice against HDF5
        model.save(temporary)
        custom_objects.remember(model, temporary)


def _outcome(history: Any, epochs: int) -> str:
    done = len(history.loss)
    early = "" if done == epochs else f" (stopped early of {epochs})"
    if history.scores:
        best = 100 * history.scores[history.best_epoch - 1]
        return f"{done} epochs{early}, best int8 validation accuracy {best:.1f} % in epoch {history.best_epoch}"
    if history.val_accuracy:
        best = 100 * history.val_accuracy[history.best_epoch - 1]
        return f"{done} epochs{early}, best validation accuracy {best:.1f} % in epoch {history.best_epoch}"
    return f"{done} epochs{early}, training accuracy {100 * history.accuracy[-1]:.1f} %"
