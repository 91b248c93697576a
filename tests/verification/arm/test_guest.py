"""What runs inside the emulated machine, run here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.verification.arm import guest


def test_an_example_does_not_see_what_an_lstm_kept_of_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.models.backend import tf_keras

    model = tf_keras.Sequential([tf_keras.Input((4, 3)), tf_keras.layers.LSTM(2)])
    (tmp_path / "model.tflite").write_bytes(import_float(model).content)
    example = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
    (tmp_path / "inputs").write_bytes(example.tobytes() * 3)
    job: dict[str, Any] = {"shapes": [[1, 4, 3]], "examples": 3, "count": False}
    job |= {key: str(tmp_path / name) for key, name in (("inputs", "inputs"), ("outputs", "outputs"))}
    guest.run(job | {"model": str(tmp_path / "model.tflite")})
    done = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-1]
    assert done["event"] == "done"
    answers = np.fromfile(tmp_path / "outputs", np.float32).reshape(3, 2)
    np.testing.assert_array_equal(answers, answers[:1].repeat(3, 0))
    np.testing.assert_allclose(answers[:1], model(example).numpy(), atol=1e-6)
