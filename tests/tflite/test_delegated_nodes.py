"""Which operators a delegate took."""

from __future__ import annotations

from pipeline.tflite.delegated_nodes import Node, partitions

CHAIN: list[Node] = [("CONV_2D", [0, 10, 11], [1]), ("RELU", [1], [2]), ("SOFTMAX", [2], [3])]


def test_without_a_delegate_none_is_taken() -> None:
    assert partitions(CHAIN) == (3, ())


def test_a_delegate_takes_what_lies_between_its_ends() -> None:
    assert partitions([*CHAIN, ("DELEGATE", [0], [2])]) == (3, ((0, 1),))


def test_two_partitions_leave_the_operator_between_them() -> None:
    nodes: list[Node] = [*CHAIN, ("DELEGATE", [0], [1]), ("DELEGATE", [2], [3])]
    assert partitions(nodes) == (3, ((0,), (2,)))


def test_an_empty_graph_has_nothing_to_take() -> None:
    assert partitions([]) == (0, ())
