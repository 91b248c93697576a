"""Python functions inside a model file: byte code, which runs on the version of Python alone that wrote it.

Keras stores the function of a Lambda layer, or a lambda given as an activation, as marshalled byte code. On another
Python it cannot be read, or it is read and ends the process.
"""

from __future__ import annotations

import base64
import dis
import marshal
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from pipeline.errors import InputError
from pipeline.models import stored_config

_FIRST = ("RESUME", "COPY_FREE_VARS", "MAKE_CELL", "RETURN_GENERATOR")
"""What the code of every function starts with since Python 3.11."""


def refuse_foreign(path: Path) -> None:
    """
    Raises:
        InputError: a layer's function was written by another version of Python.
    """
    foreign = [name for name, code in _stored(path) if not _runs_here(code)]
    if foreign:
        listed = ", ".join(f"'{name}'" for name in dict.fromkeys(foreign))
        raise InputError(
            f"'{path}' keeps Python code of another Python version in {listed} (a Lambda, or a function of your own), "
            "which this one cannot run. Write a function that builds the model with that code in it, loads its weights "
            "(model.load_weights) and returns it, and name it with --set model.function=module:function. Or load the "
            "file with the Python that wrote it and save it as a SavedModel, which needs no Python code: "
            "model.export(FOLDER)."
        )


def _stored(path: Path) -> Iterator[tuple[str, str]]:
    """The layer, and its byte code in base64, of every function in a model file."""
    yield from _codes(stored_config.read(path), "the model")


def _codes(item: Any, layer: str) -> Iterator[tuple[str, str]]:
    if isinstance(item, list):
        for inner in item:
            yield from _codes(inner, layer)
    if not isinstance(item, dict):
        return
    config = item.get("config")
    if isinstance(config, dict):
        if item.get("class_name") == "__lambda__":
            yield layer, str(config.get("code", ""))
            return
        layer = str(config.get("name") or layer)
        function = config.get("function")
        if item.get("class_name") == "Lambda" and isinstance(function, list) and function:
            yield layer, str(function[0])  # as Keras wrote it before `__lambda__`
    for inner in item.values():
        yield from _codes(inner, layer)


def _runs_here(stored: str) -> bool:
    try:
        code = marshal.loads(base64.b64decode(stored))
        return isinstance(code, CodeType) and _is_of_this_python(code)
    except Exception:  # whatever reading another version's code ends in
        return False


def _is_of_this_python(code: CodeType) -> bool:
    """Whether all instructions are known, and between them lie as many unused bytes as this version leaves."""
    instructions = list(dis.get_instructions(code))
    names = [instruction.opname for instruction in instructions]
    ends = [*(instruction.offset for instruction in instructions[1:]), len(code.co_code)]
    return (
        names[0] in _FIRST
        and not any(name.startswith("<") or name == "CACHE" for name in names)
        and not any(any(code.co_code[one.offset + 2 : end]) for one, end in zip(instructions, ends, strict=True))
        and all(_is_of_this_python(inner) for inner in code.co_consts if isinstance(inner, CodeType))
    )
