"""Every command on seven kinds of models that are no image classifiers: what came out, as a table for docs/tasks.md.

    python benchmarks/every_task/run.py --write docs/tasks.md

Each model is trained for seconds on seeded data (`models_and_data.py`), once with QAT and once without; then every
command is called as a user would. A cell is `ok`, or the exit status; the errors are printed below the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEGIN, END = "<!-- every_task: begin -->", "<!-- every_task: end -->"


@dataclass(frozen=True)
class Kind:
    """A model, what it is for, and how long it is trained."""

    name: str
    title: str
    task: Any = "auto"
    epochs: int = 8
    data: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.003


KINDS = (
    Kind("two_inputs", "two inputs"),
    Kind("two_outputs", "two outputs", {"outputs": {"digit": "classification", "ink": "regression"}}),
    Kind("autoencoder", "autoencoder, Dense only, 640 → 640", "reconstruction", 15, learning_rate=0.001),
    Kind("keyword", "1-D convolutional keyword spotter", epochs=12),
    Kind("lstm", "unrolled LSTM", epochs=12, learning_rate=0.01),
    Kind("tokens", "int32 tokens and an Embedding", epochs=12, learning_rate=0.01),
    Kind("denoising", "fully convolutional, open height and width", "reconstruction"),
)

COMMANDS: dict[str, list[str]] = {
    "doctor": ["doctor", "{run}"],
    "doctor --data": ["doctor", "{run}", "--data"],
    "export": ["export", "{run}", "--int8", "--dynamic", "--float16"],
    "inspect": ["inspect", "{run}/int8.tflite", "--require", "int8"],
    "evaluate": ["evaluate", "{run}/int8.tflite", "--reference", "{run}/float.tflite"],
    "verify": ["verify", "{run}"],
    "verify --arm": ["verify", "{run}", "dotprod", "--arm", "--arm-examples", "2", "--no-keras"],
    "sensitivity": ["sensitivity", "{run}"],
    "search": ["search", "{run}", "--max-drop", "0.5"],
    "ranges": ["ranges", "{run}"],
    "benchmark": ["benchmark", "{run}/float.tflite", "{run}/int8.tflite", "--runs", "5"],
    "explain": ["explain", "{run}"],
    "bundle": ["bundle", "{run}"],
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="*", help="Names of kinds.")
    options.add_argument("--commands", nargs="*", help="Names of commands.")
    options.add_argument("--folder", type=Path, help="Where the runs are kept; a temporary folder by default.")
    options.add_argument("--write", type=Path, help="A page whose table is replaced.")
    given = options.parse_args()
    kinds = [kind for kind in KINDS if not given.only or kind.name in given.only]
    commands = {name: call for name, call in COMMANDS.items() if not given.commands or name in given.commands}
    with tempfile.TemporaryDirectory() as temporary:
        cells, errors = measure(kinds, commands, given.folder or Path(temporary))
    print(table(cells, kinds))
    for error in errors:
        print(error)
    if given.write is not None:
        page = given.write.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        old, _, after = rest.partition(END)
        whole = table(beside(cells, old), KINDS)
        given.write.write_text(f"{before}{BEGIN}\n{whole}\n{END}{after}", encoding="utf-8")
    sys.exit(1 if errors else 0)


Cells = dict[str, dict[str, str]]
"""By row and kind."""


def measure(kinds: list[Kind], commands: dict[str, list[str]], folder: Path) -> tuple[Cells, list[str]]:
    """The table's cells, and what went wrong."""
    cells: Cells = {name: {} for name in ("PTQ", "QAT", "run --ptq", "run (QAT)", *commands)}
    errors: list[str] = []
    for kind in kinds:
        recipe = write_recipe(kind, folder)
        for way, arguments in (("run --ptq", ["--ptq"]), ("run (QAT)", [])):
            done = call(["run", str(recipe), *arguments, "--json"], folder)
            cells[way][kind.name] = cell(done, errors, f"{kind.name}: {way}")
            name = "PTQ" if arguments else "QAT"
            cells[name][kind.name] = accuracy(done.stdout) if done.returncode == 0 else "–"
        for name, words in commands.items():
            run = folder / "runs" / f"{kind.name}-ptq"
            done = call([word.format(run=run) for word in words], folder)
            cells[name][kind.name] = cell(done, errors, f"{kind.name}: {name}")
    return cells, errors


def beside(cells: Cells, page: str) -> Cells:
    """The cells, and of the table on a page those of kinds and commands that were not measured now."""
    rows = [[text.strip() for text in line.strip("| ").split(" | ")] for line in page.splitlines() if " | " in line]
    if not rows:
        return cells
    names = {kind.title: kind.name for kind in KINDS}
    # The head's first cell is empty, and is lost with the bars.
    titles, whole = [names.get(title) for title in rows[0]], {name: dict(row) for name, row in cells.items()}
    for first, *old in rows[1:]:
        row = whole.setdefault(first.strip("`"), {})
        for kind, text in zip(titles, old, strict=False):
            if kind is not None:
                row.setdefault(kind, text)
    return whole


def table(cells: Cells, kinds: Sequence[Kind]) -> str:
    lines = ["| | " + " | ".join(kind.title for kind in kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    lines += [
        f"| `{name}` | " + " | ".join(row.get(kind.name, "–") for kind in kinds) + " |" for name, row in cells.items()
    ]
    return "\n".join(lines)


def accuracy(text: str) -> str:
    """float → int8 in the first metric, and the agreement."""
    metrics = json.loads(text)
    metric = metrics["task"]["metrics"][0]
    values = [metrics[name][metric["name"]] for name in ("float", "int8")]
    shown = [f"{100 * value:.1f} %" if metric["unit"] == "%" else f"{value:.4g}" for value in values]
    return f"{metric['label']} {shown[0]} → {shown[1]}, agreement {100 * metrics['int8']['agreement']:.1f} %"


def cell(done: subprocess.CompletedProcess[str], errors: list[str], what: str) -> str:
    if done.returncode == 0:
        return "ok"
    last = [line for line in done.stderr.strip().splitlines() if line.strip()]
    start = next((i for i, line in enumerate(last) if line.startswith("Error")), max(0, len(last) - 3))
    errors.append(f"{what}: exit {done.returncode}: {' '.join(last[start:])[:900]}")
    return f"exit {done.returncode}"


def write_recipe(kind: Kind, folder: Path) -> Path:
    recipe = {
        "name": kind.name,
        "task": kind.task,
        "model": {"function": f"models_and_data:{kind.name}"},
        "data": {"source": f"models_and_data:{kind.name}_data", **kind.data},
        "train": {"epochs": kind.epochs, "learning_rate": kind.learning_rate},
        "qat": {"epochs": 3, "learning_rate": 0.0003},
        "benchmark": {"runs": 5},
    }
    path = folder / f"{kind.name}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def call(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    python_path = os.pathsep.join(filter(None, (str(HERE), str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": python_path, "PIPELINE_RUNS": str(folder / "runs"), "COLUMNS": "100"}
    print(f"… pipeline {' '.join(arguments)}", file=sys.stderr, flush=True)
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    main()
