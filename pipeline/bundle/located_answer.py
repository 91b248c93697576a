"""What a model finds in a photo and where: the part of a contract that boxes, masks and points share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pipeline.bundle.literals import Literals
from pipeline.data.resize import Fit, geometry
from pipeline.placement import Placement
from pipeline.tensors import Array, Tensors

Read = Callable[[Sequence[str]], str]
"""By the names of outputs, an expression that reads their numbers, one after the other."""


@dataclass(frozen=True, kw_only=True)
class LocatedAnswer(ABC):
    """Of one task: its generated code, its golden vectors, and what contract.json says of it."""

    kind: ClassVar[str]
    """`boxes`, `mask` or `points`; the name of the golden files too."""
    template: ClassVar[str]
    """Of the methods in `Contract`."""
    test: ClassVar[str]
    """The source of the bundle's test."""

    photo: str
    """The name of the one image among the inputs."""
    size: tuple[int, int]
    """Its height and width in pixels."""
    fit: Fit = "stretch"
    """How a photo gets this size; where that is not recorded it is stretched, as the generated `prepare` does."""
    labels: tuple[str, ...] = ()
    """Of classes or points; empty where they are not known."""

    @property
    @abstractmethod
    def sources(self) -> tuple[str, ...]:
        """The fixed sources that its code needs; none where there is no code."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of those that are read."""

    @property
    @abstractmethod
    def usage(self) -> tuple[str, str]:
        """A line for an app: the type that is declared in Java, and the rest, without an end."""

    @abstractmethod
    def values(self, literals: Literals, read: Read) -> dict[str, object]:
        """What the template is filled with."""

    @abstractmethod
    def vectors(self, outputs: Tensors, placement: Placement) -> dict[str, Array]:
        """The golden answers by the endings of their files.

        Args:
            outputs: Real values by name, [1, …].
            placement: Of the photo.

        Raises:
            InputError: values that these outputs do not have.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """As JSON."""

    def placement(self, height: int, width: int) -> Placement:
        """Of a photo of this size in pixels."""
        return geometry((height, width), self.size, self.fit).placement

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            **self.describe(),
            "labels": list(self.labels),
            "placement": {
                "input": self.photo,
                "size": list(self.size),
                "fit": self.fit,
                "to_photo": "(share - start) / (end - start) * photo's side in pixels, in float64, along each axis; "
                "start and end are where the photo's edges lie, as shares of the input",
            },
        }
