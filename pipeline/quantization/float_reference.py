"""What a float model's layers give on the first calibration examples: what corrections bring the rounded ones back to.

Measured once for all the corrections of a model.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.quantization.layerwise import add_mean, mean_of_last
from pipeline.quantization.tap import Inputs, Piece, TappedModel, check_finite, first_pieces, with_outputs
from pipeline.quantization.weighted_operators import layers
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor

EXAMPLES = 200
"""Means snap within some hundred examples; more only take time."""
MEMORY = 512 * 2**20
"""Bytes of kept activations, which bound the number of examples for large models."""
FEWEST = 8


class Reference:
    """The first examples, and the means of a float model's layers on them.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples; the first `EXAMPLES` are used, fewer of models with large activations.
        threads: Interpreter threads.
    """

    def __init__(self, content: bytes, inputs: Inputs, *, threads: int = 2) -> None:
        self.content, self.threads = content, threads
        self._inputs = inputs
        self._live = _live_elements(flatbuffer.read(content))
        self._pieces: list[Piece] = []
        self._measured: list[dict[str, NDArray[np.float64]]] = []

    def pieces(self, kept_bytes: int) -> list[Piece]:
        """The examples, in pieces of the same number of examples that the graph can run.

        Args:
            kept_bytes: That each value of an activation will take while all examples' are kept.

        Raises:
            InputError: there are none, or they are not finite.
        """
        if not self._pieces:
            self._pieces = self._take()
        batch = self._pieces[0].examples
        affordable = max(FEWEST, MEMORY // max(self._live * kept_bytes, 1))
        return self._pieces[: -(-affordable // batch)]

    def means(self, pieces: int) -> dict[str, NDArray[np.float64]]:
        """The mean of each layer's output before its activation over the first pieces, [channels] by layer name."""
        if len(self._measured) < pieces:
            self._measured += _measure(self.content, self._pieces[len(self._measured) : pieces], self.threads)
        first = self._measured[:pieces]
        return {name: np.mean([found[name] for found in first], axis=0) for name in first[0]}

    def _take(self) -> list[Piece]:
        model = TappedModel(self.content, self.threads)
        pieces = list(first_pieces(model.pieces(self._inputs()), EXAMPLES))
        if not pieces:
            raise InputError("The representative dataset is empty: give at least one example, better some hundred.")
        kept = [piece for piece in pieces if piece.examples == pieces[0].examples]
        for number, piece in enumerate(kept):
            check_finite(piece, number * piece.examples)
        return kept


def _measure(content: bytes, pieces: list[Piece], threads: int) -> list[dict[str, NDArray[np.float64]]]:
    model = flatbuffer.read(content)
    editor = Editor(model)
    found = layers(model)[::-1]  # from the end, as splitting moves the places behind
    ends = []
    for layer in found:
        before = editor.split_activation(layer.place)
        ends.append(layer.output if before is None else before)
    tapped = [add_mean(editor, tensor, f"mean_{number}") for number, tensor in enumerate(ends)]
    with_outputs(model, tapped)
    runs = TappedModel(flatbuffer.serialize(model), threads)
    names = [layer.name for layer in found]
    measured = []
    for piece in pieces:
        views = runs.views(piece)
        measured.append(dict(zip(names, map(mean_of_last, views), strict=True)))
        del views  # LiteRT refuses to run while a view of its memory is held
    return measured


def _live_elements(model: ModelT) -> int:
    """The most activation values of one example that are needed at once."""
    graph = model.subgraphs[0]
    last = {tensor: max(places) for tensor, places in flatbuffer.consumers(graph).items()}
    live: dict[int, int] = {int(index): _elements(model, index) for index in graph.inputs}
    peak = sum(live.values())
    for place, operator in enumerate(graph.operators):
        live.update({index: _elements(model, index) for index in operator.outputs})
        peak = max(peak, sum(live.values()))
        live = {index: size for index, size in live.items() if last.get(index, -1) > place}
    return peak


def _elements(model: ModelT, index: int) -> int:
    return int(np.prod(flatbuffer.tensor_shape(model.subgraphs[0].tensors[index]), dtype=np.int64))
