"""An input of token ids that Keras made float is an int32 input."""

from __future__ import annotations

import numpy as np

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.token_inputs import integer_tokens
from pipeline.tflite.verdict import require
from tests.tiny_models import Graph

WORDS, LENGTH, SIZE = 3000, 5, 4
TOKENS = np.random.default_rng(0).integers(0, WORDS, (24, LENGTH))


def embedding(*, mask: float | None = None, also_added: bool = False, dtype: str = "int32") -> bytes:
    """x float32 [?, 5] → CAST → GATHER → y; with a mask, x ≠ mask is the output `seen`."""
    graph = Graph()
    x = graph.tensor("x", [1, LENGTH], open_batch=True)
    ids = graph.tensor("ids", [1, LENGTH], dtype, open_batch=True)
    table = np.random.default_rng(1).normal(size=(WORDS, SIZE)).astype(np.float32)
    rows = graph.tensor("y", [1, LENGTH, SIZE], open_batch=True)
    graph.operator("CAST", [x], [ids], "CastOptions")
    graph.operator("GATHER", [graph.tensor("table", [WORDS, SIZE], data=table), ids], [rows], "GatherOptions", axis=0)
    outputs = [rows]
    if mask is not None:
        outputs.append(graph.tensor("seen", [1, LENGTH], "bool", open_batch=True))
        graph.operator(
            "NOT_EQUAL", [x, graph.tensor("mask", [], data=np.float32(mask))], outputs[1:], "NotEqualOptions"
        )
    if also_added:
        outputs.append(graph.tensor("sum", [1, LENGTH], open_batch=True))
        graph.operator("ADD", [x, x], outputs[-1:], "AddOptions")
    return graph.build([x], outputs)


def test_the_answers_are_those_to_the_same_tokens() -> None:
    for content in (embedding(), embedding(mask=0), embedding(dtype="int64")):
        whole = integer_tokens(content)
        [spec] = Runner(whole).signature.inputs
        assert (spec.name, str(spec.dtype)) == ("x", "int32")
        expected = Runner(content)({"x": TOKENS.astype(np.float32)}).real
        for fed in (TOKENS, TOKENS.astype(np.float32)):
            for name, values in Runner(whole)({"x": fed}).real.items():
                np.testing.assert_array_equal(values, expected[name])


def test_no_token_is_rounded_in_int8() -> None:
    content = integer_tokens(embedding(mask=0))
    written = write(content, "int8", calibrate(content, [{"x": TOKENS}]))
    require(found := inspect(written), "int8")
    assert "int32 inputs as they are" in found.verdict.text
    expected, answered = (Runner(model)({"x": TOKENS}).real for model in (content, written))
    assert np.abs(answered["y"] - expected["y"]).max() <= (found.outputs[0].scale or 0)
    np.testing.assert_array_equal(answered["seen"], expected["seen"])


def test_an_input_that_is_computed_with_stays_float() -> None:
    for content in (embedding(also_added=True), embedding(mask=0.5)):
        assert integer_tokens(content) == content
