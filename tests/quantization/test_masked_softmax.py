"""−1e9 before a softmax masks scores and leaves the others their steps."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.masked_softmax import without_masks
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.tiny_models import Graph

SIZE = 6
RNG = np.random.default_rng(0)
FED = {
    "x": RNG.normal(0, 2, (32, SIZE, SIZE)).astype(np.float32),
    "seen": np.concatenate([np.ones((32, 1, 3), bool), RNG.random((32, 1, 3)) > 0.5], axis=2),
}
SHAPE = [1, SIZE, SIZE]


def masked(how: str, mask: float = -1e9) -> bytes:
    """Scores x [?, 6, 6], of which `seen` [?, 1, 6] says what counts → SOFTMAX, y."""
    graph = Graph()
    x, scores, y = (graph.tensor(name, SHAPE, open_batch=True) for name in ("x", "scores", "y"))
    seen = graph.tensor("seen", [1, 1, SIZE], "bool", open_batch=True)

    def number(name: str, value: float) -> int:
        return graph.tensor(name, [], data=np.float32(value))

    if how == "selected":
        graph.operator("SELECT_V2", [seen, x, number("never", mask)], [scores], "SelectV2Options")
    else:
        added = graph.tensor("added", [1, 1, SIZE], open_batch=True)
        if how == "added":
            parts = [seen, number("nothing", 0), number("never", mask)]
            graph.operator("SELECT_V2", parts, [added], "SelectV2Options")
        else:
            ones, unseen = (graph.tensor(name, [1, 1, SIZE], open_batch=True) for name in ("ones", "unseen"))
            graph.operator("CAST", [seen], [ones], "CastOptions")
            graph.operator("SUB", [number("one", 1), ones], [unseen], "SubOptions")
            graph.operator("MUL", [unseen, number("never", mask)], [added], "MulOptions")
        graph.operator("ADD", [x, added], [scores], "AddOptions")
    graph.operator("SOFTMAX", [scores], [y], "SoftmaxOptions", beta=1.0)
    return graph.build([x, seen], [y])


@pytest.mark.parametrize("how", ["selected", "added", "multiplied and added"])
@pytest.mark.parametrize("mask", [-1e4, -1e9, float(np.finfo(np.float32).min)])
def test_what_counts_keeps_its_weight_and_what_is_masked_has_none(how: str, mask: float) -> None:
    content = masked(how, mask)
    written = write(content, "int8", calibrate(content, [FED]))
    require(inspect(written), "int8")
    expected, answered = (Runner(model)(FED).real["y"] for model in (content, written))
    assert np.abs(answered - expected).max() < 0.04
    hidden = np.broadcast_to(~FED["seen"], answered.shape)
    assert answered[hidden].max() <= 1 / 256


def test_a_mask_that_is_a_constant() -> None:
    """Each step sees those before it."""
    graph = Graph()
    x, scores, y = (graph.tensor(name, SHAPE, open_batch=True) for name in ("x", "scores", "y"))
    later = np.triu(np.full((SIZE, SIZE), -1e9, np.float32), 1)
    graph.operator("ADD", [x, graph.tensor("later", [SIZE, SIZE], data=later)], [scores], "AddOptions")
    graph.operator("SOFTMAX", [scores], [y], "SoftmaxOptions", beta=1.0)
    content, fed = graph.build([x], [y]), {"x": FED["x"]}
    written = write(content, "int8", calibrate(content, [fed]))
    expected, answered = (Runner(model)(fed).real["y"] for model in (content, written))
    assert np.abs(answered - expected).max() < 0.04


def test_scores_that_are_merely_low_keep_their_range() -> None:
    content = masked("added", -100.0)
    ranges = calibrate(content, [FED])
    assert without_masks(flatbuffer.read(content), ranges) == ranges
