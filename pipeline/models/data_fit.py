"""Whether data gives what a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import InputError
from pipeline.tensors import OPEN, TensorSpec, bind


def check_data(wanted: Sequence[TensorSpec], inputs: Mapping[str, TensorSpec]) -> None:
    """See that a model takes what the data gives.

    One input is taken for the one input whatever the two are called; several go by name.

    Args:
        wanted: The model's inputs.
        inputs: The data's, by name.

    Raises:
        InputError: a name that the model does not have (with the nearest one), one that is missing, another shape (with
            what gives the model's), or values for an input of whole numbers.
    """
    given = bind(inputs, wanted)
    for spec in wanted:
        own = given[spec.name]
        fits = len(own.shape) == len(spec.shape) and all(
            OPEN in (side, other) or side == other for side, other in zip(spec.shape[1:], own.shape[1:], strict=True)
        )
        section = "data" if len(wanted) == 1 else f"data.inputs.{own.name}"
        if not fits:
            raise InputError(
                f"The model takes inputs of shape {_shown(spec)}{_called(spec, wanted)}, the data gives {_shown(own)}."
                f"{_size_hint(spec, section)}"
            )
        if spec.dtype.kind in "iu" and spec.scale is None and own.dtype.kind == "f":
            raise InputError(
                f"The model takes whole numbers ({spec.dtype}){_called(spec, wanted)}, the data gives {own.dtype}. "
                f"Give integers: tokens or indices that are not scaled; in a recipe, data.inputs.{own.name}.dtype."
            )


def _called(spec: TensorSpec, wanted: Sequence[TensorSpec]) -> str:
    return f" as '{spec.name}'" if len(wanted) > 1 else ""


def _shown(spec: TensorSpec) -> tuple[int | None, ...]:
    return tuple(None if side == OPEN else side for side in spec.shape[1:])


def _size_hint(spec: TensorSpec, section: str) -> str:
    sides = spec.shape[1:]
    if len(sides) != 3 or OPEN in sides:
        return ""
    return (
        f" Set {section}.preprocess.size to [{sides[0]}, {sides[1]}] and {section}.preprocess.channels to {sides[2]}."
    )
