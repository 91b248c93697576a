"""LiteRT's profiler, read through its C API."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarking.profile import litert, profiler_self_test
from pipeline.benchmarking.profile.litert import Event, Inference, Library
from pipeline.benchmarking.profile.profiler import _faster_half, profile
from pipeline.errors import InputError, PipelineError
from tests import tiny_models


def saved(content: bytes, folder: Path, name: str = "model.tflite") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_known_model_is_profiled_as_known(tmp_path: Path) -> None:
    (found,) = profile([saved(profiler_self_test.model(), tmp_path)], 2)
    assert [timing.tag for timing in found.timings if not timing.delegated] == ["L2_NORMALIZATION"]
    assert found.partitions == ((0,),)


def test_models_are_profiled_side_by_side(tmp_path: Path) -> None:
    small = saved(tiny_models.linear(np.ones((4, 4))), tmp_path, "small.tflite")
    large = saved(tiny_models.linear(np.ones((2000, 2000))), tmp_path, "large.tflite")
    first, second = profile([small, large], 5)
    for found in (first, second):
        assert [t.tag for t in found.timings if "Fully Connected" in t.tag] == ["Fully Connected (NC, F32) GEMM"]
        assert found.operators_us == sum(timing.us for timing in found.timings)


def test_several_inputs_and_no_signature(tmp_path: Path) -> None:
    (found,) = profile([saved(tiny_models.sum_of_two(64, "int8"), tmp_path)], 2)
    assert [timing.tag for timing in found.timings] == ["Add (ND)"]


def test_a_model_that_is_not_delegated(tmp_path: Path) -> None:
    (found,) = profile([saved(tiny_models.sum_of_two(64, "int16"), tmp_path)], 2)
    assert [(timing.tag, timing.delegated, timing.place) for timing in found.timings] == [("ADD", False, 0)]
    assert found.partitions == ()


def test_the_faster_half_is_not_disturbed() -> None:
    assert _faster_half(np.array([[10.0, 1], [12, 3], [900, 2], [11, 800]])) == [10.5, 1.5]
    assert _faster_half(np.array([[7.0]])) == [7]


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.tflite"):
        profile([tmp_path / "none.tflite"])
    with pytest.raises(InputError, match="not a TFLite model"):
        profile([saved(b"no model at all", tmp_path)])


def test_a_model_that_kills_the_runtime(tmp_path: Path) -> None:
    path = saved(tiny_models.sum_of_two(4, "int8", scale=None), tmp_path, "deadly.tflite")
    with pytest.raises(InputError, match=r"deadly\.tflite kills the process"):
        profile([path], 1)


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1 run"):
        profile([saved(profiler_self_test.model(), tmp_path)], 0)


def test_a_library_without_the_symbols_is_named() -> None:
    libc = next((path for path in Path("/lib").rglob("libc.so.6")), None)
    if libc is None:
        pytest.skip("no libc.so.6 to take for LiteRT's library")
    with pytest.raises(PipelineError, match=r"has no LiteRtCreateEnvironment, .* Install the version"):
        Library(libc)


def test_a_library_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.so cannot be loaded"):
        Library(tmp_path / "none.so")


WRONG = {
    "no events": (),
    "another tag": (Event("Fully Connected", True, 0, 5), Event("SOFTMAX", False, 1, 1)),
    "another place": (Event("Fully Connected", True, 0, 5), Event("L2_NORMALIZATION", False, 7, 1)),
    "nonsense times": (Event("Fully Connected", True, 0, 2**40), Event("L2_NORMALIZATION", False, 1, 1)),
    "no delegate": (Event("L2_NORMALIZATION", False, 1, 1),),
}


@pytest.mark.parametrize("events", WRONG.values(), ids=WRONG)
def test_another_layout_is_not_believed(events: tuple[Event, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, *_: object) -> None: ...

        def profile(self) -> Inference:
            return Inference(events, 10)

    monkeypatch.setattr(profiler_self_test, "Profiled", Other)
    with pytest.raises(PipelineError, match="no times can be read"):
        profiler_self_test.check(object())  # type: ignore[arg-type]


def test_a_shorter_event_is_caught_by_the_known_model() -> None:
    """The structure with a field less, as an older LiteRT might have it: in a process of its own, it may crash."""
    code = (
        "import ctypes\n"
        "from pipeline.benchmarking.profile import known, litert\n"
        "class Event(ctypes.Structure):\n"
        "    _fields_ = [f for f in litert._Event._fields_ if f[0] != 'begin_memory']\n"
        "litert._Event = Event\n"
        "known.check(litert.Library())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_the_events_size_is_that_of_litert_2() -> None:
    assert ctypes.sizeof(litert._Event) == 104


def test_dynamic_range_runs_outside_of_the_delegate(variant: Callable[[str], Path]) -> None:
    (found,) = profile([variant("dynamic")], 2)
    assert any(not timing.delegated for timing in found.timings)
