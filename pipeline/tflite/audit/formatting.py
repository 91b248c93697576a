"""How findings name operators and tensors."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.tflite.inspect import Operator

_SHOWN = 3


def short(name: str) -> str:
    """A tensor's name as a message shows it: of those of fused operators the first."""
    return name.split(";")[0]


def operator(found: Operator) -> str:
    """For example: operator 3 CONV_2D 'conv_1/Relu6'."""
    where = f"{found.index}" if found.subgraph == 0 else f"{found.subgraph}:{found.index}"
    return f"operator {where} {found.name} '{short(found.output)}'"


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def count(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {noun}{'s' * (number != 1)}"
