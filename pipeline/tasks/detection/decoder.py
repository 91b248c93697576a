"""What every decoder is: which outputs it reads, how it turns them into boxes, and what it is trained towards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, did_you_mean
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.task import LossName
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

Roles = Mapping[str, tuple[TensorSpec, ...]]
"""The outputs by what they hold; most often one each."""
NOT, MAYBE, SURELY = range(3)
"""Whether outputs are what a decoder reads, by their shapes."""


@dataclass(frozen=True, kw_only=True)
class Decoder(ABC):
    """Reads a detector's outputs. Every field but those here is an option of the task in a recipe."""

    name: ClassVar[str]
    roles: ClassVar[Mapping[str, tuple[str, ...]]]
    """What outputs hold, and what such outputs are often called."""
    optional: ClassVar[tuple[str, ...]] = ()
    suppresses: ClassVar[bool] = False
    """Whether the model does the non-maximum suppression itself."""
    reads: ClassVar[str]
    """The shapes that it reads, for messages."""

    outputs: Roles
    input_size: tuple[int, int]
    """Height and width of the model's input in pixels."""
    data_classes: int = 0
    """Of the data; 0 where they are not known."""

    @classmethod
    @abstractmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        """`NOT`, `MAYBE` or `SURELY`, by shapes.

        Args:
            outputs: All roles but optional ones that are left out.
            classes: Of the data; 0 where they are not known.
        """

    @property
    @abstractmethod
    def classes(self) -> int:
        """How many the model tells apart; `OPEN` where shapes do not say."""

    @abstractmethod
    def check(self) -> None:
        """
        Raises:
            InputError: the outputs are not what it reads, with these options.
        """

    @abstractmethod
    def decode(self, outputs: Tensors) -> Candidates:
        """
        Args:
            outputs: Real values by output name, [B, …].

        Raises:
            InputError: values that another layout would have.
        """

    @property
    def losses(self) -> dict[str, LossName]:
        """By output name; empty: it is not trained by boxes."""
        return {}

    def training_targets(self, boxes: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """By output name, what the losses compare the outputs with; `boxes` [B, M, 7] as `pipeline.boxes` has them."""
        return {}

    def describe(self) -> dict[str, Any]:
        """As JSON: which outputs it reads, and its options."""
        own = {field.name for field in fields(Decoder)}
        roles = {
            role: specs[0].name if len(specs) == 1 else [spec.name for spec in specs]
            for role, specs in self.outputs.items()
        }
        options = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in own and getattr(self, field.name) is not None
        }
        return {"decode": self.name, **roles, **options}

    def _spec(self, role: str) -> TensorSpec:
        return self.outputs[role][0]

    def _read(self, outputs: Tensors, role: str) -> NDArray[Any]:
        return read(outputs, self._spec(role).name)

    def _rows(self, outputs: Tensors, role: str, width: int) -> NDArray[np.float32]:
        """[B, N, width] of one output, or of one for each level, one after the other."""
        parts = [read(outputs, spec.name) for spec in self.outputs[role]]
        return np.concatenate([part.reshape(len(part), -1, width) for part in parts], axis=1).astype(np.float32)

    def _refuse(self, why: str) -> InputError:
        read_ones = ", ".join(
            f"{role} '{spec.name}' {show_shape(spec.shape)}" for role, specs in self.outputs.items() for spec in specs
        )
        return InputError(
            f"The decoder {self.name} reads {self.reads}, and {why} (it was given {read_ones}). Name the outputs by "
            "what they hold, the options that fit, or another `decode`."
        )


def read(outputs: Tensors, name: str) -> NDArray[Any]:
    """An output by the float model's name; the only one whatever it is called."""
    if name in outputs:
        return np.asarray(outputs[name])
    if len(outputs) == 1:
        return np.asarray(next(iter(outputs.values())))
    raise InputError(
        f"The task detection reads the output '{name}', which the model does not have; it has {', '.join(outputs)}."
    )


