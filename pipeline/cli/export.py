"""`pipeline export`: .tflite files of any format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import AsJson, Overrides, RunName, Trust, with_trust
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.recipe import Format
    from pipeline.workflow.export_judgement import Judgement


def export(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TARGET]", help="A run folder, a Keras model or a float .tflite; the newest run by default."
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Full int8, one weight scale per channel (the default).")
    ] = False,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="Full int8, one weight scale per tensor.")] = False,
    int16x8: Annotated[bool, typer.Option("--int16x8", help="int16 activations, int8 weights.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float activations.")] = False,
    weight_only: Annotated[
        bool, typer.Option("--weight-only", help="int8 weights, dequantized: computed in float.")
    ] = False,
    float16: Annotated[bool, typer.Option("--float16", help="float16 weights.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="float32, as it is quantized from.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every format, compared: accuracy, agreement, size and latency of each.")
    ] = False,
    io: Annotated[
        str | None, typer.Option("--io", help="Inputs and outputs of int8 formats: int8, uint8 or float32.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="RULE",
            help="Keep operators of int8 and int16x8 models in another type: 'PATTERN=float32' over their names, or "
            "'type:SOFTMAX=float32' (or float16, int16x8, int8). The later rule wins. Repeatable.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data calibrates a model that is no run.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="Representative examples: a folder of images or recordings, a .csv, an .npz (arrays called as the "
            "inputs), an .npy, or module:function. Of images say the scale too: --set data.preprocess.scale=….",
        ),
    ] = None,
    overrides: Overrides = None,
    run: RunName = None,
    trust: Trust = False,
    json: AsJson = False,
) -> None:
    """Write .tflite files and audit each. Several formats may be asked for at once.

    Example: pipeline export --int8
    Example: pipeline export --all
    Example: pipeline export --int8 --keep 'conv_pw_13*=float32' --keep type:SOFTMAX
    Example: pipeline export model.keras --int8 --data photos/ --set data.preprocess.scale=-1..1
    Example: pipeline export model.keras --int8 --data arrays.npz
    """
    from pipeline.cli import show
    from pipeline.cli.run import show_metrics
    from pipeline.progress import bar
    from pipeline.quantization.keep import parse
    from pipeline.tflite.inspect import inspect
    from pipeline.workflow import export as targets

    asked: dict[Format, bool] = {
        "int8": int8,
        "int8_per_tensor": per_tensor,
        "int16x8": int16x8,
        "dynamic": dynamic,
        "weight_only": weight_only,
        "float16": float16,
        "float32": float32,
    }
    wanted = tuple(name for name, chosen in asked.items() if chosen or (every and name != "float32")) or ("int8",)
    rules = tuple(map(parse, keep or ()))
    written = targets.export(
        targets.Request(target, wanted, io, recipe, data, tuple(with_trust(overrides, trust)), run, rules),
        bar,
        show.say,
    )
    metrics = targets.compare(written, bar, show.say) if every else None
    folder = next(iter(written.values())).parent
    if metrics is not None:
        if json:
            show.as_json(metrics)
            return
        show_metrics(metrics)
        echo(f"{folder}/ holds the models.")
        return
    judged = targets.judge(written, bar, show.say, rules)
    found = {name: inspect(path) for name, path in written.items()}
    if json:
        measured = _measured(judged)
        show.as_json(
            {
                name: {
                    "path": str(written[name]),
                    "size_bytes": entry.size_bytes,
                    "verdict": entry.verdict.text,
                    "per_channel": entry.per_channel,
                    **({"measured": measured[name]} if name in measured else {}),
                }
                for name, entry in found.items()
            }
        )
        return
    show.table(
        ["file", "size", "what it is"],
        [(written[name].name, show.size(entry.size_bytes), entry.verdict.text) for name, entry in found.items()],
    )
    if judged is not None:
        _print(judged)
    echo(f"in {folder}/")
    for warning in judged.warnings if judged is not None else []:
        show.say(f"WARNING: {warning}")


def _measured(judged: Judgement | None) -> dict[str, dict[str, Any]]:
    """As JSON by format: how near it is to the float model, on what that was measured, and what is wrong."""
    if judged is None:
        return {}
    said = judged.to_json()
    where = {key: said[key] for key in ("against", "split", "calibrated")}
    return {
        name: {**block, **where, "weak": name in judged.weak, "findings": said["findings"]}
        for name, block in said["models"].items()
    }


def _print(judged: Judgement) -> None:
    """How near each format is to the float model: by the task, by the metric where there are labels, by output."""
    from pipeline.cli import show
    from pipeline.cli.metrics_table import Column, metric_columns, table

    blocks = {name: score.to_json() for name, score in judged.scores.items()}
    columns = metric_columns(judged.task, list(blocks.values()), judged.against)
    if not any(column.name == "SQNR" for column in columns):
        worst = [None if score.compared is None else score.compared.sqnr_db for score in judged.scores.values()]
        columns.append(Column("SQNR", ["–" if one is None else show.decibels(one) for one in worst]))
    table([Column("model", list(blocks)), *columns])
    for name, score in judged.scores.items():
        outputs = score.compared.fidelity if score.compared is not None else {}
        if len(outputs) > 1:
            listed = ", ".join(f"'{output}' {show.decibels(one.sqnr_db)}" for output, one in outputs.items())
            echo(f"{name}, by output: {listed}")
    echo(f"against {judged.against}, on {judged.where}")
