"""The self-check's model: its answer follows from integers, and the host's kernels give it."""

from __future__ import annotations

import numpy as np

from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.emulator_self_test import known_answer


def test_the_hosts_kernels_give_the_known_answer() -> None:
    known, runner = known_answer(), Runner(known_answer().model)
    [y] = runner.run(known.x)
    assert runner.delegated == 1
    assert y.tobytes() == known.y.tobytes()


def test_it_is_the_same_every_time() -> None:
    assert known_answer().model == known_answer().model


def test_it_is_what_exported_models_are() -> None:
    assert inspect(known_answer().model).verdict.text == "full int8, per-channel"


def test_a_wrong_kernel_would_show() -> None:
    """The answer fills the range, and a change of one input shows in it."""
    known = known_answer()
    assert len(np.unique(known.y)) > 20
    assert np.abs(known.y.astype(int)).max() < 127
    x = known.x.copy()
    x[0, 3, 3, 3] ^= 1
    [y] = Runner(known.model).run(x)
    assert y.tobytes() != known.y.tobytes()
