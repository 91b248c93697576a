"""Real ARM kernels against the host's XNNPACK, byte by byte, on int8 operators of 39 kinds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.machine import Answer, Job, emulate
from pipeline.verification.arm.profiles import PROFILES
from pipeline.verification.arm.sysroot import Sysroot
from tests.verification.arm import zoo

ONE_STEP_APART = {"softmax"}
"""XNNPACK does not take it, and TFLite's own kernel computes in float inside: single steps differ, on any ARM CPU."""


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    return {name: zoo.int8_block(name) for name in zoo.BLOCKS}


@pytest.fixture(scope="module")
def hosts(models: dict[str, bytes]) -> dict[str, list[bytes]]:
    runners = {name: Runner(model) for name, model in models.items()}
    return {
        name: [runner.run(example[None])[0].tobytes() for example in zoo.inputs()] for name, runner in runners.items()
    }


def test_the_zoo_holds_at_least_25_kinds_of_operators_all_in_int8(models: dict[str, bytes]) -> None:
    """All but DIV, whose int8 kernel ends where the divisor is 0."""
    kinds = set()
    for name, model in models.items():
        found = inspect(model)
        assert found.verdict.kind == ("mixed" if name == "div" else "int8"), name
        kinds |= {op.name for op in found.operators if op.compute == "int8"} & {zoo.BLOCKS[name][0]}
    assert len(kinds) >= 25


@pytest.mark.parametrize("name", list(PROFILES))
def test_arm_answers_as_the_host_does(
    name: str, sysroot: Sysroot, models: dict[str, bytes], hosts: dict[str, list[bytes]]
) -> None:
    examples = [(example[None],) for example in zoo.inputs()]
    profile = PROFILES[name]
    jobs = [Job(model, examples, count=block in zoo.MATRIX, name=block) for block, model in models.items()]
    answers = dict(zip(models, emulate(sysroot, profile, jobs), strict=True))
    differing = {block: apart(answer, hosts[block]) for block, answer in answers.items()}
    assert {block for block, steps in differing.items() if steps} <= ONE_STEP_APART
    assert all(steps <= 1 for steps in differing.values())
    if sysroot.no_plugin is not None:
        pytest.skip(f"the bytes are equal; instructions were not counted: {sysroot.no_plugin}")
    for block in zoo.MATRIX:
        counts = answers[block].counts
        assert counts is not None
        kinds = {kind for kind, count in counts.by_kind.items() if count} - {"fmla"}
        assert kinds == set(profile.expected[:1]), block
        assert next(iter(counts.families)) == profile.family, block


def apart(answer: Answer, host: list[bytes]) -> int:
    """The largest difference in steps."""
    pairs = [
        (np.frombuffer(given[0], np.int8), np.frombuffer(expected, np.int8))
        for given, expected in zip(answer.outputs, host, strict=True)
    ]
    return max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs)
