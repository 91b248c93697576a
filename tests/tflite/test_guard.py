"""A model that ends the process which runs it ends another one, and the operator that did it is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tflite import guard
from pipeline.tflite.culprit import Culprit, find_culprit
from pipeline.tflite.dry_run import OUT_OF_TIME, Crash, Outcome, dry_run
from pipeline.tflite.dry_run_process import READY
from pipeline.tflite.plausible_inputs import KINDS, plausible
from pipeline.tflite.plausible_run import plausible_run
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.tiny_models import Graph, with_subgraphs


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


def written() -> bytes:
    """An ABS that writes to a constant, which lies in the file."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4], data=np.zeros((1, 4)))
    graph.operator("ABS", [x], [y])
    return graph.build([x], [y])


def endless() -> bytes:
    """x + x for as long as 1 is 1."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    graph.operator("WHILE", [x], [y], "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    condition, body = Graph(), Graph()
    values, one = condition.tensor("values", [1, 4]), condition.tensor("one", [], data=np.array(1))
    more = condition.tensor("more", [], "bool")
    condition.operator("EQUAL", [one, one], [more], "EqualOptions")
    values, twice = body.tensor("values", [1, 4]), body.tensor("twice", [1, 4])
    body.operator("ADD", [values, values], [twice], "AddOptions")
    return with_subgraphs(graph.build([x], [y]), condition.build([values], [more]), body.build([values], [twice]))


def huge() -> bytes:
    """Two activations of 1 GB."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 1 << 28]), graph.tensor("y", [1, 1 << 28])
    graph.operator("ABS", [x], [y])
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


@pytest.mark.parametrize("as_file", [True, False])
def test_what_writes_to_its_own_constants_is_refused(as_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "written.tflite"
    path.write_bytes(written())
    with pytest.raises(InputError, match=r"kills the process .*SIG(SEGV|BUS).*operator 0 ABS \('y'\)"):
        Runner(path if as_file else written(), xnnpack=False)


def test_a_model_that_comes_to_no_end_is_refused_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tflite.dry_run._SECONDS", 1.0)
    with pytest.raises(InputError, match=r"does not come to an end for an input of zeros.*A loop in it never ends"):
        Runner(endless())
    monkeypatch.setattr("pipeline.tflite.dry_run._process", None)
    with pytest.raises(InputError, match="does not come to an end"):
        Runner(endless(), xnnpack=False, batch=1)


def test_a_model_that_has_much_to_multiply_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        seconds: tuple[float, ...] = ()

        def run(self, _: object, job: dict[str, float]) -> Outcome:
            self.seconds = (*self.seconds, job["cpu_seconds"])
            return Outcome(Crash(OUT_OF_TIME, READY, "") if len(self.seconds) == 1 else None)

    slow = Slow()
    monkeypatch.setattr("pipeline.tflite.dry_run._process", slow)
    found = dry_run(tiny_models.linear(np.zeros((1000, 1000))), batch=1000)
    assert found is not None
    assert found.crash is None
    assert slow.seconds == (10, 20)  # 10⁹ multiplications at 10⁸ a second


def test_bounds_stay_within_what_a_process_was_given() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (5, 7)); "
        "from pipeline.tflite.dry_run_process import _bound; _bound({'cpu_seconds': 100, 'memory': 1}); "
        "print(*resource.getrlimit(resource.RLIMIT_CPU))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "5 7\n"


def test_a_model_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(InputError, match=r"(cannot be made ready: .*|takes) more than 1\.6 GB"):
        Runner(huge(), xnnpack=False)


def test_what_goes_wrong_with_a_model_that_litert_refuses_is_its_damage() -> None:
    graph = Graph()
    x, y = (graph.tensor(name, [1, 4]) for name in ("x", "y"))
    graph.operator("ABS", [x], [])
    content, told = graph.build([x], [y]), r"^It is damaged: LiteRT does not take it either \(.*NumOutputs"
    with pytest.raises(InputError, match=told), guard.damage_told(content, "It"):
        raise IndexError


def test_what_goes_wrong_with_a_model_that_runs_is_a_mistake_of_this_program() -> None:
    with pytest.raises(IndexError), guard.damage_told(tiny_models.linear(np.eye(3)), "It"):
        raise IndexError


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
