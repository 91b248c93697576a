"""The command line: parse, call one stage, show. One file a command; the heavy imports happen inside it."""

from __future__ import annotations

import errno
import functools
import inspect as python_inspect
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
    streams,
    termination,
    train,
    verify,
)
from pipeline.errors import PipelineError, bounded
from pipeline.files import DISK_ERRORS

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


_KEPT = "The work is done, and what it made is kept."
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Click's, or that of the copy of Click that newer versions of Typer bring."""


class _UnexpectedError(Exception):
    """Around what Typer would end the program on by itself, in a word or without one: EOFError, SystemExit, …"""


def _kept_from_typer(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, _ClickException, PipelineError, KeyboardInterrupt, MemoryError):
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
    output = streams.Output()
    status = _status(sys.argv[1:])
    lost = output.failure()
    if lost is not None:
        status = _say(f"What is printed cannot be written to stdout: {lost}. {_KEPT}", status or 1)
    sys.exit(status)


def _status(arguments: list[str]) -> int:
    """The exit status of a call; what is wrong with it is said."""
    debug = "--debug" in arguments
    try:
        words = [word for word in arguments if word != "--debug"]
        status = int(app(words, prog_name="pipeline", standalone_mode=False) or 0)
        if status == termination.INTERRUPTED:  # Typer turns Ctrl-C into an exit of its own, without a word
            raise KeyboardInterrupt
        return status
    except _ClickException as error:
        error.message = _shown(error)
        error.show()
        return int(error.exit_code)
    except PipelineError as error:
        return _fail(str(error), error.exit_status, debug)
    except KeyboardInterrupt:
        return _fail(_INTERRUPTION, termination.status(), debug)
    except MemoryError:
        return _fail("There is not enough memory. Use smaller batches, a smaller input size or data.limit.", 1, debug)
    except Exception as failure:
        cause = failure.__cause__ if isinstance(failure, _UnexpectedError) else failure
        if isinstance(cause, OSError) and cause.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            return _fail(f"'{cause.filename}' is no path that can be followed: {cause.strerror}.", 2, debug)
        if isinstance(cause, OSError) and (cause.errno in DISK_ERRORS or cause.filename is None):
            return _fail(_of_the_system(cause), 1, debug)
        return _fail(
            f"Unexpected {type(cause).__name__}: {cause}. This is a mistake of this program: please report it with "
            "the traceback that --debug prints.",
            1,
            debug,
        )


def _of_the_system(error: OSError) -> str:
    """What no stage has put in its own words: a file system that is full, read-only, or not there."""
    what = "A file" if error.filename is None else f"'{error.filename}'"
    return (
        f"{what} cannot be read or written: {(error.strerror or str(error)).rstrip('.')}. What was finished is "
        "kept; see that there is room and that the folder may be written (TMPDIR names that of temporary files), and "
        "run the same command again."
    )


def _shown(error: Any) -> str:
    """What is wrong with a call, in Typer's words, but no more of what was given than its beginning and end."""
    text = str(error.message)
    return text if error.ctx is not None and text == error.ctx.get_help() else bounded(text)


def _fail(message: str, status: int, debug: bool) -> int:
    progress.clear()  # an exception keeps the frames alive in which a bar is drawn
    if debug:
        traceback.print_exc()
    return _say(message, status)


def _say(message: str, status: int) -> int:
    from rich.console import Console

    sheet = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    sheet.print(f"Error: {bounded(message)}", markup=False)
    return status
