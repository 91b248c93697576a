"""`pipeline devices`: what adb sees, and removing what was put there."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import AsJson
from pipeline.cli.show import echo

app = typer.Typer(invoke_without_command=True)


@app.callback()
def devices(context: typer.Context, json: AsJson = False) -> None:
    """List the Android devices that adb sees, their state, and what `pipeline push` left there.

    Example: pipeline devices
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.cli import show
    from pipeline.device import adb
    from pipeline.device.overview import overview

    found = overview(adb.find())
    if json:
        show.as_json([entry.to_json() for entry in found])
        return
    if not found:
        echo("adb sees no device. Plug a phone in and turn on 'USB debugging' in its developer options.")
        return
    show.table(
        ["serial", "state", "model", "Android", "ABI", "SoC", "pushed"],
        [
            (
                entry.serial,
                entry.state,
                entry.model or "–",
                entry.android or "–",
                entry.abi or "–",
                entry.soc or "–",
                f"{len(entry.pushed)} ({show.size(sum(size for _, size in entry.pushed))})" if entry.pushed else "–",
            )
            for entry in found
        ],
    )
    for entry in found:
        if entry.note:
            echo(f"{entry.serial}: {entry.note}")


@app.command("clean")
def clean(
    serial: Annotated[
        str | None, typer.Option("--serial", metavar="SERIAL", help="Which device, where there are several.")
    ] = None,
) -> None:
    """Remove everything that this program put on a device.

    Example: pipeline devices clean --serial R58M12ABCDE
    """
    from pipeline.device import adb, devices
    from pipeline.device import push as stage

    device = devices.choose(adb.find(), serial)
    count = stage.clean(device)
    echo(f"{count} file{'s' * (count != 1)} removed from {device.serial}")
