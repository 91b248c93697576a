"""The sizes that a recipe or a caller gives for the dimensions that a model leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.errors import InputError, did_you_mean
from pipeline.tensors import OPEN, TensorSpec, show_shape

Sizes = Mapping[str, Sequence[int]]
"""By input name, without the batch: `{"image": [224, 224, 3]}`."""


def with_sizes(
    inputs: Sequence[TensorSpec], sizes: Sizes | None, *, may_change: bool = False
) -> tuple[TensorSpec, ...]:
    """Inputs with their open dimensions at the given sizes; the batch stays as it is.

    Args:
        inputs: What a model takes.
        sizes: One size is taken for the one input whatever it is called. Inputs that are not named stay open.
        may_change: Whether a dimension that has a size already may get another, as in a subclassed model, which only
            remembers what it was called on first.

    Raises:
        InputError: a name that the model does not have (with the nearest one), another number of dimensions, a size
            below 1, or one that the model fixes otherwise.
    """
    given = dict(sizes or {})
    names = [spec.name for spec in inputs]
    if len(given) == len(names) == 1:
        given = {names[0]: next(iter(given.values()))}
    for name in given:
        if name not in names:
            listed = ", ".join(f"'{own}'" for own in names)
            raise InputError(
                f"A size is given for the input '{name}', and the model has {listed}.{did_you_mean(name, names)}"
            )
    return tuple(_with_size(spec, given[spec.name], may_change) if spec.name in given else spec for spec in inputs)


def _with_size(spec: TensorSpec, size: Sequence[int], may_change: bool) -> TensorSpec:
    own, wanted = spec.shape[1:], tuple(int(side) for side in size)
    fits = len(own) == len(wanted) and (
        may_change or all(side in (OPEN, new) for side, new in zip(own, wanted, strict=True))
    )
    if not fits or min(wanted, default=1) < 1:
        raise InputError(
            f"The input '{spec.name}' takes {show_shape(own)} without the batch, and the size given for it is "
            f"{show_shape(wanted)}. Give whole numbers of 1 and more for all its dimensions, those that are fixed as "
            "the model has them (model.input_sizes, or model.input_shape where there is one input)."
        )
    return replace(spec, shape=(*spec.shape[:1], *wanted))
