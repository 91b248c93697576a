"""The user's own Python, named as `module` or `module:name`; modules in the current directory are found too."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import InputError, did_you_mean


def module(name: str) -> ModuleType:
    """A module by its dotted name.

    Raises:
        Exception: whatever importing it raises, an exit of the program as ImportError; it is the user's to mend, and
            the caller's to say where it was named.
    """
    _find_here_too()
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


def chosen(reference: str, what: str, key: str, takes: str) -> Any:
    """As :func:`named`, for what a recipe's key names.

    Args:
        reference: `module:name`.
        what: How messages call it.
        key: The recipe's.
        takes: What it may be, as people write it.

    Raises:
        InputError: it is not written so, cannot be imported, or the module has nothing of that name.
    """
    where, _, name = reference.partition(":")
    if not where or not name:
        raise InputError(f"A {what} of your own is named {takes}, not '{reference}'.")
    try:
        return named(reference)
    except AttributeError as error:
        known = [one for one in vars(module(where)) if not one.startswith("_")]
        raise InputError(
            f"The module {where} has no '{name}' ({key}: {reference}).{did_you_mean(name, known)}"
        ) from error
    except Exception as error:
        raise InputError(
            f"The {what} {reference} cannot be imported: {type(error).__name__}: {error}. Modules are looked for in "
            "the current directory and on PYTHONPATH."
        ) from error


def source_digest(reference: str) -> str | None:
    """SHA-256 over the source of a module and of the modules beside it that it imports, at any depth.

    Installed packages count by the file that is named alone. Nothing is executed but the packages that the module lies
    in. None where there is no such module; what that means, whoever imports it says.

    Args:
        reference: `module` or `module:name`.
    """
    name = reference.partition(":")[0]
    _find_here_too()
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    files = {name: Path(spec.origin)} | _imported(name, Path(spec.origin))
    digest = hashlib.sha256()
    for own, path in sorted(files.items()):
        digest.update(f"{own}\t{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _imported(name: str, origin: Path) -> dict[str, Path]:
    """The user's modules that one of the user's modules imports, by name."""
    if _installed(origin) or name.partition(".")[0] == __package__:
        return {}
    finder = ModuleFinder([path or "." for path in sys.path if not _installed(Path(path))], excludes=[__package__])
    try:
        finder.import_hook(name)
    except Exception:  # a syntax error, say: it will be said when the module is imported
        return {}
    files = {found: getattr(item, "__file__", None) for found, item in finder.modules.items()}
    return {found: Path(file) for found, file in files.items() if file}


def _installed(path: Path) -> bool:
    """Whether it is Python's own or a package's, which the versions stand for."""
    places = (sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    return any(path.resolve().is_relative_to(Path(place).resolve()) for place in places)


def _find_here_too() -> None:
    if "" not in sys.path:
        sys.path.insert(0, "")
