"""Which operators the runtime computes in integers, and how their scales must be: read from `kernel_table.json`.

The table is made by trying the kernels (`kernel_trials`), not from memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Scheme = Literal["own", "same", "fixed"]
"""Of the outputs' scales: any of their own; the inputs'; the one that the kernel demands."""
Dtype = Literal["int8", "int16"]

PATH = Path(__file__).with_name("kernel_table.json")
PACKAGE = "ai-edge-litert"


@dataclass(frozen=True)
class Found:
    """What a trial of one operator in one type found."""

    scheme: Scheme | None
    """None: the kernel is not used."""
    reason: str = ""
    """Why it is not."""
    steps: float = 0.0
    """The largest error, in steps of the output."""
    narrow: bool = False
    """Whether it is used only where every input's scale is below 1: beyond, it fails."""
    scale: float | None = None
    """Of the output, where the kernel demands one."""
    zero_point: int = 0


Table = dict[str, dict[Dtype, Found]]


@cache
def kernel_table() -> Table:
    """What was found, by operator (as the schema calls it) and type. Layers with weights are not in it."""
    operators = json.loads(PATH.read_text(encoding="utf-8"))["operators"]
    return {kind: {dtype: Found(**one) for dtype, one in by_type.items()} for kind, by_type in operators.items()}


def runtime_of_table() -> str:
    """The version of LiteRT whose kernels were tried."""
    return str(json.loads(PATH.read_text(encoding="utf-8"))["runtime"][PACKAGE])


def found(kind: str, dtype: Dtype) -> Found | None:
    """What was found of an operator's kernel; None of one that was not tried."""
    return kernel_table().get(kind, {}).get(dtype)


def scheme(kind: str, dtype: Dtype) -> Scheme | None:
    """How an operator's scales must be; None where its kernel is not used or was not tried."""
    tried = found(kind, dtype)
    return None if tried is None else tried.scheme


def refused(kind: str, dtype: Dtype) -> str:
    """Why an operator's kernel is not used; empty where it is, or was not tried."""
    tried = found(kind, dtype)
    return "" if tried is None or tried.scheme else tried.reason


def is_narrow(kind: str, dtype: Dtype) -> bool:
    """Whether an operator's kernel is used only where its inputs' scales are below 1."""
    tried = found(kind, dtype)
    return tried is not None and tried.narrow
