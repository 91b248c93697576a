"""Two runs at the same time in one folder: each is one run's, or is refused; nothing is mixed.

    python -m tests.robustness.pairs --count 10

Both make the same folder from recipes that differ in their seed, one some moments after the other. What lies there at
the end is, file by file, what one of the recipes makes when it is alone.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.conftest import TINY

SAME = ("float.tflite", "prepared.tflite", "int8.tflite", "ranges.json", "labels.txt")
"""What a run makes the same every time."""
SECONDS = 900


@dataclass
class Tally:
    """What came of the pairs."""

    pairs: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.pairs} pairs of simultaneous runs: {self.refused} runs refused, {len(self.faults)} faults"


def recipe(seed: int, folder: Path) -> Path:
    """A recipe that trains in seconds, quantized after training."""
    content = {**TINY, "name": "both", "train": {"epochs": 1, "learning_rate": 0.01, "seed": seed}}
    path = folder / f"seed-{seed}.yaml"
    path.write_text(yaml.safe_dump({name: section for name, section in content.items() if name != "qat"}))
    return path


def start(path: Path, runs: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PIPELINE_RUNS": str(runs)}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def campaign(count: int, seed: int = 0) -> Tally:
    """So many pairs."""
    chance, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory(prefix="pairs-") as given:
        folder = Path(given)
        recipes = [recipe(seed, folder) for seed in (1, 2)]
        alone = []
        longest = 0.0
        for number, path in enumerate(recipes):
            started = time.monotonic()
            process = start(path, folder / f"alone-{number}")
            if process.wait(SECONDS):
                raise SystemExit(f"The undisturbed run failed: {_said(process)}")
            longest = time.monotonic() - started
            alone.append(folder / f"alone-{number}" / "both")
        for number in range(count):
            _pair(recipes, alone, folder / f"pair-{number}", chance.uniform(0, longest), tally)
    return tally


def _pair(recipes: list[Path], alone: list[Path], runs: Path, delay: float, tally: Tally) -> None:
    first = start(recipes[0], runs)
    time.sleep(delay)
    processes = [first, start(recipes[1], runs)]
    tally.pairs += 1
    what = f"pair {tally.pairs}, {delay:.1f} s apart"
    done = []
    for number, process in enumerate(processes):
        status = process.wait(SECONDS)
        said = _said(process)
        if status == 0:
            done.append(number)
        elif status == 1 and b"Another process works in" in said:
            tally.refused += 1
        else:
            tally.faults.append(f"{what}: run {number + 1} ended with {status}: {said[-300:]!r}")
    if not done:
        tally.faults.append(f"{what}: neither run was done")
        return
    last = done[-1]
    for name in SAME:
        if (runs / "both" / name).read_bytes() != (alone[last] / name).read_bytes():
            tally.faults.append(f"{what}: {name} is not that of run {last + 1} alone")
    if left := [path.name for path in (runs / "both").iterdir() if path.name.startswith(".")]:
        tally.faults.append(f"{what}: left behind: {left}")


def _said(process: subprocess.Popen[bytes]) -> bytes:
    return process.stderr.read() if process.stderr is not None else b""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=10)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    tally = campaign(given.count, given.seed)
    for fault in tally.faults:
        print(fault)
    print(tally)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
