"""Constant and next-to-nothing activations and weights give a model that loads and answers right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.quantization.formats import write
from pipeline.quantization.kernel_limits import weight_scales_for, wide_enough
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.quantization.ranges import Ranges
from pipeline.tflite.flatbuffer import read
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.answers import answer
from tests.tiny_models import Graph

SHAPE = [1, 4, 4, 2]
X = np.random.default_rng(0).uniform(-1, 1, (16, *SHAPE[1:])).astype(np.float32)
CONV = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 0}


def network(weights: float = 1.0, bias: tuple[float, float] = (0.0, 0.0), activation: int = 0) -> bytes:
    """x → 1x1 conv with weights of this size and this bias → + x."""
    graph = Graph()
    x, conv, end = (graph.tensor(name, SHAPE, open_batch=True) for name in ("x", "conv", "end"))
    values = np.random.default_rng(1).uniform(0.5, 1, (2, 1, 1, 2)) * weights
    w = graph.tensor("weights", [2, 1, 1, 2], data=values.astype(np.float32))
    b = graph.tensor("bias", [2], data=np.float32(bias))
    graph.operator("CONV_2D", [x, w, b], [conv], "Conv2DOptions", fusedActivationFunction=activation, **CONV)
    graph.operator("ADD", [x, conv], [end], "AddOptions")
    return graph.build([x], [end])


@pytest.mark.parametrize("how", [Settings(), Settings(bias_correction=False), Settings(rounding="learned")], ids=str)
@pytest.mark.parametrize("target", ["int8", "int8_per_tensor", "int16x8"])
@pytest.mark.parametrize(
    "content",
    [
        network(weights=0.0),
        network(weights=0.0, bias=(0.3, -0.2)),
        network(weights=1e-12),
        network(weights=1e-12, bias=(0.5, 0.0)),
        network(weights=1e-5, bias=(100.0, -100.0)),
        network(bias=(-50.0, -50.0), activation=1),
    ],
    ids=["zero weights", "a bias alone", "tiny weights", "tiny weights, a bias", "a large bias", "a dead ReLU"],
)
def test_the_model_answers_what_float_answers(content: bytes, target: Any, how: Settings) -> None:
    prepared = prepare(content, lambda: [{"x": X}], how)
    written, _ = quantize(prepared, target, lambda: [{"x": X}], how)
    require(inspect(written), target)
    expected, answered = (answer(Runner(model, batch=4), X) for model in (content, written))
    assert np.abs(answered - expected).max() <= 0.02 * np.abs(expected).max()


def test_a_range_that_kernels_take_stays() -> None:
    ranges = Ranges({"x": (-1, 1), "conv": (-2, 2), "end": (-3, 3)})
    assert wide_enough(read(network()), ranges) == ranges


def test_a_constant_gets_the_width_of_what_it_is_made_of() -> None:
    found = wide_enough(read(network()), Ranges({"x": (-1, 1), "conv": (0, 0), "end": (-1, 1)}))
    assert found["conv"] == (0, 2)
    assert found["x"] == (-1, 1)


def test_a_summand_is_not_finer_than_its_sum_can_tell() -> None:
    found = wide_enough(read(network(weights=1e-9)), Ranges({"x": (-1, 1), "conv": (-1e-9, 1e-9), "end": (-1, 1)}))
    low, high = found["conv"]
    assert high - low == pytest.approx(2 / 512)
    assert low == -high


def test_a_bias_that_does_not_fit_makes_its_channels_steps_coarser() -> None:
    scales = np.float32([1e-12, 0.1])
    raised = weight_scales_for(scales, np.array([1.0, 1.0]), 0.01)
    assert raised[1] == scales[1]
    assert 1.0 / (0.01 * raised[0]) == pytest.approx(2**30, rel=1e-6)


LOADS = "import sys; from ai_edge_litert.interpreter import Interpreter as I; i = I(sys.argv[1]); i.allocate_tensors()"
"""In a process of its own: the kernels end the process over a scale that they do not take."""


@pytest.mark.parametrize("narrow", [1e-9, 1e-6, 1e-3, 1e3])
@pytest.mark.parametrize("kind", ["ADD", "SUB", "SQUARED_DIFFERENCE", "HARD_SWISH"])
def test_ranges_that_were_never_learned_beside_ranges_that_were(kind: str, narrow: float, tmp_path: Path) -> None:
    """QAT can leave a range where it began and shrink the next to nothing: the file loads all the same."""
    graph = Graph()
    x, moved, end = (graph.tensor(name, SHAPE) for name in ("x", "moved", "end"))
    shape = graph.tensor("shape", [4], "int32", data=np.int32(SHAPE))
    graph.operator("RESHAPE", [x, shape], [moved])
    options = () if kind == "HARD_SWISH" else (f"{kind.title().replace('_', '')}Options",)
    graph.operator(kind, [moved] if kind == "HARD_SWISH" else [x, moved], [end], *options)
    ranges = Ranges({"x": (-6, 6), "moved": (-narrow, narrow), "end": (-narrow, narrow)})
    path = tmp_path / "int8.tflite"
    path.write_bytes(write(graph.build([x], [end]), "int8", ranges))
    assert subprocess.run([sys.executable, "-c", LOADS, str(path)], check=False, capture_output=True).returncode == 0
