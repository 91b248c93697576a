"""Which operators a delegate took."""

from __future__ import annotations

from typing import Any

from pipeline.verification.arm.delegated_nodes import not_taken


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"name": name, "inputs": inputs, "outputs": outputs}


CHAIN = [node("CONV_2D", [0, 10, 11], [1]), node("RELU", [1], [2]), node("SOFTMAX", [2], [3])]


def test_without_a_delegate_none_is_taken() -> None:
    assert not_taken(CHAIN) == (3, {0, 1, 2})


def test_a_delegate_takes_what_lies_between_its_ends() -> None:
    assert not_taken([*CHAIN, node("DELEGATE", [0], [2])]) == (3, {2})


def test_two_partitions_leave_the_operator_between_them() -> None:
    nodes = [*CHAIN, node("DELEGATE", [0], [1]), node("DELEGATE", [2], [3])]
    assert not_taken(nodes) == (3, {1})


def test_an_empty_graph_has_nothing_to_take() -> None:
    assert not_taken([]) == (0, frozenset())
