"""Runs that are killed at random moments and called again until they are done.

    python -m tests.robustness.kills --count 200

A chain of kills in one folder ends with a whole run; then its files are those of a run that nobody disturbed, and
nothing else is left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.conftest import TINY

RECIPE = {**TINY, "name": "killed", "train": {"epochs": 2, "learning_rate": 0.01}}
SAME = ("float.tflite", "qat.tflite", "prepared.tflite", "int8.tflite", "ranges.json", "labels.txt")
"""What a run makes the same every time."""
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@dataclass
class Tally:
    """What came of the kills."""

    kills: int = 0
    chains: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kills} kills in {self.chains} runs, all called again to their end: {len(self.faults)} faults"


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The run, in a session of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PIPELINE_RUNS": str(folder / "runs")}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", str(folder / "killed.yaml"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=(folder / "out").open("wb"),
        stderr=(folder / "err").open("wb"),
        env=environment,
        start_new_session=True,
    )


def whole(folder: Path, *arguments: str) -> float:
    """A run that nobody disturbs; the seconds it took."""
    (folder / "killed.yaml").write_text(yaml.safe_dump(RECIPE))
    started = time.monotonic()
    with start(folder, *arguments) as process:
        pass
    if process.returncode:
        raise SystemExit(f"The undisturbed run failed: {(folder / 'err').read_text()[-2000:]}")
    return time.monotonic() - started


def campaign(count: int, seed: int = 0, arguments: tuple[str, ...] = ()) -> Tally:
    """At least so many kills."""
    chance, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as given:
        sound = Path(given) / "sound"
        sound.mkdir()
        longest = whole(sound, *arguments)
        while tally.kills < count:
            folder = Path(given) / f"chain-{tally.chains}"
            folder.mkdir()
            (folder / "killed.yaml").write_text(yaml.safe_dump(RECIPE))
            _chain(folder, longest, chance, tally, count, arguments)
            _compare(sound, folder, tally)
            tally.chains += 1
    return tally


def _chain(
    folder: Path, longest: float, chance: random.Random, tally: Tally, count: int, arguments: tuple[str, ...]
) -> None:
    """Kill and call again until it is done."""
    while True:
        spare = tally.kills >= count
        process = start(folder, *arguments)
        try:
            status = process.wait(timeout=None if spare else chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            sent = chance.choice(list(STATUS))
            process.send_signal(sent)
            tally.kills += 1
            try:
                status = process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                tally.faults.append(f"kill {tally.kills}: still there 60 s after {sent.name}")
                process.kill()
                status = process.wait()
            early = -int(sent)  # before Python had a handler, or as the default handler of a shell would see it
            if status not in (STATUS[sent], early, 0):
                tally.faults.append(f"kill {tally.kills}: {sent.name} ended with {status}: {_said(folder)}")
            if sent != signal.SIGKILL and b"Traceback" in (folder / "err").read_bytes() and status != early:
                tally.faults.append(f"kill {tally.kills}: a traceback after {sent.name}: {_said(folder)}")
            if sent == signal.SIGKILL:
                time.sleep(3)  # nobody tells its children: they notice that nobody reads them
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 0)
                tally.faults.append(f"kill {tally.kills}: children are left after {sent.name}")
                os.killpg(process.pid, signal.SIGKILL)
            continue
        if status:
            tally.faults.append(f"after {tally.kills} kills the run ended with {status}: {_said(folder)}")
        return


def _compare(sound: Path, folder: Path, tally: Tally) -> None:
    one, other = (place / "runs" / "killed" for place in (sound, folder))
    names = [sorted(path.name for path in place.iterdir()) for place in (one, other)]
    if names[0] != names[1]:
        tally.faults.append(f"run {tally.chains}: other files: {sorted(set(names[0]) ^ set(names[1]))}")
    for name in SAME:
        if (one / name).is_file() and (one / name).read_bytes() != (other / name).read_bytes():
            tally.faults.append(f"run {tally.chains}: another {name}")


def _said(folder: Path) -> str:
    return repr((folder / "err").read_bytes()[-300:])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--ptq", action="store_true")
    given = options.parse_args()
    tally = campaign(given.count, given.seed, ("--ptq",) if given.ptq else ())
    for fault in tally.faults:
        print(fault)
    print(tally)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
