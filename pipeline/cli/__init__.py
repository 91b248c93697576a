"""The command line: parse, call one stage, show. One file a command; the heavy imports happen inside it."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from pipeline.cli import (
    benchmark,
    bundle,
    devices,
    doctor,
    evaluate,
    explain,
    export,
    inspect,
    push,
    ranges,
    recipes,
    run,
    search,
    sensitivity,
    train,
    verify,
)
from pipeline.errors import PipelineError

INTERRUPTED = 130
_INTERRUPTION = "Interrupted. What was finished is kept; the same command goes on from there."

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a Keras model to an int8 model on a phone: train, quantize, prove, deploy.",
    epilog="Start with `pipeline run mobilenet`. Any command takes --debug for a traceback. Exit status: 0 done, "
    "1 the work failed or a promise was not kept, 2 the call or its input was wrong, 130 interrupted.",
)
app.command("run")(run.run)
app.command("train")(train.train)
app.command("qat")(train.qat)
app.command("doctor")(doctor.doctor)
app.command("export")(export.export)
app.command("inspect")(inspect.inspect)
app.command("evaluate")(evaluate.evaluate)
app.command("verify")(verify.verify)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("search")(search.search)
app.command("ranges")(ranges.ranges)
app.command("benchmark")(benchmark.benchmark)
app.command("explain")(explain.explain)
app.command("bundle")(bundle.bundle)
app.command("push")(push.push)
app.add_typer(devices.app, name="devices")
app.add_typer(recipes.app, name="recipes")


def main() -> None:
    """Run the command line; every error becomes one paragraph and an exit status."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="pipeline")
    except PipelineError as error:
        _fail(str(error), error.exit_status, debug)
    except KeyboardInterrupt:
        _fail(_INTERRUPTION, INTERRUPTED, debug)
    except SystemExit as end:  # Typer turns Ctrl-C into an exit of its own, without a word
        if end.code == INTERRUPTED:
            _fail(_INTERRUPTION, INTERRUPTED, debug)
        raise
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        _fail("There is not enough memory. Use smaller batches, a smaller input size or data.limit.", 1, debug)
    except Exception as error:
        _fail(
            f"Unexpected {type(error).__name__}: {error}. This is a mistake of this program: please report it with "
            "the traceback that --debug prints.",
            1,
            debug,
        )


def _fail(message: str, status: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty()).print(f"Error: {message}", markup=False)
    sys.exit(status)
