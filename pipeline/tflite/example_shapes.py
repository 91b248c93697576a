"""How large an example of a model is that leaves more than its batch open: what its metadata says, else 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.tensors import OPEN, show_shape
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.signature import input_names


@dataclass(frozen=True)
class ExampleShapes:
    """The shape of every input for one example, with a batch of 1 where the batch is open."""

    shapes: tuple[tuple[int, ...], ...]
    guessed: tuple[str, ...]
    """Inputs with an open dimension that nothing tells the size of; it is 1 here. As messages show them."""

    @property
    def note(self) -> str | None:
        """For the reader; None where nothing was guessed."""
        if not self.guessed:
            return None
        return (
            f"Nothing says how large an example is: the open dimensions of {', '.join(self.guessed)} were taken as 1. "
            "Export the model at one size, or with the recipe whose data it takes."
        )


def example_shapes(model: Path | bytes) -> ExampleShapes | None:
    """
    Args:
        model: A .tflite file, or its content.

    Returns:
        None where every input has fixed sides, the batch aside: the runtime takes the model as it is.

    Raises:
        InputError: no .tflite model, or its metadata is damaged.
    """
    tree = flatbuffer.read(model)
    graph = tree.subgraphs[0]
    signatures = []
    for index in graph.inputs:
        own, shape = graph.tensors[index].shapeSignature, flatbuffer.tensor_shape(graph.tensors[index])
        signatures.append(tuple(int(side) for side in own) if own is not None and len(own) else shape)
    if all(OPEN not in shape[1:] for shape in signatures):
        return None
    known = metadata.read(model)
    shapes, guessed = [], []
    for name, shape in zip(input_names(tree), signatures, strict=True):
        described = known.preprocessing_of(name) if known else {}
        sides = [1 if side == OPEN and place == 0 else side for place, side in enumerate(shape)]
        said = recorded_sides(described, len(sides) - 1)
        for place, side in enumerate(said, 1):
            sides[place] = side if sides[place] == OPEN else sides[place]
        if OPEN in sides:
            guessed.append(f"'{name}' {show_shape(shape)}")
        shapes.append(tuple(1 if side == OPEN else side for side in sides))
    return ExampleShapes(tuple(shapes), tuple(guessed))


def recorded_sides(described: dict[str, object], rank: int) -> tuple[int, ...]:
    """An example's sides by an input's description in the metadata; empty where it does not say.

    Args:
        described: `Metadata.preprocessing_of` the input.
        rank: How many sides there are.
    """
    shape, size = described.get("shape"), described.get("size")
    if isinstance(shape, list) and len(shape) == rank:
        return tuple(int(side) for side in shape)
    if isinstance(size, list) and rank == 3:
        return int(size[0]), int(size[1])
    return ()
