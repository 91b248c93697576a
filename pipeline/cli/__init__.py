"""The command line: parse, call one stage, show. One file a command; the heavy imports happen inside it."""

from __future__ import annotations

import functools
import inspect as python_inspect
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from pipeline import progress
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
    termination,
    train,
    verify,
)
from pipeline.errors import AS_ESCAPES, PipelineError

_INTERRUPTION = "Interrupted. What was finished is kept; the same command goes on from there."

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help takes longer to import than the help takes to read
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="From a Keras model to an int8 model on a phone: train, quantize, prove, deploy.",
    epilog="Start with `pipeline run mobilenet`. Any command takes --debug for a traceback. Exit status: 0 done, "
    "1 the work failed or a promise was not kept, 2 the call or its input was wrong, 130 interrupted, 143 terminated.",
)


class _UnexpectedError(Exception):
    """Around what Typer would end the program on by itself, in a word or without one: EOFError, SystemExit, …"""


def _kept_from_typer(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, PipelineError, BrokenPipeError, KeyboardInterrupt, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise _UnexpectedError from error

    return guarded


def _add(name: str, command: Callable[..., None]) -> None:
    """A command, whose examples keep a line each in its help."""
    text, mark, examples = python_inspect.cleandoc(command.__doc__ or "").partition("Example:")
    summary = " ".join(text.split("\n\n")[0].split())
    app.command(name, help=f"{text}\b\n{mark}{examples}", short_help=summary)(_kept_from_typer(command))


_COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run,
    "train": train.train,
    "qat": train.qat,
    "doctor": doctor.doctor,
    "export": export.export,
    "inspect": inspect.inspect,
    "evaluate": evaluate.evaluate,
    "verify": verify.verify,
    "sensitivity": sensitivity.sensitivity,
    "search": search.search,
    "ranges": ranges.ranges,
    "benchmark": benchmark.benchmark,
    "explain": explain.explain,
    "bundle": bundle.bundle,
    "push": push.push,
}
for _name, _command in _COMMANDS.items():
    _add(_name, _command)
for _group in (devices.app, recipes.app):
    for _info in _group.registered_commands:
        _info.callback = _info.callback and _kept_from_typer(_info.callback)
app.add_typer(devices.app, name="devices")
app.add_typer(recipes.app, name="recipes")


def main() -> None:
    """Run the command line; every error becomes one paragraph and an exit status."""
    termination.end_in_order()
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be text in the terminal's encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=AS_ESCAPES)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="pipeline")
    except PipelineError as error:
        _fail(str(error), error.exit_status, debug)
    except KeyboardInterrupt:
        _fail(_INTERRUPTION, termination.status(), debug)
    except SystemExit as end:  # Typer turns Ctrl-C into an exit of its own, without a word
        if end.code == termination.INTERRUPTED:
            _fail(_INTERRUPTION, termination.status(), debug)
        raise
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        _fail("There is not enough memory. Use smaller batches, a smaller input size or data.limit.", 1, debug)
    except Exception as failure:
        cause = failure.__cause__ if isinstance(failure, _UnexpectedError) else failure
        _fail(
            f"Unexpected {type(cause).__name__}: {cause}. This is a mistake of this program: please report it with "
            "the traceback that --debug prints.",
            1,
            debug,
        )


def _fail(message: str, status: int, debug: bool) -> None:
    progress.clear()  # an exception keeps the frames alive in which a bar is drawn
    if debug:
        traceback.print_exc()
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty()).print(f"Error: {message}", markup=False)
    sys.exit(status)
