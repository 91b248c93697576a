"""Runs and pushes that are killed at random moments and called again until they are done.

    python -m tests.robustness.kills --count 200

A chain of kills in one folder ends with a whole run; then its files are those of a run that nobody disturbed, and
nothing else is left. The moments are spread over what a run writes: one waits for a file, and strikes before the next
is due. Most runs are forks of this process, which has TensorFlow imported and nothing computed; every fourth, and what
any of them starts, is a process of its own as a user starts it. Pushes go to a stand-in for a phone, over a slow link.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.device import adb as adb_module
from pipeline.device.device import FOLDER
from tests import tiny_models
from tests.conftest import TINY
from tests.device.adb_server import private_server
from tests.device.standin.standin import Faults, StandIn
from tests.robustness import forked

RECIPE = {**TINY, "name": "killed", "train": {"epochs": 2, "learning_rate": 0.01}}
SAME = ("float.tflite", "qat.tflite", "prepared.tflite", "int8.tflite", "ranges.json", "labels.txt")
"""What a run makes the same every time."""
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
FRESH = 4
"""One in so many runs is a process of its own."""
_KILLS_A_CHAIN = 8
_SPEED = 2e6
"""Bytes a second to the phone."""


@dataclass
class Tally:
    """What came of the kills."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what was being done: the file that was due."""
    fresh: int = 0
    """Kills of processes that were no forks."""
    chains: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, what: str) -> None:
        self.faults.append(f"after {self.kills.total()} kills: {what}")
        print(self.faults[-1], flush=True)

    def __str__(self) -> str:
        places = ", ".join(f"{count} before {name}" for name, count in self.kills.items())
        return (
            f"{self.kills.total()} kills ({self.fresh} of fresh processes; {places}) in {self.chains} chains, all "
            f"called again to their end: {len(self.faults)} faults"
        )


