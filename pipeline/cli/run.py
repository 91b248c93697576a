"""`pipeline run`: the whole recipe."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli.options import AsJson, Overrides, RecipeName, RunName


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    run: RunName = None,
    ptq: Annotated[bool, typer.Option("--ptq", help="Post-training quantization: leave the QAT out.")] = False,
    json: AsJson = False,
) -> None:
    """Run a whole recipe: train, QAT, export, audit, evaluate, benchmark.

    What an earlier call finished is not done again. With --ptq a recipe that has a QAT goes to runs/NAME-ptq.

    Example: pipeline run mobilenet --set train.epochs=3
    """
    from pipeline.cli import show
    from pipeline.cli.train import start
    from pipeline.workflow import stages

    context = start(recipe, overrides, run, ptq=ptq)
    metrics = stages.run_recipe(context, ptq=ptq)
    if json:
        show.as_json(metrics)
        return
    if not context.worker.is_chief:
        typer.echo(f"{context.worker}: trained; the chief exports and measures.")
        return
    show_metrics(metrics)
    typer.echo(f"{context.run.folder}/ holds the models, metrics.json, manifest.json and labels.txt.")


def show_metrics(metrics: dict[str, Any]) -> None:
    """The run's table: float against QAT against int8."""
    from pipeline.cli import show

    models = {name: block for name, block in metrics.items() if isinstance(block, dict) and "top1" in block}
    reference = models["float"]["latency_p50_ms"]
    rows = [
        (
            name,
            show.percent(block["top1"]),
            show.points(block["difference"]),
            show.percent(block["agreement"]),
            show.size(block["size_bytes"]),
            # A simulation's time says nothing about the model that it stands for.
            *(
                ("–", "–")
                if name == "qat"
                else (
                    show.milliseconds(block["latency_p50_ms"]),
                    f"{reference / block['latency_p50_ms']:.2f}x",
                )
            ),
        )
        for name, block in models.items()
    ]
    parity = models.get("int8", {}).get("parity")
    host = metrics["host"]
    images = models["float"]["n"]
    show.table(["model", "top-1", "vs float", "agreement", "size", "p50", "speed"], rows)
    typer.echo(
        f"{images} test examples; vs float in points, with the 95 % interval of the paired difference; "
        "latency on this host "
        f"({host['cpu']}, {models['float']['threads']} thread, XNNPACK), not on a phone."
    )
    if parity is not None:
        where = f", first apart at '{parity['first']['tensor']}'" if parity["first"] else ""
        typer.echo(f"int8 answers as the trained fake-quant model: {show.percent(parity['agreement'])}{where}.")
