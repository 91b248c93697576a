"""The table of integer kernels is that of the installed runtime, and the writer goes by it."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.kernel_table import kernel_table, runtime_of_table
from pipeline.quantization.kernel_trials import TRIALS, try_kernels
from pipeline.quantization.more_kernels import KERNELS
from pipeline.quantization.rules import takes_int8
from pipeline.recipe import Keep
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.tiny_models import Graph


def test_it_is_of_the_installed_runtime() -> None:
    """Else: python -m pipeline.quantization.kernel_trials."""
    assert runtime_of_table() == metadata.version("ai-edge-litert")
    assert set(kernel_table()) == set(TRIALS)


def test_trying_the_kernels_again_finds_the_same() -> None:
    found, table = try_kernels(), kernel_table()

    def findings(of: object) -> dict[tuple[str, str], tuple[object, ...]]:
        return {
            (kind, dtype): (one.scheme, one.narrow, one.scale, bool(one.reason))
            for kind, by_type in of.items()  # type: ignore[attr-defined]
            for dtype, one in by_type.items()
        }

    assert findings(found) == findings(table)


def test_every_operator_that_the_writer_moves_to_integers_has_a_kernel() -> None:
    for kind in set(KERNELS) - {"EMBEDDING_LOOKUP"}:  # which takes rows, and computes nothing
        assert kernel_table()[kind]["int8"].scheme, kind


def test_a_kernel_that_fails_is_not_used_and_the_reason_is_told() -> None:
    """The int8 kernel of DIV refuses to run where a divisor is 0, which every int8 range contains."""
    refused = kernel_table()["DIV"]["int8"]
    assert refused.scheme is None
    assert "zero_point" in refused.reason
    assert not takes_int8("DIV")


def quotient() -> bytes:
    """x / y, both of them inputs [?, 4]."""
    graph = Graph()
    x, y, quotient = (graph.tensor(name, [1, 4], open_batch=True) for name in ("x", "y", "quotient"))
    graph.operator("DIV", [x, y], [quotient], "DivOptions")
    return graph.build([x, y], [quotient])


def test_a_quotient_is_computed_in_float_and_bears_a_divisor_of_zero() -> None:
    content = quotient()
    rng = np.random.default_rng(0)
    fed = {"x": rng.normal(size=(20, 4)).astype(np.float32), "y": rng.uniform(0.5, 2, (20, 4)).astype(np.float32)}
    written = write(content, "int8", calibrate(content, [fed]))
    assert [op.name for op in inspect(written).float_operators] == ["DIV"]
    nothing = {"x": np.ones((1, 4), np.float32), "y": np.zeros((1, 4), np.float32)}
    assert Runner(written)(nothing).real["quotient"].shape == (1, 4)
    with pytest.raises(InputError, match=r"DIV\) cannot be quantized to int8: its kernel is not fit"):
        write(content, "int16x8", calibrate(content, [fed]), keep=[Keep(type="DIV", **{"as": "int8"})])
