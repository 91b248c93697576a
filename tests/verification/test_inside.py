"""Inside a rung: which activation parts first, and which operator is to blame."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import Activations
from pipeline.tflite.match import matched
from pipeline.verification.inside import Inside, look_inside
from tests.quantization import networks

EXAMPLES = list(networks.examples(6))


def looked(upper: bytes, lower: bytes, *, sqnr_db: float = 20.0, kernels: Any = "xnnpack", lsb: int = 1) -> Inside:
    same = upper == lower
    return look_inside(
        "lower",
        "upper",
        Activations(upper, "xnnpack" if not same else "reference"),
        Activations(lower, kernels),
        EXAMPLES,
        sqnr_db=sqnr_db,
        lsb=lsb,
    )


def edited(content: bytes, edit: Callable[[Any, Any], None]) -> bytes:
    model = flatbuffer.read(content)
    edit(model, model.subgraphs[0])
    return flatbuffer.serialize(model)


@pytest.fixture
def files(written: Path) -> tuple[bytes, bytes]:
    """The float model that formats are written from, and the int8 one."""
    return tuple((written / f"{name}.tflite").read_bytes() for name in ("prepared", "int8"))  # type: ignore[return-value]


def test_a_healthy_model_stays_within_tolerance(files: tuple[bytes, bytes]) -> None:
    found = looked(*files)
    assert (found.first, found.unmatched, found.tolerance) == (None, 0, "20 dB")
    assert [gap.short for gap in found.tensors] == ["x", "conv", "depthwise", "pointwise", "mean", "dense"]
    # Rounding alone: uniform within a step.
    assert found.tensors[0].rms_lsb == pytest.approx(12**-0.5, abs=0.08)
    assert all(gap.added >= 0 for gap in found.tensors)


@pytest.mark.parametrize("culprit", ["conv", "pointwise"])
def test_the_layer_with_broken_weights_is_named(files: tuple[bytes, bytes], culprit: str) -> None:
    def break_weights(model: Any, graph: Any) -> None:
        (tensor,) = [t for t in graph.tensors if flatbuffer.tensor_name(t) == f"{culprit}/weights"]
        stored = np.array(flatbuffer.tensor_data(model, tensor))
        model.buffers[tensor.buffer].data = np.roll(stored, 1, axis=0).reshape(-1).view(np.uint8)

    found = looked(files[0], edited(files[1], break_weights))
    assert found.first is not None
    assert found.first.tensor == culprit
    assert found.steepest is not None
    assert found.steepest.tensor == culprit
    assert found.first.sqnr_db < 20


def test_kernels_are_compared_in_steps(files: tuple[bytes, bytes]) -> None:
    found = looked(files[1], files[1], lsb=0)
    assert found.tolerance == "0 LSB"
    assert all(gap.max_lsb is not None for gap in found.tensors)
    assert found.tensors[0].max_lsb == 0
    beyond = [gap for gap in found.tensors if gap.max_lsb]
    assert found.first == (beyond[0] if beyond else None)


def test_the_same_kernels_differ_nowhere(files: tuple[bytes, bytes]) -> None:
    found = looked(files[1], files[1], kernels="reference", lsb=0)
    assert found.first is None
    assert {gap.max_lsb for gap in found.tensors} == {0}
    assert found.steepest is None


def test_files_of_other_names_are_matched_by_order(files: tuple[bytes, bytes]) -> None:
    def rename(_: Any, graph: Any) -> None:
        for place, tensor in enumerate(graph.tensors):
            tensor.name = f"t{place}".encode()

    found = looked(files[0], edited(files[1], rename))
    assert found.unmatched == 0
    assert [gap.operator for gap in found.tensors[1:]] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
    ]
    assert [gap.sqnr_db for gap in found.tensors] == [gap.sqnr_db for gap in looked(*files).tensors]


def test_one_renamed_activation_is_found_between_its_neighbours(files: tuple[bytes, bytes]) -> None:
    def rename(_: Any, graph: Any) -> None:
        (tensor,) = [t for t in graph.tensors if flatbuffer.tensor_name(t) == "depthwise"]
        tensor.name = b"another"

    found = looked(files[0], edited(files[1], rename))
    assert found.unmatched == 0
    assert [gap.sqnr_db for gap in found.tensors] == [gap.sqnr_db for gap in looked(*files).tensors]


def test_a_name_of_another_shape_is_no_match() -> None:
    narrow, wide = (Activations(networks.stack(units=units), "xnnpack").listed for units in (4, 5))
    assert [wide[lower].name for _, lower in matched(narrow, wide)] == ["x", "conv", "depthwise", "pointwise", "mean"]
    assert len(wide) == 6


def test_json(files: tuple[bytes, bytes]) -> None:
    content = json.loads(json.dumps(looked(files[1], files[1], kernels="reference").to_json(), allow_nan=False))
    assert content["tensors"][1]["sqnr_db"] is None
    assert content["first"] is None
