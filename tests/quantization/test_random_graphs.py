"""Whatever the graph, the int8 model is int8 and answers what the float model answers, within int8's noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.answers import answer
from tests.quantization.random_graphs import BLOCKS, examples, grow

BLOCKS_AND_SEED = {"blocks": st.lists(st.sampled_from(sorted(BLOCKS)), max_size=5), "seed": st.integers(0, 2**31)}
KEEP = {"deadline": None, "derandomize": True, "phases": [Phase.explicit, Phase.generate]}
"""No shrinking: it takes minutes, and a list of five blocks is short enough to read."""
NOISE = 0.15
"""Root mean square error as a share of the output's spread: 16 dB. One rounding brings some 0.005; a wrong model 1."""


def check(blocks: list[str], seed: int, how: Settings, target: Any) -> None:
    content, fit = grow(blocks, seed), examples(seed)
    prepared = prepare(content, lambda: [{"x": fit}], how)
    written, _ = quantize(prepared, target, lambda: [{"x": fit}], how)
    found = inspect(written)
    require(found, target)
    # On the calibration examples: what others do beyond the ranges is the data's doing.
    expected, answered = (answer(Runner(model, batch=4), fit) for model in (content, written))
    error = float(np.sqrt(np.mean((answered - expected) ** 2)))
    assert error <= max(NOISE * float(np.std(expected)), 2 * (found.outputs[0].scale or 0.0))


@given(**BLOCKS_AND_SEED)
@settings(max_examples=60, **KEEP)
def test_int8_with_bias_correction(blocks: list[str], seed: int) -> None:
    check(blocks, seed, Settings(), "int8")


@given(**BLOCKS_AND_SEED)
@settings(max_examples=15, **KEEP)
def test_int8_equalized_with_learned_rounding(blocks: list[str], seed: int) -> None:
    check(blocks, seed, Settings(equalize=True, rounding="learned", weight_scales="mse"), "int8")


FLOAT_IN_INT16 = {"hard swish", "elu", "unit length", "select"}
"""Blocks with an operator that has no int16 kernel, or none that takes a constant (`kernel_table`)."""


@given(blocks=st.lists(st.sampled_from(sorted(set(BLOCKS) - FLOAT_IN_INT16)), max_size=5), seed=st.integers(0, 2**31))
@settings(max_examples=15, **KEEP)
def test_int16_activations(blocks: list[str], seed: int) -> None:
    check(blocks, seed, Settings(), "int16x8")


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_each_block_alone(block: str) -> None:
    check([block], 0, Settings(), "int8")
