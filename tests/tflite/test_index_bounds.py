"""The bound of a token is the number of rows of the table that it is looked up in."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite.index_bounds import UNKNOWN, index_bounds
from tests import tiny_models
from tests.quantization import networks


def test_a_gather_and_a_lookup_tell_their_tables_rows() -> None:
    assert index_bounds(networks.sentences()) == [networks.WORDS, UNKNOWN]
    assert index_bounds(networks.one_sentence()) == [networks.WORDS]


def test_what_is_looked_up_nowhere_has_no_bound_of_its_own() -> None:
    assert index_bounds(networks.two_inputs()) == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("sizes", [(9, 4), (4, 9)])
def test_the_smallest_of_several_tables_counts_through_a_reshape_too(sizes: tuple[int, int]) -> None:
    graph = tiny_models.Graph()
    words, flat = graph.tensor("words", [1, 2], "int32"), graph.tensor("flat", [2], "int32")
    shape = graph.tensor("shape", [1], "int32", data=np.array([2]))
    graph.operator("RESHAPE", [words, shape], [flat], "ReshapeOptions", newShape=[2])
    outputs = []
    for name, size in zip("ab", sizes, strict=True):
        table, rows = graph.tensor(f"table_{name}", [3, size], data=np.ones((3, size))), graph.tensor(name, [3, 2])
        graph.operator("GATHER", [table, flat], [rows], "GatherOptions", axis=1)
        outputs.append(rows)
    assert index_bounds(graph.build([words], outputs)) == [4]


def test_a_one_hot_tells_its_depth() -> None:
    graph = tiny_models.Graph()
    words, depth = graph.tensor("words", [1], "int32"), graph.tensor("depth", [], "int32", data=np.array(6))
    on, off = (graph.tensor(name, [], data=np.array(value)) for name, value in (("on", 1.0), ("off", 0.0)))
    y = graph.tensor("y", [1, 6])
    graph.operator("ONE_HOT", [words, depth, on, off], [y], "OneHotOptions", axis=-1)
    assert index_bounds(graph.build([words], [y])) == [6]
