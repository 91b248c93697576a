"""Damaged .tflite files through every command that reads one.

    python -m tests.robustness.fuzzing --count 10000

prints how many calls ended how, and every fault with the number of its file. `--only NUMBER` makes that file again.
Calls are forked (:mod:`tests.robustness.forked`); every hundredth file goes through processes of their own instead,
each started as a user starts it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from tests.robustness import forked
from tests.robustness.mutations import damaged
from tests.robustness.sound_files import sound_files

COMMANDS: dict[str, list[str]] = {
    "inspect": ["inspect", "{file}"],
    "inspect --json": ["inspect", "{file}", "--json"],
    "benchmark": ["benchmark", "{file}", "--runs", "1", "--warmup", "0"],
    "explain": ["explain", "{file}", "--runs", "1"],
    "bundle": ["bundle", "{file}", "--noise"],
    "evaluate": ["evaluate", "{file}", "--recipe", "data.yaml", "--reference", "sound.tflite"],
    "verify": ["verify", "{file}", "--reference", "sound.tflite", "--recipe", "data.yaml", "--examples", "4"],
    "sensitivity": ["sensitivity", "{file}", "--recipe", "data.yaml", "--examples", "4"],
    "doctor --data": ["doctor", "{file}", "--data", "--recipe", "data.yaml"],
}
RECIPE = {
    "name": "data",
    "model": {"path": "sound.tflite"},
    "data": {"source": "npz", "path": "data.npz", "preprocess": {"scale": "0..1"}},
}


@dataclass
class Tally:
    """What came of the calls."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    fresh: int = 0
    """Of them, in processes of their own."""
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0

    def add(self, ended: forked.Ended, what: str) -> None:
        self.calls += 1
        self.statuses[ended.status] += 1
        self.slowest, self.largest = max(self.slowest, ended.seconds), max(self.largest, ended.peak_bytes)
        for fault in ended.faults():
            self.faults.append(f"{what}: {fault} (status {ended.status}): {ended.output.strip()[-300:]!r}")
            print(self.faults[-1], flush=True)

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} ended with {status}" for status, count in sorted(self.statuses.items()))
        bounds = f"slowest {self.slowest:.1f} s, most memory {self.largest / 1e6:.0f} MB"
        return f"{self.calls:,} calls ({self.fresh:,} of them fresh): {ends}; {bounds}; {len(self.faults)} faults"


def fuzz(
    numbers: Iterable[int],
    files: list[bytes],
    commands: dict[str, list[str]] = COMMANDS,
    *,
    fresh_every: int = 0,
    told: Callable[[int, Tally], None] = lambda count, tally: None,
) -> Tally:
    """Every command on every damaged file, in a folder of its own.

    Args:
        numbers: Which damaged files.
        files: The sound ones.
        commands: The calls, by what the tally names them.
        fresh_every: Files of which one goes through processes of their own; 0: none does.
        told: Called after each file with how many there were and what came of them.
    """
    tally, here = Tally(), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        try:
            Path("sound.tflite").write_bytes(files[0])
            Path("data.yaml").write_text(yaml.safe_dump(RECIPE))
            rng = np.random.default_rng(0)
            np.savez("data.npz", x=rng.integers(0, 255, (40, 8, 8, 1)).astype(np.uint8), y=np.arange(40) % 10)
            for call in commands.values():
                forked.preload([word.format(file="sound.tflite") for word in call])
            for count, number in enumerate(numbers, 1):
                name = f"{number}.tflite"
                Path(name).write_bytes(damaged(files[number % len(files)], number))
                fresh = bool(fresh_every) and number % fresh_every == 0
                called = [[word.format(file=name) for word in call] for call in commands.values()]
                ends = [forked.fresh_call(call) for call in called] if fresh else forked.calls(called)
                for title, ended in zip(commands, ends, strict=True):
                    tally.add(ended, f"{number} {title}")
                    tally.fresh += fresh
                Path(name).unlink(missing_ok=True)
                told(count, tally)
        finally:
            os.chdir(here)
    return tally


def _tell(count: int, tally: Tally) -> None:
    if count % 50 == 0:
        print(f"{count:,} damaged files: {tally}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--start", type=int, default=0)
    options.add_argument("--only", type=int, help="Write the damaged file of this number here, and stop.")
    options.add_argument("--fresh-every", type=int, default=100)
    options.add_argument("--commands", nargs="*", choices=list(COMMANDS))
    given = options.parse_args()
    files = sound_files()
    if given.only is not None:
        Path(f"{given.only}.tflite").write_bytes(damaged(files[given.only % len(files)], given.only))
        return
    commands = {name: call for name, call in COMMANDS.items() if not given.commands or name in given.commands}
    tally = fuzz(
        range(given.start, given.start + given.count), files, commands, fresh_every=given.fresh_every, told=_tell
    )
    print(f"{given.count:,} damaged files: {tally}")
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
