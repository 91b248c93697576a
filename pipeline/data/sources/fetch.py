"""Run what needs TensorFlow to download data in a process of its own, to keep it out of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline.errors import PipelineError


def run_module(module: str, *arguments: str, what: str, instead: str) -> None:
    """Run `python -m module arguments…` to its end, quietly.

    Args:
        module: A module of this package.
        arguments: Its command line.
        what: What is fetched, for the message.
        instead: What to do where it cannot be fetched.

    Raises:
        PipelineError: it failed, with the last line it wrote to stderr.
    """
    package_root = str(Path(__file__).parents[3])
    search_path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": search_path}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise PipelineError(f"{what} could not be fetched: {reason.rstrip('.')}. {instead}")
