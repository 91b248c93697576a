"""What a run's models reach: metrics on the test split, fidelity to the float model, latency on this host."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from pipeline.files import write_text
from pipeline.recipe import Format
from pipeline.versions import versions
from pipeline.workflow import origins
from pipeline.workflow.context import EVALUATION_CHUNK, RunContext, task_json
from pipeline.workflow.export_judgement import judge
from pipeline.workflow.run_folder import FLOAT, METRICS, QAT, key_of


def measure(context: RunContext, wanted: Sequence[Format] | None = None) -> dict[str, Any]:
    """Judge every model of the run by its task on the test split, and time it on this host, in one pass each.

    Args:
        context: The run.
        wanted: The formats beside the float and the QAT model; the recipe's by default.

    Writes and returns `metrics.json`: a block a model (`float`, `qat`, `int8`, …) with the task's metrics (`top1` of a
    classifier), `n`, `agreement` (with float), `size_bytes`, `latency_p50_ms` and more; the blocks `task` and `judged`
    (`Judgement.to_json`), whose warnings are said.

    Raises:
        InputError: the recipe's task does not fit the model or the data.
        PipelineError: a model fails or gives NaN.
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
        recipe.digest("task", "data", "evaluate", "benchmark"),
        origins.of_data(context),
        versions(),
    )
    if run.has("measure", key):
        context.say(f"metrics and latency: as measured before ({METRICS})")
        _warn(context, run.metrics)
        return run.metrics
    used = {path.name for path in files.values()}
    run.check_intact(*(stage for stage, record in stages.items() if used & record["outputs"].keys()))
    started = time.time()
    from pipeline.benchmarking.host import describe_host
    from pipeline.benchmarking.latency import benchmark
    from pipeline.evaluation.evaluator import evaluate

    with_parity = "qat" in files and "int8" in files
    scores = evaluate(
        files,
        context.data.batches("test", EVALUATION_CHUNK),
        context.task,
        "float",
        pairs=[("int8", "qat")] if with_parity else [],
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
    if with_parity:
        from pipeline.verification.parity import compare

        parity = compare(files, scores, context.data, track=context.track)
        metrics["int8"]["parity"] = parity.to_json()
        context.say(str(parity))
    metrics["task"] = task_json(context.resolved)
    metrics["host"] = describe_host().to_json()
    if context.data.skipped:
        metrics["skipped_examples"] = dict(context.data.skipped)
        context.say(f"{len(context.data.skipped)} examples could not be read and were left out ({METRICS} names them)")
    written = {name: files[name] for name in wanted or recipe.quantize.formats if name in files}
    metrics["judged"] = judge(context, written, recipe.quantize.keep).to_json()
    _warn(context, metrics)
    write_text(run.path(METRICS), json.dumps(metrics, indent=1) + "\n")
    run.record("measure", key, [METRICS], started)
    return metrics


def _warn(context: RunContext, metrics: dict[str, Any]) -> None:
    for warning in metrics.get("judged", {}).get("warnings", []):
        context.say(f"WARNING: {warning}")
