"""`pipeline run`: the whole recipe."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.options import AsJson, Overrides, RecipeName, RunName, Trust, with_trust
from pipeline.cli.show import echo


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    run: RunName = None,
    ptq: Annotated[bool, typer.Option("--ptq", help="Post-training quantization: leave the QAT out.")] = False,
    trust: Trust = False,
    json: AsJson = False,
) -> None:
    """Run a whole recipe: train, QAT, export, audit, evaluate, benchmark.

    What an earlier call finished is not done again. With --ptq a recipe that has a QAT goes to runs/NAME-ptq.

    Example: pipeline run mobilenet --set train.epochs=3
    """
    from pipeline.cli import show
    from pipeline.cli.train import start
    from pipeline.workflow import stages

    context = start(recipe, with_trust(overrides, trust), run, ptq=ptq)
    metrics = stages.run_recipe(context, ptq=ptq)
    if json:
        show.as_json(metrics)
        return
    if not context.worker.is_chief:
        echo(f"{context.worker}: trained; the chief exports and measures.")
        return
    show_metrics(metrics)
    echo(f"{context.run.folder}/ holds the models, metrics.json, manifest.json and labels.txt.")


def show_metrics(metrics: dict[str, Any]) -> None:
    """The run's table: float against QAT against int8, by the task's metrics."""
    from pipeline.cli import show
    from pipeline.cli.metrics_table import Column, metric_columns, table, unit_of_difference

    models = {name: block for name, block in metrics.items() if isinstance(block, dict) and "size_bytes" in block}
    task = metrics["task"]
    reference = models["float"]["latency_p50_ms"]
    # A simulation's time says nothing about the model that it stands for.
    times = [None if name == "qat" else block["latency_p50_ms"] for name, block in models.items()]
    table(
        [
            Column("model", list(models)),
            *metric_columns(task, list(models.values()), "float"),
            Column("size", [show.size(block["size_bytes"]) for block in models.values()]),
            Column("p50", [show.milliseconds(time) for time in times]),
            Column("speed", ["–" if time is None else f"{reference / time:.2f}x" for time in times]),
        ]
    )
    host, unit = metrics["host"], unit_of_difference(task)
    compared = f"vs float{f' in {unit}' if unit else ''}, with the 95 % interval of the paired difference; "
    echo(
        f"{models['float']['n']} test examples; {compared if task['metrics'] else ''}"
        f"latency on this host ({host['cpu']}, {models['float']['threads']} thread, XNNPACK), not on a phone."
    )
    parity = models.get("int8", {}).get("parity")
    if parity is not None:
        where = f", first apart at '{parity['first']['tensor']}'" if parity["first"] else ""
        echo(f"int8 answers as the trained fake-quant model: {show.percent(parity['agreement'])}{where}.")
