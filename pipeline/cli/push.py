"""`pipeline push`: files onto a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson
from pipeline.cli.show import echo


def push(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Files, or a run for its int8 model; the newest run by default."),
    ] = None,
    serial: Annotated[
        str | None, typer.Option("--serial", metavar="SERIAL", help="Which device, where there are several.")
    ] = None,
    require: Annotated[
        str | None, typer.Option("--require", metavar="FORMAT", help="Push nothing unless it is this, e.g. int8.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Copy models to an Android phone: whole or not at all, and only what is not there yet.

    `pipeline devices clean` removes them.

    Example: pipeline push runs/mobilenet/int8.tflite --require int8
    """
    from pipeline.cli import show
    from pipeline.device import adb, devices
    from pipeline.device import push as stage
    from pipeline.progress import bar
    from pipeline.workflow import targets

    chosen = [targets.model_file(file) for file in files] if files else [targets.model_file(None)]
    for file in chosen:
        targets.check_there(file)
    if require is not None:
        from pipeline.tflite.inspect import inspect
        from pipeline.tflite.verdict import require as hold_to

        for file in chosen:
            hold_to(inspect(file), require)
    names = [targets.name_outside(file) for file in chosen]
    pushed = stage.push(devices.choose(adb.find(), serial), chosen, names=names, track=bar)
    if json:
        show.as_json([entry.to_json() for entry in pushed])
        return
    for entry in pushed:
        what = "already there" if entry.skipped else f"{show.size(entry.size_bytes)} pushed and verified"
        echo(f"{entry.path} on {entry.device}: {what}")
