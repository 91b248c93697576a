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
                f"{_size_hint(spec, own, section)}"
            )
        if spec.dtype.kind in "iu" and spec.scale is None and own.dtype.kind == "f":
            raise InputError(
                f"The model takes whole numbers ({spec.dtype}){_called(spec, wanted)}, the data gives {own.dtype}. "
                f"Give them as they are: tokens or indices that are not scaled, pixels with {section}.preprocess."
                f"scale: raw; in a recipe with data.inputs.{own.name}.dtype: {spec.dtype}."
            )


def _called(spec: TensorSpec, wanted: Sequence[TensorSpec]) -> str:
    return f" as '{spec.name}'" if len(wanted) > 1 else ""


def _shown(spec: TensorSpec) -> tuple[int | None, ...]:
    return tuple(None if side == OPEN else side for side in spec.shape[1:])


def _size_hint(spec: TensorSpec, own: TensorSpec, section: str) -> str:
    """How images come to the model's size; of other examples that their shape must be the model's."""
    sides, given = spec.shape[1:], own.shape[1:]
    if len(sides) == len(given) == 3 and OPEN not in sides and sides[2] in (1, 3) and given[2] in (1, 3, 4):
        return (
            f" If these are images (files, or uint8 arrays), set {section}.preprocess.size to [{sides[0]}, {sides[1]}] "
            f"and {section}.preprocess.channels to {sides[2]}; anything else is fed as it is and must have the "
            "model's shape."
        )
    return " Nothing but images is resized: prepare the examples in the model's shape."
