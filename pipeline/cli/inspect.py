"""`pipeline inspect`: what a .tflite file truly is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson

if TYPE_CHECKING:
    from pipeline.tflite.inspect import Inspection, Operator, Port


def inspect(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A .tflite file, or a run; the newest run by default.")
    ] = None,
    require: Annotated[
        str | None, typer.Option("--require", metavar="FORMAT", help="Exit with 1 unless it is this, e.g. int8.")
    ] = None,
    operators: Annotated[bool, typer.Option("--operators", help="List every operator, not groups of them.")] = False,
    json: AsJson = False,
) -> None:
    """Say what a .tflite file truly is: types, scales, operators, what stayed float.

    Example: pipeline inspect runs/mobilenet/int8.tflite --require int8
    """
    from pipeline import run
    from pipeline.cli import show
    from pipeline.tflite import inspect as reader
    from pipeline.tflite.verdict import require as hold_to

    found = reader.inspect(run.model_file(file))
    if json:
        show.as_json(found.to_json())
    else:
        _print(found, operators)
    if require is not None:
        hold_to(found, require)


def _print(found: Inspection, every_operator: bool) -> None:
    from pipeline.cli import show

    typer.echo(f"{found.file}: {found.verdict.text}")
    for reason in found.verdict.breaks:
        typer.echo(f"  not so: {reason}")
    counts = found.operator_counts
    typer.echo(
        f"{show.size(found.size_bytes)}, {len(found.operators)} operators, {len(found.float_operators)} of them in "
        f"float, {counts.get('QUANTIZE', 0)} QUANTIZE, {counts.get('DEQUANTIZE', 0)} DEQUANTIZE"
    )
    if found.metadata is not None:
        typer.echo(f"metadata: {found.metadata.name}, {len(found.metadata.labels)} labels, " + _provenance(found))
    show.table(
        ["", "name", "shape", "type", "scale", "zero point"],
        [*(_port("input", port) for port in found.inputs), *(_port("output", port) for port in found.outputs)],
    )
    if every_operator:
        show.table(
            ["name", "#", "operator", "computes in", "weights", "scales", "bias", "fused"],
            [
                (name, str(op.index), op.name, *_traits(op))
                for op, name in zip(found.operators, _names(found), strict=True)
            ],
        )
        return
    groups = Counter((op.name, *_traits(op)) for op in found.operators)
    show.table(
        ["operator", "count", "computes in", "weights", "scales", "bias", "fused"],
        [(name, str(count), *rest) for (name, *rest), count in groups.most_common()],
    )


def _names(found: Inspection) -> list[str]:
    """What `--keep` takes: the layers, or nothing where no rule applies."""
    from pipeline.tflite.operator_names import short_names

    computing = [op for op in found.operators if op.compute]
    short = dict(zip(computing, short_names([(op.output, op.name) for op in computing]), strict=True))
    return [short.get(op, "") for op in found.operators]


def _provenance(found: Inspection) -> str:
    assert found.metadata is not None
    facts = found.metadata.provenance
    return f"recipe {str(facts['recipe_sha256'])[:12]}" if "recipe_sha256" in facts else "no provenance"


def _port(kind: str, port: Port) -> tuple[str, ...]:
    shape = "x".join("?" if side < 0 else str(side) for side in port.shape_signature)
    scale = "–" if port.scale is None else f"{port.scale:.6g}"
    return kind, port.name, shape, port.dtype, scale, "–" if port.zero_point is None else str(port.zero_point)


def _traits(op: Operator) -> tuple[str, ...]:
    weights, scales = "", ""
    if op.weights is not None:
        weights = op.weights.dtype
        if op.weights.scales:
            kind = "per-channel" if op.weights.per_channel else "per-tensor"
            scales = f"{kind}{'' if op.weights.symmetric else ', asymmetric'}"
    fused = "" if op.fused_activation in (None, "NONE") else str(op.fused_activation)
    return op.compute or "–", weights, scales, op.bias or "", fused
