"""The ladder without Keras models, and the profile, need no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.workflow.run_folder import Run
from tests.test_light import after


@pytest.mark.parametrize(
    ("arguments", "key"),
    [(["verify"], "rungs"), (["verify", "--no-keras"], "rungs"), (["explain", "--runs", "2"], "operators")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_the_command_imports_no_tensorflow(run: Run, arguments: list[str], key: str) -> None:
    if "--no-keras" in arguments:
        run.path("float.keras").write_bytes(b"never opened")
    code = f"sys.argv[1:] = {[*arguments, '--json']!r}\nfrom pipeline.cli import main\nmain()"
    heavy, shown = after(code, Path(run.folder.parents[1]))
    assert heavy == set()
    assert key in json.loads(shown)
