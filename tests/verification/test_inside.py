"""Inside a rung: which activation diverges first, and which operator is to blame."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tensors import Batch
from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import INPUT, Activations
from pipeline.tflite.match import matched
from pipeline.verification.inside import Inside, look_inside, single_examples
from tests import tiny_models
from tests.quantization import networks

EXAMPLES = [{"x": example} for example in networks.examples(6)]


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


def test_several_inputs_stand_first_and_match_by_name(tmp_path: Path) -> None:
    """One of the two is broken in the lower file: its scale is another one than the float file's values need."""
    upper = tiny_models.sum_of_two(4)
    lower = tiny_models.sum_of_two(4, "int8", scale=0.01)
    examples = [{"first": np.full(4, 1.0), "second": np.full(4, 5.0)}]
    found = look_inside(
        "int8", "float", Activations(upper, "xnnpack"), Activations(lower, "builtin"), examples, sqnr_db=20, lsb=1
    )
    assert [(gap.tensor, gap.index) for gap in found.tensors] == [("first", -1), ("second", -1), ("sum", 0)]
    assert found.unmatched == 0
    assert found.first is not None
    assert found.first.tensor == "second"  # 1.27 is the most that it can store


def test_inputs_of_other_names_match_in_order() -> None:
    def rename(_: Any, graph: Any) -> None:
        for index, name in zip(graph.inputs, (b"serving_default_b:0", b"serving_default_a:0"), strict=True):
            graph.tensors[int(index)].name = name

    plain = Activations(tiny_models.sum_of_two(4), "xnnpack").listed
    other = Activations(edited(tiny_models.sum_of_two(4), rename), "xnnpack").listed
    assert matched(plain, other) == [(0, 0), (1, 1), (2, 2)]
    exported = [activation for activation in other if activation.operator == INPUT]
    named = [type(own)(name, INPUT, -1, own.shape, ()) for name, own in zip(("a", "b"), exported, strict=True)]
    assert matched(named, exported) == [(1, 0), (0, 1)]


def test_integers_without_a_scale_stand_for_themselves() -> None:
    content = tiny_models.sum_of_two(4, "int32", scale=None)
    examples = [{"first": np.array([1, 2, 3, 2**30]), "second": np.array([0, 0, 0, 1])}]
    found = look_inside(
        "b", "a", Activations(content, "builtin"), Activations(content, "reference"), examples, sqnr_db=20, lsb=1
    )
    assert [gap.tensor for gap in found.tensors] == ["first", "second"]
    assert {gap.sqnr_db for gap in found.tensors} == {np.inf}
    with pytest.raises(InputError, match="takes int32 as it is"):
        Activations(content, "builtin")({"first": np.full(4, 0.5), "second": np.zeros(4)})


def test_open_dimensions_take_the_examples_sizes() -> None:
    run = Activations(open_sides(), "xnnpack")
    for side in (3, 5, 4):
        x = np.random.default_rng(side).normal(size=(side, side, 2)).astype(np.float32)
        given, doubled = run({"x": x})
        assert given.shape == (1, side, side, 2)
        np.testing.assert_allclose(doubled[0], x + x)


def test_a_model_without_a_batch_is_looked_into() -> None:
    graph = tiny_models.Graph()
    x = graph.tensor("x", [4])
    y = graph.tensor("y", [4])
    graph.operator("ADD", [x, x], [y], "AddOptions")
    given, doubled = Activations(graph.build([x], [y]), "xnnpack")({"x": np.arange(4)})
    np.testing.assert_array_equal(doubled, 2 * given)
    assert given.shape == (4,)


def test_a_batch_that_the_graph_fixes_is_filled_and_counts_once() -> None:
    graph = tiny_models.Graph()
    x = graph.tensor("x", [2, 3])
    shape = graph.tensor("shape", [2], "int32", data=np.array([2, 3]))
    y = graph.tensor("y", [2, 3])
    graph.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=[2, 3])
    found = Activations(graph.build([x], [y]), "builtin")({"x": np.arange(3)})
    assert [array.tolist() for array in found] == [[[0, 1, 2]], [[0, 1, 2]]]


def test_an_example_that_does_not_fit_is_refused() -> None:
    run = Activations(tiny_models.sum_of_two(4), "xnnpack")
    with pytest.raises(InputError, match=r"has no input 'frist'"):
        run({"frist": np.zeros(4), "second": np.zeros(4)})
    with pytest.raises(InputError, match=r"takes \[batch, 4\] as 'second' and was given \[1, 5\]"):
        run({"first": np.zeros(4), "second": np.zeros(5)})


def test_single_examples_of_a_stream() -> None:
    batches = [Batch({"a": np.arange(4), "b": 10 * np.arange(4)}, {})[part] for part in (slice(3), slice(3, 4))]
    found = [{name: int(value) for name, value in example.items()} for example in single_examples(batches, 9)]
    assert found == [{"a": n, "b": 10 * n} for n in range(4)]
    assert len(list(single_examples(batches, 2))) == 2


def open_sides() -> bytes:
    """x [1, ?, ?, 2] → x + x."""
    graph = tiny_models.Graph()
    x, y = (graph.tensor(name, [1, 1, 1, 2]) for name in "xy")
    graph.operator("ADD", [x, x], [y], "AddOptions")

    def leave_open(_: Any, graph: Any) -> None:
        for tensor in graph.tensors:
            tensor.shapeSignature = [1, -1, -1, 2]

    return edited(graph.build([x], [y]), leave_open)


def test_json(files: tuple[bytes, bytes]) -> None:
    content = json.loads(json.dumps(looked(files[1], files[1], kernels="reference").to_json(), allow_nan=False))
    assert content["tensors"][1]["sqnr_db"] is None
    assert content["first"] is None
