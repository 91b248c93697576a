"""`pipeline inspect`: what a .tflite file truly is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import AsJson, Overrides
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.tflite.audit.audit import Audit
    from pipeline.tflite.inspect import Inspection, Operator, Port
    from pipeline.tflite.metadata import Metadata


def inspect(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A .tflite file, or a run; the newest run by default.")
    ] = None,
    require: Annotated[
        str | None, typer.Option("--require", metavar="FORMAT", help="Exit with 1 unless it is this, e.g. int8.")
    ] = None,
    operators: Annotated[bool, typer.Option("--operators", help="List every operator, not groups of them.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Also look at activations on the recipe's test split.")] = False,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="--data of this recipe; the run's by default.")
    ] = None,
    overrides: Overrides = None,
    json: AsJson = False,
) -> None:
    """Say what a .tflite file truly is (types, scales, operators, what stayed float), and what is wrong with it.

    Exit status 1 where it is not what --require says, or where there is an error among the findings.

    Example: pipeline inspect runs/mobilenet/int8.tflite --require int8
    Example: pipeline inspect model.tflite --data --recipe mobilenet
    """
    from pipeline.cli import show
    from pipeline.progress import bar
    from pipeline.workflow.inspection_stage import inspect_file

    found, audited = inspect_file(file, recipe, overrides or [], with_data=data or recipe is not None, track=bar)
    if json:
        show.as_json(found.to_json() | {"audit": audited.to_json()})
    else:
        _print(found, operators)
        _print_audit(audited)
    if require is not None:
        from pipeline.tflite.verdict import require as hold_to

        hold_to(found, require)
    if audited.failed:
        raise typer.Exit(1)


def _print_audit(found: Audit) -> None:
    from pipeline.cli import show

    if found.delegation is not None:
        pieces = len(found.delegation.partitions)
        echo(
            f"XNNPACK takes {len(found.delegation.taken)} of {found.delegation.operators} operators, in {pieces} "
            f"piece{'s' * (pieces != 1)} (measured on this host)"
        )
    if found.findings:
        show.findings(found.findings)
    else:
        echo("nothing wrong found")
    echo(f"checked: {'; '.join(found.checked)}")
    for reason in found.left_out:
        echo(f"not checked: {reason}")


def _print(found: Inspection, every_operator: bool) -> None:
    from pipeline.cli import show

    echo(f"{found.file}: {found.verdict.text}")
    for reason in found.verdict.breaks:
        echo(f"  not so: {reason}")
    counts = found.operator_counts
    echo(
        f"{show.size(found.size_bytes)}, {len(found.operators)} operators, {len(found.float_operators)} of them in "
        f"float, {counts.get('QUANTIZE', 0)} QUANTIZE, {counts.get('DEQUANTIZE', 0)} DEQUANTIZE"
    )
    if found.metadata is not None:
        for line in _provenance(found, found.metadata):
            echo(line)
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


def _provenance(found: Inspection, described: Metadata) -> list[str]:
    """Where the file comes from, as far as it says."""
    from pipeline.tflite.metadata import INPUTS

    facts, task = described.provenance, described.task
    of = f", {task['name']}" if task.get("name") else ""
    lines = [f"metadata: {described.name}{of}, {len(described.labels)} labels"]
    several = described.preprocessing.get(INPUTS)
    for name, prepared in (several or {"": described.preprocessing}).items():
        ports = [port for port in found.inputs if not several or port.name == name]
        image = any(len(port.shape_signature) == 4 and port.shape_signature[-1] in (1, 3) for port in ports)
        how = _preparation(prepared, image=image)
        lines += [f"  preprocessing{f' of {name!r}' if several else ''}: {line}" for line in how]
    if not facts:
        return [*lines, "  no provenance"]
    for title, key in (("recipe", "recipe_sha256"), ("data", "data_sha256")):
        if facts.get(key):
            lines.append(f"  {title}: sha256 {str(facts[key])[:16]}")
    how = [str(facts[key]) for key in ("calibration", "ranges") if facts.get(key)]
    if how:
        lines.append(f"  calibration: {', '.join(dict.fromkeys(how))}")
    if facts.get("keep"):
        lines.append(f"  kept out of int8: {', '.join(map(str, facts['keep']))}")
    golden = facts.get("golden")
    if isinstance(golden, dict) and "output_sha256" in golden:
        lines.append(
            f"  golden pair: {golden.get('examples')} inputs, answers sha256 {golden['output_sha256'][:16]} "
            "(`pipeline verify` checks it)"
        )
    if isinstance(facts.get("versions"), dict):
        lines.append(f"  written by: {', '.join(f'{name} {version}' for name, version in facts['versions'].items())}")
    return lines


def _preparation(prepared: dict[str, Any], *, image: bool) -> list[str]:
    """How an input is made, in one line; nothing where it is not recorded.

    Args:
        prepared: Its description. The standard metadata do not say of what.
        image: Whether the input has the shape of images.
    """
    if prepared.get("kind") == "audio":
        what = {"mfcc": "MFCCs", "log_mel": "log-mel energies"}.get(prepared["features"], prepared["features"])
        line = f"{what} of {prepared['samples']} samples at {prepared['sample_rate']} Hz"
    elif prepared.get("kind") == "tokens":
        line = "whole numbers, as they are"
    elif prepared.get("mean") and prepared.get("std"):
        size = f", resized to {'x'.join(map(str, prepared['size']))}" if prepared.get("size") else ""
        mean, std = (" ".join(f"{value:g}" for value in prepared[key]) for key in ("mean", "std"))
        what = "pixel" if prepared.get("kind", "image" if image else "values") == "image" else "x"
        line = f"({what} − {mean}) / {std}{size}"
    else:
        return []
    return [line + (", standardized" if prepared.get("standardize") else "")]


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
