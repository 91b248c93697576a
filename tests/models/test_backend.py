"""Whichever module comes first, TensorFlow is set up before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["pipeline.conversion.convert", "pipeline.training.qat.custom_configs"])
def test_a_resumed_run_says_nothing_of_tensorflows(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}, tensorflow; assert 'tf_keras' in tensorflow.keras.Model.__module__"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
