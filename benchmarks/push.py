"""Throughput of `pipeline push` against plain `adb push`, in turns, onto the tests' loopback stand-in.

    python benchmarks/push.py [--megabytes 0.6 16 64 256] [--rounds 9] [--link 40]

Both sides drive the same adb and the same stand-in, which runs in a process of its own. Every push is of new content
under a new name, so nothing is skipped. `pipeline push` adds two commands in the device's shell, one of which reads the
file once for its SHA-256. Loopback is faster than any cable; --link slows it down to so many MB a second (USB 2 does
about 40).
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.benchmarking.host import describe_host
from pipeline.device.adb import Adb, find
from pipeline.device.device import FOLDER, Device
from pipeline.device.push import push


@contextmanager
def standin_device(adb: Adb, folder: Path, link: float | None) -> Iterator[Device]:
    """A stand-in, and a private adb server that is connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ |= {"ANDROID_ADB_SERVER_PORT": str(port), "HOME": str(folder)}
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([adb.path, "-L", f"tcp:{port}", "nodaemon", "server"], stdout=subprocess.DEVNULL, **quiet)
    command = [sys.executable, "-m", "tests.device.standin", folder / "device"]
    command += [] if link is None else [f"{link * 1e6}"]
    standin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1], **quiet)
    try:
        assert standin.stdout is not None
        serial = standin.stdout.readline().strip()
        for _ in range(50):
            if "connected" in adb.call("connect", serial).text:
                break
            time.sleep(0.1)
        yield Device(adb, serial)
    finally:
        standin.terminate()
        server.terminate()


def fill(file: Path, size: int) -> None:
    """New content that no compression shortens."""
    with file.open("wb") as out:
        for start in range(0, size, 1 << 20):
            out.write(os.urandom(min(1 << 20, size - start)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[0.6, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--link", type=float, help="MB a second of the link")
    options = parser.parse_args()
    adb = find()
    host = describe_host()
    print(
        f"{adb.call('version').text.splitlines()[1]}, {host.cpu}, {host.cores} cores, load {host.load_average[0]:.1f}"
    )
    print(f"{'MB':>6} {'adb push':>12} {'pipeline push':>14} {'time ratio':>11}   (median of {options.rounds}; MB/s)")
    with tempfile.TemporaryDirectory() as scratch, standin_device(adb, Path(scratch), options.link) as device:
        for megabytes in options.megabytes:
            file = Path(scratch) / "model.bin"
            times: dict[str, list[float]] = {"adb": [], "pipeline": []}
            for turn in range(options.rounds):
                for side in sorted(times, reverse=turn % 2 == 1):
                    fill(file, int(megabytes * 1e6))
                    device.must(f"rm -rf {FOLDER}; mkdir -p {FOLDER}", "Making room")
                    started = time.perf_counter()
                    if side == "adb":
                        done = device.call("push", str(file), f"{FOLDER}/plain.bin", timeout=600)
                        assert done.status == 0, done.err
                    else:
                        (pushed,) = push(device, [file])
                        assert not pushed.skipped
                    times[side].append(time.perf_counter() - started)
            speeds = [megabytes / statistics.median(times[side]) for side in ("adb", "pipeline")]
            ratio = statistics.median(b / a for a, b in zip(times["adb"], times["pipeline"], strict=True))
            print(f"{megabytes:6g} {speeds[0]:12.1f} {speeds[1]:14.1f} {ratio:11.3f}")


if __name__ == "__main__":
    main()