def find_roles(
    kind: type[Decoder], outputs: Sequence[TensorSpec], named: Mapping[str, str | Sequence[str]], classes: int
) -> Roles:
    """Which output is what: as named, else the one way in which the shapes fit, or of several the one that fits the
    names.

    Args:
        kind: Of decoder.
        outputs: Of the model.
        named: By role, those that the recipe names.
        classes: Of the data; 0 where they are not known.

    Raises:
        InputError: an output that is not there, none that fit, or several that fit equally.
    """
    fixed = {role: _named(role, name, outputs) for role, name in named.items()}
    taken = [spec.name for specs in fixed.values() for spec in specs]
    twice = next((one for one in taken if taken.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"The task names the output '{twice}' twice; the decoder {kind.name} reads {kind.reads}.")
    free = [spec for spec in outputs if spec.name not in taken]
    open_roles = [role for role in kind.roles if role not in fixed]
    needed = [role for role in open_roles if role not in kind.optional]
    ways = []
    for roles in [open_roles] if open_roles == needed else [open_roles, needed]:
        ways = [way for way in _ways(kind, roles, free, fixed, classes) if way]
        if ways:
            break
    if not ways:
        if not needed:
            return fixed  # what is wrong with those that are named, the decoder says itself
        listed = ", ".join(f"'{spec.name}' {show_shape(spec.shape)}" for spec in outputs)
        raise InputError(
            f"The decoder {kind.name} reads {kind.reads}; the model's outputs are {listed}. Name them, for example "
            f"`{needed[0]}: {outputs[0].name}`, or another `decode`."
        )
    surest = max(fit for fit, _ in ways)
    best = [way for fit, way in ways if fit == surest]
    if len(best) > 1:
        points = [_by_names(kind, way) for way in best]
        best = [way for way, point in zip(best, points, strict=True) if point == max(points)]
    if len(best) > 1:
        doubtful = [role for role in open_roles if len({way[role][0].name for way in best if role in way}) > 1]
        listed = ", ".join(f"'{spec.name}' {show_shape(spec.shape)}" for spec in free)
        raise InputError(
            f"Which of the outputs {listed} holds the {' and which the '.join(doubtful)} cannot be told from their "
            f"shapes. Name them in the task: `{doubtful[0]}: OUTPUT`."
        )
    return {role: best[0][role] for role in kind.roles if role in best[0]}


def _ways(
    kind: type[Decoder], roles: Sequence[str], free: Sequence[TensorSpec], fixed: Roles, classes: int
) -> list[tuple[int, Roles]]:
    if len(free) > 8:
        free = free[:8]  # no detector has more, and the ways to order them grow fast
    found: list[tuple[int, Roles]] = []
    for order in permutations(free, len(roles)):
        way = {**fixed, **{role: (spec,) for role, spec in zip(roles, order, strict=True)}}
        fit = kind.fit(way, classes)
        if fit:
            found.append((fit, way))
    return found


def _named(role: str, name: str | Sequence[str], outputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    by_name = {spec.name: spec for spec in outputs}
    names = [name] if isinstance(name, str) else list(name)
    for one in names:
        if one not in by_name:
            raise InputError(
                f"task.{role} names the output '{one}', which the model does not have.{did_you_mean(one, by_name)}"
            )
    if not names:
        raise InputError(f"task.{role} names no output.")
    return tuple(by_name[one] for one in names)


def _by_names(kind: type[Decoder], way: Roles) -> int:
    points = 0
    for role, specs in way.items():
        own = specs[0].name.lower()
        if own == role:
            points += 2
        elif any(word in own for word in kind.roles.get(role, ())):
            points += 1
    return points


def sides(spec: TensorSpec) -> tuple[int, ...]:
    """An output's shape without the batch, and without a 1 between the first and the last: [A, 1, 4] is [A, 4]."""
    shape = spec.shape[1:]
    return (shape[0], shape[2]) if len(shape) == 3 and shape[1] == 1 else shape


def known(*numbers: int) -> bool:
    """Whether none is open."""
    return OPEN not in numbers
