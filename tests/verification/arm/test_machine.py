"""The emulated machine: it is checked before it is believed, and says which model it died of."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.emulator_self_test import known_answer
from pipeline.verification.arm.machine import GuestError, Job, emulate
from pipeline.verification.arm.profiles import PROFILES, Profile
from pipeline.verification.arm.sysroot import Sysroot
from tests import tiny_models
from tests.verification.arm import zoo


def with_cpu(name: str) -> Profile:
    """A profile that the table cannot express: i8mm on any CPU of QEMU's."""
    profile = copy.copy(PROFILES["i8mm"])
    object.__setattr__(profile, "cpu", SimpleNamespace(value=name))
    return profile


def test_an_emulator_that_computes_wrongly_is_an_error_and_no_verdict(sysroot: Sysroot) -> None:
    """QEMU 7.2's SME."""
    if "version 7.2" not in sysroot.qemu_version:
        pytest.skip(f"only QEMU 7.2 is known to be wrong, this is {sysroot.qemu_version}")
    with pytest.raises(PipelineError, match=r"The emulator computes wrongly: \d+ of 40 bytes.*CPU max") as caught:
        emulate(sysroot, with_cpu("max"), [])
    assert not isinstance(caught.value, GuestError)


def test_a_cpu_that_qemu_does_not_know_is_an_error(sysroot: Sysroot) -> None:
    with pytest.raises(GuestError, match=r"the emulated Python does not start: .*cortex-a999") as caught:
        emulate(sysroot, with_cpu("cortex-a999"), [])
    assert caught.value.job is None


def test_a_model_that_does_not_load_is_named_and_the_first_goes_before_it(sysroot: Sysroot) -> None:
    known = known_answer()
    jobs = [
        Job(known.model, [(known.x,)], name="a good model"),
        Job(b"no model", [(known.x,)], name="broken.tflite"),
    ]
    with pytest.raises(GuestError, match=r"broken\.tflite does not run: exit status 1; .*ValueError") as caught:
        emulate(sysroot, PROFILES["dotprod"], jobs)
    assert caught.value.job == 1


def test_a_model_that_aborts_the_runtime_is_named(sysroot: Sysroot) -> None:
    """int8 without a scale: LiteRT ends the process."""
    x = np.zeros((1, 4), np.int8)
    job = Job(tiny_models.sum_of_two(4, "int8", scale=None), [(x, x)], name="aborts.tflite")
    with pytest.raises(GuestError, match=r"aborts\.tflite does not run: killed by SIG"):
        emulate(sysroot, PROFILES["dotprod"], [job])


def test_several_inputs_types_and_examples_come_back_in_order(sysroot: Sysroot) -> None:
    model = tiny_models.sum_of_two(4)
    rng = np.random.default_rng(0)
    examples = [tuple(rng.normal(size=(1, 4)).astype(np.float32) for _ in range(2)) for _ in range(3)]
    answers = emulate(sysroot, PROFILES["armv8.0"], [Job(model, examples), Job(zoo.int8_block("pack"), pieces())])
    for (a, b), (given,) in zip(examples, answers[0].outputs, strict=True):
        np.testing.assert_array_equal(np.frombuffer(given, np.float32), (a + b)[0])
    host = Runner(zoo.int8_block("pack"))
    assert [outputs[0] for outputs in answers[1].outputs] == [host.run(*piece)[0].tobytes() for piece in pieces()]


def pieces() -> list[tuple[np.ndarray, ...]]:
    return [(example[None],) for example in zoo.inputs()]


def test_counts_repeat_exactly_whatever_the_callers_environment(
    counting: Sysroot, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zoo.int8_block("conv 3x3")
    jobs = [Job(model, pieces()), Job(model, pieces()[:1], count=True)]
    quiet, first = (answer.counts for answer in emulate(counting, PROFILES["dotprod"], jobs))
    for name in ("PYTHONPATH", "LD_PRELOAD", "PYTHONHOME", "QEMU_CPU"):
        monkeypatch.setenv(name, "/nowhere/libnothing.so")
    _, second = (answer.counts for answer in emulate(counting, PROFILES["dotprod"], jobs))
    assert quiet is None
    assert first is not None
    assert first == second
