"""Which tensors a delegate hands over, and that nothing else changes."""

from __future__ import annotations

import numpy as np

from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.boundary import handed_over
from tests.quantization.networks import examples, stack


def names(content: bytes) -> list[str]:
    tree = flatbuffer.read(content)
    graph = tree.subgraphs[0]
    return [flatbuffer.tensor_name(graph.tensors[index]) for index in graph.outputs]


def test_what_the_last_operators_read_is_given_besides() -> None:
    content, added = handed_over(stack(), {4})
    assert added == 1
    assert names(content) == ["dense", "mean"]


def test_what_comes_after_an_operator_that_was_left_is_not_the_delegates() -> None:
    """depthwise (1) and dense (4) were left: only what depthwise reads depends on nothing else."""
    content, added = handed_over(stack(), {1, 4})
    assert added == 1
    assert names(content) == ["dense", "conv"]


def test_inputs_and_constants_are_handed_over_by_nobody() -> None:
    assert handed_over(stack(), {0})[1] == 0
    assert handed_over(stack(), set())[1] == 0


def test_the_model_answers_as_before() -> None:
    content, _ = handed_over(stack(), {4})
    x = examples(1)
    np.testing.assert_array_equal(Runner(content).run(x)[0], Runner(stack()).run(x)[0])
