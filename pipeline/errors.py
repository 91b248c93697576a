"""The two ways a call can end badly, each with its exit status.

Every message is one paragraph: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import codecs
import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

AS_ESCAPES = "pipeline.as_escapes"
"""The error handler (as `backslashreplace`) of all that is printed and written as text: what the encoding cannot say
becomes an escape, and of a file name that is not UTF-8 a byte is shown as such, `caf\\xe9.png`."""


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escaped, map(ord, error.object[error.start : error.end]))), error.end


def _escaped(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:  # how Python decodes a byte of a file's name that is not UTF-8 (PEP 383)
        return f"\\x{point - 0xDC00:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


codecs.register_error(AS_ESCAPES, _escape)


MOST_OF_A_MESSAGE = 1800
"""Bytes."""
MOST_OF_A_WORD = 300
"""Characters between two spaces; the longest path that a message may name whole."""
_LONG_WORD = re.compile(rf"\S{{{MOST_OF_A_WORD + 1},}}")


def readable(text: object) -> str:
    """Text as a terminal or a log may have it: what UTF-8 cannot say, and what would move a cursor, colour the text or
    turn its direction, is an escape as of :data:`AS_ESCAPES`; line breaks, tabs and all kinds of spaces stay."""
    said = str(text).encode(errors=AS_ESCAPES).decode()
    return said if said.isprintable() else "".join(map(_shown, said))


def _shown(sign: str) -> str:
    # No space but the plain one is printable to Python, not even the one that keeps an interval on a line.
    if sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs":
        return sign
    return f"\\x{ord(sign):02x}" if ord(sign) <= 0xFF else _escaped(ord(sign))


def bounded(message: object) -> str:
    """A message as it is shown: `readable`, and of what somebody gave never more than a screen.

    A long word loses its middle, a long message what stands before its end, where the remedy is.
    """
    text = _without_middle(str(message), 100 * MOST_OF_A_MESSAGE)
    text = readable(_LONG_WORD.sub(lambda found: _without_middle(found[0], MOST_OF_A_WORD), text))
    while (length := len(text.encode())) > MOST_OF_A_MESSAGE:
        text = _without_middle(text, min(len(text) - 1, len(text) * MOST_OF_A_MESSAGE // length))
    return text


def _without_middle(text: str, most: int) -> str:
    end = (most - 3) // 3
    return text if len(text) <= most else f"{text[: most - 3 - end]} … {text[-end:]}"


class PipelineError(Exception):
    """The work failed, or a promise (an audit, a parity, a budget) was not kept."""

    exit_status = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(bounded(message))


class InputError(PipelineError):
    """The call or what it was given is wrong: a path, a key, a value, a file."""

    exit_status = 2


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: `` Did you mean 'epochs'?``, or all of a short list, or nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if 0 < len(names) <= 30 else ""


def one_line(text: object, most: int | None = None) -> str:
    """What another program or library said, on one line, for a message of one paragraph.

    Args:
        text: An exception, or its text.
        most: Characters that are kept.
    """
    return " ".join(str(text).split())[:most]


def shortened(text: str, most: int = 80) -> str:
    """What somebody gave, for a message: no more than its beginning, and that on one line."""
    shown = readable(text[: most + 1]).replace("\n", " ").replace("\t", " ")
    return shown if len(text) <= most else f"{shown[:most]} …"


@contextmanager
def as_input_error(say: Callable[[str], str], most: int | None = 300) -> Iterator[None]:
    """Turn whatever other people's code raises, an exit of the program too, into an `InputError`.

    Errors of this project, a lack of memory and Ctrl-C pass.

    Args:
        say: The message, from what was raised, on one line.
        most: Characters of that line that are kept.
    """
    try:
        yield
    except (PipelineError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raised = type(error).__name__
        raise InputError(say(f"{raised}: {one_line(error, most)}" if str(error).strip() else raised)) from error
