"""The user's own Python, named as `module` or `module:name`; modules in the current directory are found too."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def module(name: str) -> ModuleType:
    """A module by its dotted name.

    Raises:
        Exception: whatever importing it raises, an exit of the program as ImportError; it is the user's to mend, and
            the caller's to say where it was named.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except SystemExit as error:
        raise ImportError(f"importing it ends the program (sys.exit, status {error.code})") from error


def named(reference: str) -> Any:
    """What `module:name` stands for.

    Raises:
        Exception: as :func:`module`; AttributeError where the module has no such name.
    """
    where, _, name = reference.partition(":")
    return getattr(module(where), name)