class Process:
    """A call of the command line in a session of its own, under the parent that reports crashes."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str], *, fresh: bool) -> None:
        self.fresh = fresh
        self._status: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.environ.update(environment)
            outputs = [os.open(folder / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY) for name in ("out", "err")]
            forked.become(lambda: _pipeline(arguments, fresh), [os.open(os.devnull, os.O_RDONLY), *outputs])

    def wait(self, seconds: float, until: Callable[[], bool] = bool) -> bool:
        """Whether it has ended; after so many seconds, or as soon as something is so, nothing is said of it."""
        limit = time.monotonic() + seconds
        while self._status is None and time.monotonic() < limit and not until():
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.002)
        return self._status is not None

    @property
    def status(self) -> int:
        assert self._status is not None
        return self._status

    def kill(self, sent: signal.Signals, tally: Tally, said: Callable[[], bytes]) -> None:
        """Send a signal; it must end as it should, and so must all that it started."""
        group = sent == signal.SIGKILL and self.pid % 2 == 0  # as when the plug is pulled; else as by `kill PID`
        (os.killpg if group else os.kill)(self.pid, sent)
        if not self.wait(120):
            tally.fault(f"still there 120 s after {sent.name}")
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(60)
        early = -int(sent)  # before Python had a handler, or as the default handler of a shell would see it
        if self.status not in (STATUS[sent], early, 0):
            tally.fault(f"{sent.name} ended with {self.status}: {said()!r}")
        if sent != signal.SIGKILL and b"Traceback" in said() and self.status != early:
            tally.fault(f"a traceback after {sent.name}: {said()!r}")
        for _ in range(600):  # nobody tells the children of what was killed: they notice that nobody reads them
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        tally.fault(f"children are left after {sent.name}")
        os.killpg(self.pid, signal.SIGKILL)


def _pipeline(arguments: list[str], fresh: bool) -> int:
    if fresh:
        os.execv(sys.executable, [sys.executable, "-m", "pipeline", *arguments])
    from pipeline.__main__ import main

    sys.argv = ["pipeline", *arguments]
    main()
    return 0


class Runs:
    """Chains of a recipe's run."""

    def __init__(self, home: Path, chance: random.Random, tally: Tally, *options: str) -> None:
        self._home, self._chance, self._tally, self._options = home, chance, tally, options
        self._sound = home / "sound"
        self._due: list[tuple[str, float]] = []
        """What a run writes, in its order, and after how many seconds more."""
        process = self._start(self._sound, fresh=False)
        seen: set[str] = set()
        last = time.monotonic()
        while not process.wait(3600, lambda: len(self._there(self._sound)) > len(seen)):
            for name in sorted(self._there(self._sound) - seen):
                self._due.append((name, time.monotonic() - last))
                seen.add(name)
                last = time.monotonic()
        self._due.append(("the end", time.monotonic() - last))
        if process.status:
            raise SystemExit(f"The undisturbed run failed: {(self._sound / 'err').read_text()[-2000:]}")

    def chain(self, most: int) -> None:
        """At most so many kills, and then to the end."""
        folder = self._home / f"chain-{self._tally.chains}"
        for left in range(min(most, _KILLS_A_CHAIN), -1, -1):
            fresh = self._chance.randrange(FRESH) == 0
            process = self._start(folder, fresh=fresh)
            done = all(name in self._there(folder) for name, _ in self._due[:-1])
            if not left or (done and self._chance.randrange(2)):  # else its end alone would be struck from here on
                process.wait(3600)
            elif not self._moment(process, folder):
                sent = self._chance.choice(list(STATUS))
                process.kill(sent, self._tally, lambda: _end(folder / "err"))
                self._tally.fresh += fresh
                continue
            if process.status:
                self._tally.fault(f"the run ended with {process.status}: {_end(folder / 'err')!r}")
            break
        self._compare(folder)
        self._tally.chains += 1

    def _start(self, folder: Path, *, fresh: bool) -> Process:
        folder.mkdir(exist_ok=True)
        recipe = folder / "killed.yaml"
        recipe.write_text(yaml.safe_dump(RECIPE))
        environment = {"PYTHONPATH": str(Path.cwd()), "PIPELINE_RUNS": str(folder / "runs")}
        return Process(["run", str(recipe), *self._options], folder, environment, fresh=fresh)

    def _run(self, folder: Path) -> Path:
        return folder / "runs" / ("killed-ptq" if "--ptq" in self._options else "killed")

    def _there(self, folder: Path) -> set[str]:
        run = self._run(folder)
        return {name for name in (*SAME, *_OTHERS) if (run / name).is_file()}

    def _moment(self, process: Process, folder: Path) -> bool:
        """Wait for a moment to strike at; whether the run ended before."""
        names = [name for name, _ in self._due]
        reached = sum(name in self._there(folder) for name in names)
        place = min(reached + self._chance.choice((0, 0, 0, 1, 1, 2)), len(names) - 1)
        if place and process.wait(3600, lambda: names[place - 1] in self._there(folder)):
            return True
        imports = 5.0 if process.fresh and place == reached else 0.0
        # Faster than the undisturbed run was, it is struck as it writes what was due.
        due = self._chance.uniform(0, self._due[place][1] + imports)
        if process.wait(due, lambda: names[place] in self._there(folder)):
            return True
        self._tally.kills[names[place]] += 1
        return False

    def _compare(self, folder: Path) -> None:
        one, other = self._run(self._sound), self._run(folder)
        names = [sorted(path.name for path in place.iterdir()) for place in (one, other)]
        if names[0] != names[1]:
            self._tally.fault(f"{folder.name}: other files: {sorted(set(names[0]) ^ set(names[1]))}")
        for name in SAME:
            if (one / name).is_file() and (one / name).read_bytes() != (other / name).read_bytes():
                self._tally.fault(f"{folder.name}: another {name}")


_OTHERS = ("float.keras", "qat.h5", "metrics.json", "manifest.json")


def _end(file: Path) -> bytes:
    return file.read_bytes()[-300:]


