"""Activations between which values are only moved share one scale, and no QUANTIZE stands between them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.shared_ranges import WIDENED, shared
from pipeline.recipe import Keep
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.quantization.networks import Layers
from tests.tiny_models import Graph

SHAPE = [1, 4, 4, 4]
X = np.random.default_rng(0).normal(0, 1, (24, *SHAPE[1:])).astype(np.float32)


def sqnr(content: bytes, written: bytes, fed: np.ndarray = X) -> dict[str, float]:
    """Of each output, in dB."""
    [name] = (spec.name for spec in Runner(content).signature.inputs)
    expected, answered = (Runner(model)({name: fed}).real for model in (content, written))
    return {
        key: float(10 * np.log10((own**2).sum() / ((own - answered[key]) ** 2).sum())) for key, own in expected.items()
    }


def scales(written: bytes) -> dict[str, tuple[float, int]]:
    """Of the activations, by name."""
    model = flatbuffer.read(written)
    found = {}
    for operator in model.subgraphs[0].operators:
        for index in operator.outputs:
            tensor = model.subgraphs[0].tensors[int(index)]
            parameters = flatbuffer.quantization(tensor)
            assert parameters is not None
            found[flatbuffer.tensor_name(tensor)] = float(parameters.scales[0]), int(parameters.zero_points[0])
    return found


def moved() -> bytes:
    """x → TANH · 2 → RESHAPE → TRANSPOSE → SLICE → y, by a sigmoid."""
    graph = Graph()
    x, before, wide = (graph.tensor(name, SHAPE) for name in ("x", "before", "wide"))
    rows, turned, part = (
        graph.tensor(name, shape)
        for name, shape in (("rows", [1, 16, 4]), ("turned", [1, 4, 16]), ("part", [1, 2, 16]))
    )
    y = graph.tensor("y", [1, 2, 16])

    def ints(name: str, *values: int) -> int:
        return graph.tensor(name, [len(values)], "int32", data=np.array(values))

    graph.operator("TANH", [x], [before])
    graph.operator("MUL", [before, graph.tensor("two", [], data=np.float32(2))], [wide], "MulOptions")
    graph.operator("RESHAPE", [wide, ints("shape", 1, 16, 4)], [rows], "ReshapeOptions", newShape=[1, 16, 4])
    graph.operator("TRANSPOSE", [rows, ints("order", 0, 2, 1)], [turned], "TransposeOptions")
    graph.operator("SLICE", [turned, ints("begin", 0, 1, 0), ints("size", 1, 2, 16)], [part], "SliceOptions")
    graph.operator("LOGISTIC", [part], [y])
    return graph.build([x], [y])


def test_the_range_of_a_group_is_the_union() -> None:
    content = moved()
    own = {"x": (-3.0, 3.0), "wide": (-1.0, 1.9), "rows": (-2.0, 1.0), "turned": (-1.0, 1.0), "part": (-0.5, 2.0)}
    found = shared(flatbuffer.read(content), Ranges(own))
    assert {found[name] for name in ("wide", "rows", "turned", "part")} == {(-2.0, 2.0)}
    assert found["x"] == (-3.0, 3.0)


def test_a_range_that_holds_the_others_within_half_a_step_stays_as_it_is() -> None:
    """QAT's fake-quant shifts ranges by as much, and int8 is to have its steps."""
    step = 2.0 / 255
    own = {"wide": (-1.0, 1.0), "rows": (-1.0 + 0.4 * step, 1.0 + 0.4 * step)}
    found = shared(flatbuffer.read(moved()), Ranges(own))
    assert found["wide"] == found["rows"] == own["rows"]


def test_operators_that_move_values_have_one_scale_whatever_was_measured() -> None:
    content = moved()
    written = write(content, "int8", Ranges({**calibrate(content, [{"x": X}]).pairs, "rows": (-1.7, 1.2)}))
    require(found := inspect(written), "int8")
    assert "QUANTIZE" not in found.operator_counts
    own = scales(written)
    assert len({own[name] for name in ("wide", "rows", "turned", "part")}) == 1


def test_an_operator_kept_in_float_shares_nothing() -> None:
    content = moved()
    ranges = shared(flatbuffer.read(content), Ranges({"turned": (-4.0, 1.0), "part": (-1.0, 1.0)}), kept=["part"])
    assert ranges["part"] == (-1.0, 1.0)
    written = write(content, "int8", calibrate(content, [{"x": X}]), keep=[Keep(type="SLICE")])
    assert [op.name for op in inspect(written).float_operators] == ["SLICE"]


