"""Average pooling over everything becomes MEAN, any other stays."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite.global_pooling import mean_for_global_pooling
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.tiny_models import Graph


def pooled(window: int, side: int = 4) -> bytes:
    graph = Graph()
    out = side // window
    x = graph.tensor("x", [1, side, side, 3], open_batch=True)
    y = graph.tensor("y", [1, out, out, 3], open_batch=True)
    options = {"padding": 1, "strideH": window, "strideW": window, "filterHeight": window, "filterWidth": window}
    graph.operator("AVERAGE_POOL_2D", [x], [y], "Pool2DOptions", **options)
    return graph.build([x], [y])


def test_global_pooling_becomes_the_mean_and_answers_the_same() -> None:
    before = pooled(4)
    after = mean_for_global_pooling(before)
    assert [operator.name for operator in inspect(after).operators] == ["MEAN"]
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(answer(Runner(after, batch=2), x), answer(Runner(before, batch=2), x), atol=1e-6)


@pytest.mark.parametrize("window", [1, 2])
def test_local_pooling_stays(window: int) -> None:
    assert mean_for_global_pooling(pooled(window)) == pooled(window)