class Pushes:
    """Chains of `pipeline push` to one phone."""

    def __init__(self, home: Path, phone: StandIn, chance: random.Random, tally: Tally) -> None:
        self._home, self._phone, self._chance, self._tally = home, phone, chance, tally
        started = time.monotonic()
        process = self._start(self._model(b"first"))
        process.wait(600)
        self._longest = time.monotonic() - started
        if process.status:
            raise SystemExit(f"The undisturbed push failed: {(home / 'err').read_text()[-2000:]}")

    def chain(self, most: int) -> None:
        """At most so many kills of pushes of one model, and then to the end; what is there is whole at any time."""
        before = set(self._home.iterdir())
        model = self._model(f"push {self._tally.chains}".encode())
        there = self._phone.real(FOLDER) / model.name
        old = there.read_bytes()
        killed = False
        for left in range(min(most, _KILLS_A_CHAIN), -1, -1):
            process = self._start(model)
            if process.wait(600 if not left else self._chance.uniform(0, self._longest)):
                if process.status:
                    self._tally.fault(f"the push ended with {process.status}: {_end(self._home / 'err')!r}")
                break
            sent = self._chance.choice(list(STATUS))
            self._tally.kills["the push's end"] += 1
            self._tally.fresh += 1
            process.kill(sent, self._tally, lambda: _end(self._home / "err"))
            killed |= sent == signal.SIGKILL
            if there.read_bytes() not in (old, model.read_bytes()):
                self._tally.fault(f"half a file on the phone after {sent.name}")
            if not killed and self._parts():
                self._tally.fault(f"a part is left on the phone after {sent.name}")
        if there.read_bytes() != model.read_bytes():
            self._tally.fault("the push is done, and another file is on the phone")
        if left := set(self._home.iterdir()) - before:
            self._tally.fault(f"the push left {sorted(path.name for path in left)}")
        self._sweep(model)
        self._tally.chains += 1

    def _sweep(self, model: Path) -> None:
        """What SIGKILL leaves on a phone is hidden, and removed by a push an hour later."""
        for part in self._parts():
            os.utime(part, (0, 0))
        self._start(model).wait(600)
        if parts := self._parts():
            self._tally.fault(f"{len(parts)} old parts are left on the phone")

    def _parts(self) -> list[Path]:
        return list(self._phone.real(FOLDER).glob(".*.part"))

    def _model(self, end: bytes) -> Path:
        path = self._home / "model.tflite"
        path.write_bytes(tiny_models.digits() + bytes(2_000_000) + end)
        return path

    def _start(self, model: Path) -> Process:
        environment = {"PYTHONPATH": str(Path.cwd())}
        return Process(["push", str(model), "--serial", self._phone.serial], self._home, environment, fresh=True)


@contextlib.contextmanager
def _phone(home: Path) -> Iterator[StandIn]:
    adb = adb_module.find()
    (home / "adb").mkdir()
    before = dict(os.environ)
    with private_server(adb, home / "adb") as environment, StandIn(home / "phone") as phone:
        phone.faults = Faults(bytes_a_second=_SPEED)
        os.environ.update(environment)
        try:
            adb.call("connect", phone.serial)
            yield phone
        finally:
            os.environ.clear()
            os.environ.update(before)


def kill_runs(count: int, seed: int = 0, *options: str) -> Tally:
    """At least so many kills of runs of the recipe."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as home:
        runs = Runs(Path(home), random.Random(seed), tally, *options)
        while tally.kills.total() < count:
            runs.chain(count - tally.kills.total())
            print(tally, flush=True)
    return tally


def kill_pushes(count: int, seed: int = 0) -> Tally:
    """At least so many kills of pushes."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as given:
        home = Path(given) / "host"
        home.mkdir()
        with _phone(Path(given)) as phone:
            pushes = Pushes(home, phone, random.Random(seed), tally)
            while tally.kills.total() < count:
                pushes.chain(count - tally.kills.total())
                print(tally, flush=True)
    return tally


def preload() -> None:
    """Import what a run imports, TensorFlow too."""
    with tempfile.TemporaryDirectory(prefix="kills-") as home:
        recipe = Path(home) / "killed.yaml"
        recipe.write_text(yaml.safe_dump(RECIPE))
        os.environ["PIPELINE_RUNS"] = home
        forked.preload(["run", str(recipe)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", choices=("qat", "ptq", "push"))
    given = options.parse_args()
    shares = {"qat": given.count // 2, "ptq": given.count // 4, "push": given.count - 3 * (given.count // 4)}
    if given.only:
        shares = {given.only: given.count}
    failed = False
    if shares != {"push": given.count}:
        preload()
    for name, count in shares.items():
        options_of_it = ("--ptq",) if name == "ptq" else ()
        tally = kill_pushes(count, given.seed) if name == "push" else kill_runs(count, given.seed, *options_of_it)
        print(f"{name}: {tally}", flush=True)
        failed |= bool(tally.faults)
    sys.exit(failed)


if __name__ == "__main__":
    main()
