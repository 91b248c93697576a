"""A file's dilated convolution is one operator, with its ReLU, and answers as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tflite.dilated_convolutions import join_dilated
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.tiny_models import Graph

rng = np.random.default_rng(0)
SIZE, CHANNELS, FILTERS = 12, 3, 4


def spelled_out(
    kernel: tuple[int, ...], rate: int, before: int, after: int, *, crop: int = 0, relu: bool = True
) -> bytes:
    """SPACE_TO_BATCH_ND with zeros before and after, convolution, BATCH_TO_SPACE_ND, of one dimension or two."""
    graph, rank = Graph(), len(kernel)
    whole = SIZE + before + after
    blocks = whole // rate
    assert whole % rate == 0
    inner = [blocks - side + 1 for side in kernel]
    given = [SIZE] * rank
    one = [1] * (2 - rank)

    def tensor(name: str, sides: list[int], channels: int) -> int:
        return graph.tensor(name, [1, *sides, channels], open_batch=True)

    def constant(name: str, values: Any) -> int:
        return graph.tensor(name, list(np.shape(values)), "int32", data=np.array(values))

    block, pads = constant("block", [rate] * rank), constant("pads", [[before, after]] * rank)
    crops = constant("crops", [[0, crop]] * rank)
    x, cut = tensor("x", given, CHANNELS), tensor("cut", [blocks] * rank, CHANNELS)
    graph.operator("SPACE_TO_BATCH_ND", [x, block, pads], [cut])
    weights = graph.tensor(
        "w", [FILTERS, *one, *kernel, CHANNELS], data=rng.normal(size=(FILTERS, *one, *kernel, CHANNELS))
    )
    bias = graph.tensor("bias", [FILTERS], data=rng.normal(size=FILTERS))
    source = cut
    if rank == 1:
        source = tensor("expanded", [1, blocks], CHANNELS)
        graph.operator("RESHAPE", [cut, constant("to", [-1, 1, blocks, CHANNELS])], [source])
    convolved = tensor("convolved", [*one, *inner], FILTERS)
    graph.operator(
        "CONV_2D", [source, weights, bias], [convolved], "Conv2DOptions", padding=1, strideW=1, strideH=1,
        dilationWFactor=1, dilationHFactor=1,
    )  # fmt: skip
    if rank == 1:
        squeezed = tensor("squeezed", inner, FILTERS)
        graph.operator("RESHAPE", [convolved, constant("back", [-1, *inner, FILTERS])], [squeezed])
        convolved = squeezed
    sides = [rate * side - crop for side in inner]
    joined, y = tensor("joined", sides, FILTERS), tensor("y", sides, FILTERS)
    graph.operator("BATCH_TO_SPACE_ND", [convolved, block, crops], [joined])
    if relu:
        graph.operator("RELU", [joined], [y])
    return graph.build([x], [y if relu else joined])


@pytest.mark.parametrize(
    ("kernel", "operators"), [((3, 3), ["CONV_2D"]), ((3,), ["RESHAPE", "CONV_2D", "RESHAPE"])], ids=["2d", "1d"]
)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 2)], ids=["valid", "same"])
def test_it_is_one_operator(kernel: tuple[int, ...], operators: list[str], relu: bool, before: int, after: int) -> None:
    content = spelled_out(kernel, 2, before, after, relu=relu)
    joined = join_dilated(content)
    assert [operator.name for operator in inspect(joined).operators] == operators
    assert inspect(joined).outputs[0].name == inspect(content).outputs[0].name
    x = rng.normal(size=(3, *[SIZE] * len(kernel), CHANNELS)).astype(np.float32)
    expected = answer(Runner(content), x)
    np.testing.assert_allclose(answer(Runner(joined), x), expected, atol=1e-5)
    assert expected.min() >= 0 or not relu


def test_what_is_added_for_whole_blocks_is_cropped_again() -> None:
    content = spelled_out((3, 3), 5, 0, 3, crop=3)
    x = rng.normal(size=(2, SIZE, SIZE, CHANNELS)).astype(np.float32)
    joined = join_dilated(content)
    assert [operator.name for operator in inspect(joined).operators] == ["CONV_2D"]
    np.testing.assert_allclose(answer(Runner(joined), x), answer(Runner(content), x), atol=1e-5)


def test_a_padding_that_no_convolution_has_stays() -> None:
    content = spelled_out((3, 3), 2, 3, 1)
    assert join_dilated(content) is content
