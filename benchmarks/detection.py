"""int8 detectors and segmenters: this project against its peers, from one float model, on the recipe's test split.

    python benchmarks/detection.py digit_scenes_detection --keep FOLDER
    python benchmarks/detection.py bccd_detection --keep FOLDER --set data.path=BCCD
    python benchmarks/detection.py digit_scenes_segmentation --keep FOLDER

Sides: TFLiteConverter's int8 and ai-edge-quantizer's static recipe, both of the float model that the recipe trained
and with the recipe's calibration examples, and the recipe's own PTQ and QAT. Prints the task's metrics, the first one's
paired difference to float with its 95 % interval, agreement with float, size, latency as a ratio to float's (in turns,
in one process) and XNNPACK's partitions.

It runs in parts: what is in FOLDER is not made again, and `--part` stops after one of `float`, `tools`, `ptq`, `qat`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ptq import ai_edge, converter  # beside this script

from pipeline import recipe as recipes
from pipeline.benchmarking.host import describe_host
from pipeline.benchmarking.latency import benchmark
from pipeline.evaluation.evaluator import Evaluation, evaluate
from pipeline.files import write_bytes
from pipeline.models.backend import quiet_tensorflow
from pipeline.models.load import load_file
from pipeline.recipe import Recipe
from pipeline.tensors import only
from pipeline.tflite import delegation
from pipeline.tflite.inspect import inspect
from pipeline.workflow import stages
from pipeline.workflow.context import resolve_task
from pipeline.workflow.run_folder import FLOAT, FLOAT_KERAS, Run

PARTS = ("float", "tools", "ptq", "qat", "table")
TOOLS = {"TFLiteConverter": converter, "ai-edge-quantizer": ai_edge}


def context_of(recipe: Recipe, folder: Path) -> stages.RunContext:
    return stages.open_context(recipe, Run(folder), say=lambda message: print(f"  {message}", file=sys.stderr))


def train_float(recipe: Recipe, folder: Path) -> None:
    stages.make_float_model(context_of(recipe, folder / recipe.name), with_qat=False)


def quantize_by_tools(recipe: Recipe, folder: Path) -> None:
    context = context_of(recipe, folder / recipe.name)
    images = np.concatenate([only(batch) for batch in stages.calibration_inputs(context)])
    model = load_file(context.run.path(FLOAT_KERAS), trusted=True)
    for name, write in TOOLS.items():
        path = folder / f"{name}.tflite"
        if path.is_file():
            continue
        silenced = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with quiet_tensorflow(), silenced[0], silenced[1]:
            write_bytes(path, write(model, images))


def quantize_here(recipe: Recipe, folder: Path) -> None:
    stages.run_recipe(context_of(recipe, folder / recipe.name), ptq=True)


def train_qat(recipe: Recipe, folder: Path) -> None:
    # The folder's own name: it takes over the float model that was trained beside it.
    stages.run_recipe(context_of(recipe, folder / f"{recipe.name}-qat"))


def table(recipe: Recipe, folder: Path, runs: int) -> None:
    own = folder / recipe.name
    files = {
        "float": own / FLOAT,
        **{name: folder / f"{name}.tflite" for name in TOOLS},
        "PTQ here": own / "int8.tflite",
        "QAT here": folder / f"{recipe.name}-qat" / "int8.tflite",
    }
    files = {name: path for name, path in files.items() if path.is_file()}
    data = context_of(recipe, own).data
    task = resolve_task(recipe, data, files["float"]).task
    scores = evaluate(files, data.batches("test", stages.EVALUATION_CHUNK), task, "float")
    timings = dict(zip(files, benchmark(list(files.values()), runs=runs), strict=True))
    host = describe_host()
    print(
        f"{recipe.name}: {scores['float'].n} test images; {host.cpu} ({', '.join(host.int8)}), {host.cores} cores; "
        "latency on 1 thread, in turns, as a ratio to float's"
    )
    labels = [metric.label for metric in task.metrics]
    heads = [*labels, f"{labels[0]} − float's", "agreement", "KB", "latency", "XNNPACK"]
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for name, path in files.items():
        found = delegation.measure(path)
        pieces = f"{len(found.partitions)} of {100 * found.share:.0f} %"
        cells = [metric.show(scores[name].values[metric.name]) for metric in task.metrics]
        cells += [
            difference_of(scores[name]),
            agreement_of(scores[name]),
            f"{path.stat().st_size / 1024:.0f}",
            f"{timings[name].ratio_to_first:.2f}",
            pieces,
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name in ("PTQ here", "QAT here"):
        if name in files:
            print(f"{name}: {inspect(files[name]).verdict.text}")


def difference_of(score: Evaluation) -> str:
    found = score.compared.difference if score.compared else None
    return f"{100 * found.value:+.1f} [{100 * found.low:+.1f} {100 * found.high:+.1f}]" if found else ""


def agreement_of(score: Evaluation) -> str:
    return "" if score.agreement is None else f"{100 * score.agreement:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="what was made is kept here")
    parser.add_argument("--part", choices=PARTS, default="table", help="the last part that is run")
    parser.add_argument("--runs", type=int, default=100, help="of the latency")
    options = parser.parse_args()
    recipe = recipes.load(options.recipe, options.set)
    parts: dict[str, Callable[[], None]] = {
        "float": lambda: train_float(recipe, options.keep),
        "tools": lambda: quantize_by_tools(recipe, options.keep),
        "ptq": lambda: quantize_here(recipe, options.keep),
        "qat": lambda: train_qat(recipe, options.keep),
        "table": lambda: table(recipe, options.keep, options.runs),
    }
    for name in PARTS[: PARTS.index(options.part) + 1]:
        print(f"{recipe.name}: {name}", file=sys.stderr)
        parts[name]()


if __name__ == "__main__":
    main()
