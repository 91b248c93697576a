"""How long `pipeline verify` takes, with the run's Keras models and without, in turns.

    python benchmarks/verify.py runs/mobilenet_imagenet --rounds 3

Each call is a process of its own, as a user starts it: imports, reading the images, every rung, the look inside. Prints
the median of each side, by the clock and by the CPU (which a busy machine does not stretch), and their ratio. Exits
with 1 where the light ladder takes longer than --limit seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.benchmarking.host import describe_host
from pipeline.versions import versions

SIDES = {"without Keras": ["--no-keras"], "with Keras": ["--keras"]}


def cpu() -> float:
    """Seconds that the processes started so far have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(run: Path, arguments: list[str]) -> tuple[float, float, dict[str, Any]]:
    """Seconds of one call by the clock and by the CPU, and what it found."""
    command = [sys.executable, "-m", "pipeline", "verify", str(run), "--json", *arguments]
    before, started = cpu(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return seconds, cpu() - before, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--light", action="store_true", help="only the side without Keras")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds that the light ladder may take")
    options = parser.parse_args()
    host = describe_host()
    sides = dict(list(SIDES.items())[:1]) if options.light else SIDES
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    computed: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(options.rounds):
        for name, arguments in sides.items():
            taken, used, found[name] = once(options.run, arguments)
            seconds[name].append(taken)
            computed[name].append(used)
    print(
        f"{options.run}, {host.cpu}, {host.cores} cores, load {host.load_average[0]:.1f}, "
        f"LiteRT {versions()['ai-edge-litert']}, {options.rounds} rounds in turns"
    )
    for name, taken in seconds.items():
        rungs = found[name]["rungs"]
        print(
            f"{name:14} {statistics.median(taken):6.1f} s (fastest {min(taken):.1f}, slowest {max(taken):.1f}), "
            f"{statistics.median(computed[name]):.1f} s of CPU, "
            f"{len(rungs)} rungs, {rungs[-1]['n']} examples"
        )
    light, *heavy = (statistics.median(taken) for taken in seconds.values())
    for other in heavy:
        print(f"ratio: {other / light:.1f}")
    print(f"limit of the light ladder: {options.limit:g} s")
    sys.exit(light > options.limit)


if __name__ == "__main__":
    main()