def joined(width: float, *, also_computed_with: bool = True) -> bytes:
    """x → `narrow` = TANH · 1, and `wide` = narrow · width + something → CONCATENATION → MUL, an output.

    `also_computed_with`: the square of `narrow` is another output.
    """
    graph = Graph()
    x, before, narrow, wide = (graph.tensor(name, SHAPE) for name in ("x", "before", "narrow", "wide"))
    both, end, square = graph.tensor("both", [1, 4, 4, 8]), graph.tensor("end", [1, 4, 4, 8]), graph.tensor("sq", SHAPE)

    def number(name: str, value: float) -> int:
        return graph.tensor(name, [], data=np.float32(value))

    graph.operator("TANH", [x], [before])
    graph.operator("MUL", [before, number("near_one", 1.01)], [narrow], "MulOptions")
    graph.operator("MUL", [before, number("width", width)], [wide], "MulOptions")
    graph.operator("CONCATENATION", [narrow, wide], [both], "ConcatenationOptions", axis=3)
    graph.operator("MUL", [both, number("half", 0.5)], [end], "MulOptions")
    graph.operator("MUL", [narrow, narrow], [square], "MulOptions")
    return graph.build([x], [end, square] if also_computed_with else [end])


@pytest.mark.parametrize("width", [1.1, 1.4])
def test_branches_about_as_wide_share_their_range(width: float) -> None:
    content = joined(width)
    written = write(content, "int8", calibrate(content, [{"x": X}]))
    assert "QUANTIZE" not in inspect(written).operator_counts
    assert min(sqnr(content, written).values()) > 35


def test_a_branch_much_narrower_keeps_its_steps_for_who_computes_with_it() -> None:
    """Shared, its square would have 8 dB."""
    content = joined(50.0)
    assert WIDENED < 50
    written = write(content, "int8", calibrate(content, [{"x": X}]))
    assert inspect(written).operator_counts["QUANTIZE"] == 1
    assert min(sqnr(content, written).values()) > 35


def test_a_branch_that_is_only_concatenated_is_written_in_the_common_scale() -> None:
    content = joined(50.0, also_computed_with=False)
    graph = flatbuffer.read(content).subgraphs[0]
    assert len(graph.outputs) == 1
    from pipeline.tflite.plain_operators import plain_operators

    content = plain_operators(content)  # without the square, which nothing reads
    written = write(content, "int8", calibrate(content, [{"x": X}]))
    assert "QUANTIZE" not in inspect(written).operator_counts
    assert sqnr(content, written)["end"] > 35


def test_a_chain_of_slightly_wider_ones_does_not_widen_the_first_without_end() -> None:
    graph = Graph()
    inputs = [graph.tensor(f"x_{n}", SHAPE) for n in range(6)]
    sums, largest = {"x_0": (-1.0, 1.0)}, inputs[0]
    for n, x in enumerate(inputs[1:], 1):
        above = graph.tensor(f"largest_{n}", SHAPE)
        graph.operator("MAXIMUM", [largest, x], [above], "MaximumMinimumOptions")
        sums |= {f"x_{n}": (-(1.3**n), 1.3**n), f"largest_{n}": (-(1.3**n), 1.3**n)}
        largest = above
    content = graph.build(inputs, [largest])
    found = shared(flatbuffer.read(content), Ranges(sums))
    for name in ("x_0", "x_3"):
        assert found[name][1] <= WIDENED * sums[name][1] + 1e-9


def test_what_a_kernel_demands_stays_and_others_join_it() -> None:
    """Sigmoids end in steps of 1/256 and tanhs in 1/128: of sigmoids among themselves none is rescaled."""
    graph = Graph()
    x, a, b = (graph.tensor(name, SHAPE) for name in ("x", "a", "b"))
    both = graph.tensor("both", [1, 4, 4, 8])
    graph.operator("LOGISTIC", [x], [a])
    graph.operator("LOGISTIC", [a], [b])
    graph.operator("CONCATENATION", [a, b], [both], "ConcatenationOptions", axis=3)
    content = graph.build([x], [both])
    written = write(content, "int8", calibrate(content, [{"x": X}]))
    assert "QUANTIZE" not in inspect(written).operator_counts
    assert set(scales(written).values()) == {(1 / 256, -128)}


def test_rows_of_a_table_need_no_quantize_behind_them() -> None:
    graph = Layers()
    tokens = graph.tensor("tokens", [1, 5], "int32", open_batch=True)
    rows, flat = graph.tensor("rows", [1, 5, 4], open_batch=True), graph.tensor("flat", [1, 20], open_batch=True)
    shape = graph.tensor("shape", [2], "int32", data=np.array([-1, 20]))
    graph.operator("GATHER", [graph.weights("table", 30, 4), tokens], [rows], "GatherOptions", axis=0)
    graph.operator("RESHAPE", [rows, shape], [flat], "ReshapeOptions", newShape=[-1, 20])
    content = graph.build([tokens], [graph.dense("y", flat, 20, 3)])
    fed = np.random.default_rng(1).integers(0, 30, (40, 5)).astype(np.int32)
    written = write(content, "int8", calibrate(content, [{"tokens": fed}]))
    require(found := inspect(written), "int8")
    assert list(found.operator_counts) == ["GATHER", "RESHAPE", "FULLY_CONNECTED"]
    assert sqnr(content, written, fed)["y"] > 30
