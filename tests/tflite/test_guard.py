"""A model that ends the process which runs it ends another one, and the operator that did it is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer, guard
from pipeline.tflite.culprit import Culprit, find_culprit
from pipeline.tflite.dry_run import LIMIT, _limit, dry_run
from pipeline.tflite.dry_run_process import READY
from pipeline.tflite.plausible_inputs import KINDS, plausible
from pipeline.tflite.plausible_run import plausible_run
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.tiny_models import Graph


def deadly() -> bytes:
    """Two reshapes, and an ADD of int8 without a scale, at which LiteRT 2.3 aborts."""
    graph = Graph()
    x = graph.tensor("x", [1, 4], "int8", scale=0.5)
    shape = graph.tensor("shape", [2], "int32", data=np.array([2, 2]))
    first, second = (graph.tensor(name, [2, 2], "int8", scale=0.5) for name in ("first", "second"))
    y = graph.tensor("y", [2, 2], "int8")
    graph.operator("RESHAPE", [x, shape], [first], "ReshapeOptions", newShape=[2, 2])
    graph.operator("RESHAPE", [first, shape], [second], "ReshapeOptions", newShape=[2, 2])
    graph.operator("ADD", [first, second], [y], "AddOptions")
    return graph.build([x], [y])


def divided() -> bytes:
    """x / x in int8: LiteRT gives up where an element stands for zero."""
    graph = Graph()
    x, y = (graph.tensor(name, [1, 4], "int8", scale=0.5) for name in ("x", "y"))
    graph.operator("DIV", [x, x], [y], "DivOptions")
    return graph.build([x], [y])


def test_the_operator_is_named_and_this_process_lives(tmp_path: Path) -> None:
    path = tmp_path / "deadly.tflite"
    path.write_bytes(deadly())
    with pytest.raises(InputError, match=r"deadly\.tflite kills the process .*SIGABRT.*operator 2 ADD \('y'\)"):
        Runner(path)


def test_after_a_crash_the_next_model_runs() -> None:
    crashed = dry_run(deadly())
    assert crashed is not None
    assert crashed.crash is not None
    assert (crashed.crash.ended, crashed.crash.step) == ("SIGABRT", READY)
    well = dry_run(tiny_models.linear(np.eye(3)))
    assert well is not None
    assert (well.crash, well.failed, well.tried) == (None, (), KINDS)


def test_a_model_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiny_models.linear(np.eye(5))
    first = dry_run(content)
    monkeypatch.setattr("subprocess.Popen", None)
    monkeypatch.setattr("pipeline.tflite.dry_run._process", None)
    assert dry_run(bytes(content)) is first


def test_where_no_process_can_be_started_models_run_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self, *_: object) -> None:
            raise OSError

    monkeypatch.setattr("pipeline.tflite.dry_run._process", Broken())
    x = np.ones((1, 6), np.float32)
    [y] = Runner(tiny_models.linear(2 * np.eye(6))).run(x)
    np.testing.assert_array_equal(y, 2 * x)


def test_a_process_whose_end_is_reported_runs_models_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_off", True)
    monkeypatch.setattr("pipeline.tflite.dry_run._process", None)
    guard.check(tiny_models.linear(np.eye(7)), "the model")


def test_a_model_that_is_refused_is_told_by_whoever_loads_it() -> None:
    outcome = dry_run(b"\0\0\0\0TFL3 and nothing more")
    assert outcome is not None
    assert outcome.crash is None
    assert outcome.refused


def test_what_gives_up_on_zeros_is_no_model_to_deliver() -> None:
    found = plausible_run(divided())
    assert found is not None
    assert list(found.bad) == ["zeros"]
    assert found.culprit == Culprit(0, "DIV", "y")
    assert "does not run on an input that holds zeros throughout: operator 0 DIV ('y') gives up" in found.sentence
    assert all(why.count("Node number") == 1 for why in found.bad.values())


def test_a_model_that_runs_has_no_culprit() -> None:
    content = tiny_models.linear(np.eye(3))
    assert find_culprit(content, "zeros") is None
    found = plausible_run(content)
    assert found is not None
    assert (dict(found.bad), found.culprit) == ({}, None)


def test_nothing_is_said_of_open_sizes_that_nothing_tells() -> None:
    graph = Graph()
    x, y = (graph.tensor(name, [1, 1, 4], open_batch=True, open_axes=(1,)) for name in ("x", "y"))
    graph.operator("ABS", [x], [y])
    assert plausible_run(graph.build([x], [y])) is None


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("float32", -1, 1), ("int32", 0, 1)]
)
def test_plausible_inputs_hold_a_types_values(dtype: str, low: float, high: float) -> None:
    zeros, noise, lowest, highest = (plausible(kind, (100,), dtype, zero_point=1) for kind in KINDS)
    assert set(zeros) == {1}
    assert (set(lowest), set(highest)) == ({low}, {high})
    assert low <= noise.min() < noise.max() <= high


def endless() -> bytes:
    """A WHILE whose condition is its float state below a bound, and whose body leaves the state as it is."""
    model = schema.ModelT()
    model.version, model.description = 3, b""
    model.buffers = [schema.BufferT(), schema.BufferT(data=np.frombuffer(np.float32(1e9).tobytes(), np.uint8))]
    model.operatorCodes = [code(kind) for kind in ("WHILE", "LESS", "ABS")]

    def graph(operator: schema.OperatorT, ends: list[int], kinds: list[int]) -> schema.SubGraphT:
        made = schema.SubGraphT()
        made.tensors = []
        for place, kind in enumerate(kinds):
            tensor = schema.TensorT()
            tensor.name, tensor.shape, tensor.type = f"t{place}".encode(), [1], kind
            tensor.buffer = 1 if len(kinds) == 3 and place == 1 else 0
            made.tensors.append(tensor)
        made.inputs, made.outputs, made.operators = [0], ends, [operator]
        return made

    loop, less, stays = (schema.OperatorT() for _ in range(3))
    for place, operator in enumerate((loop, less, stays)):
        operator.opcodeIndex = place
    loop.inputs, loop.outputs = [0], [1]
    loop.builtinOptionsType, loop.builtinOptions = schema.BuiltinOptions.WhileOptions, schema.WhileOptionsT()
    loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex = 1, 2
    less.inputs, less.outputs = [0, 1], [2]
    stays.inputs, stays.outputs = [0], [1]
    real, truth = schema.TensorType.FLOAT32, schema.TensorType.BOOL
    model.subgraphs = [graph(loop, [1], [real, real]), graph(less, [2], [real, real, truth])]
    model.subgraphs.append(graph(stays, [1], [real, real]))
    return flatbuffer.serialize(model)


def code(kind: str) -> schema.OperatorCodeT:
    made = schema.OperatorCodeT()
    made.builtinCode = getattr(schema.BuiltinOperator, kind)
    made.deprecatedBuiltinCode, made.version = min(made.builtinCode, 127), 1
    return made


def test_a_model_that_comes_to_no_end_is_stopped_and_its_loop_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tflite.dry_run.LIMIT", 3.0)
    monkeypatch.setattr(guard, "CULPRIT_LIMIT", 3.0)
    with pytest.raises(InputError, match=r"comes to no end on an input of zeros, in operator 0 WHILE.*within 3 s"):
        Runner(endless())
    well = dry_run(tiny_models.linear(np.eye(9)))
    assert well is not None
    assert well.crash is None


def test_a_model_of_much_work_gets_more_time() -> None:
    assert _limit(tiny_models.linear(np.eye(4)), None, None) == LIMIT
    assert _limit(tiny_models.linear(np.eye(4)), 10**9, None) > LIMIT
