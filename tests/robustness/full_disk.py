"""Commands that write, on a disk that is full, cut short or read-only: nothing half-written, and the next call goes on.

    python -m tests.robustness.full_disk --sizes 30

Every stage is called with so much room, from none to nearly what it needs; then once more with enough. The disk is a
small tmpfs where this process may mount one, and the system's limit of a file's size (RLIMIT_FSIZE) anyway.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from tests.conftest import TINY
from tests.robustness import forked

Ways = dict[str, Callable[[Path, int], contextlib.AbstractContextManager[None]]]
PAGE = 4096
SECONDS = 300.0
WORDS = 2048
"""Bytes of what a call says."""
TRAINED = ("float.tflite", "qat.tflite", "prepared.tflite", "int8.tflite", "ranges.json", "labels.txt")
"""What a run makes the same every time, byte for byte."""


@dataclass(frozen=True)
class Stage:
    """A command that writes.

    Args:
        arguments: Of the command line.
        same: What it makes the same every time, below the folder.
        old: Files that are there before, which a failed call must leave as they are.
    """

    arguments: tuple[str, ...]
    same: tuple[str, ...] = ()
    old: tuple[str, ...] = ()


_DATA = ("--recipe", "../data.yaml")
STAGES: dict[str, Stage] = {
    "export": Stage(
        ("export", "../model.tflite", "--int8", "--float16", *_DATA),
        ("runs/model/int8.tflite", "runs/model/float16.tflite", "runs/model/ranges.json"),
    ),
    "bundle": Stage(("bundle", "../model.tflite", *_DATA, "-o", "out.zip"), ("out.zip",), ("out.zip",)),
    "benchmark": Stage(
        ("benchmark", "../model.tflite", "--runs", "1", "--warmup", "0", "--output", "out.json"), old=("out.json",)
    ),
    "sensitivity": Stage(
        ("sensitivity", "../model.tflite", *_DATA, "--examples", "4", "--plot", "out.png"), old=("out.png",)
    ),
    "explain": Stage(
        ("explain", "../int8.tflite", "--reference", "../float.tflite", "--runs", "1", "--plot", "out.svg"),
        old=("out.svg",),
    ),
    "evaluate of packed arrays": Stage(
        ("evaluate", "../model.tflite", "--recipe", "../packed.yaml", "--reference", "../model.tflite")
    ),
    "train": Stage(("train", "../tiny.yaml")),
    "run": Stage(("run", "../tiny.yaml"), tuple(f"runs/tiny/{name}" for name in TRAINED)),
}
WITHOUT_TENSORFLOW = tuple(name for name in STAGES if name not in ("train", "run"))


@dataclass
class Tally:
    """What came of the calls."""

    calls: int = 0
    resumed: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ends = ", ".join(f"{count} ended with {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.calls} calls without room: {ends}; {self.resumed} called again with room and went on; "
            f"{len(self.faults)} faults"
        )


@contextlib.contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """A file system of so many bytes in a folder, whose files stay there afterwards."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(PAGE, room)}", "tmpfs", str(folder)]
    with _mounted(folder, mount):
        yield


@contextlib.contextmanager
def read_only(folder: Path, room: int) -> Iterator[None]:
    """The same, which cannot be written at all."""
    with _mounted(folder, ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], "ro"):
        yield


@contextlib.contextmanager
def _mounted(folder: Path, mount: list[str], then: str | None = None) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="disk-") as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        subprocess.run(mount, check=True)
        try:
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(kept, folder, dirs_exist_ok=True)
            if then is not None:
                subprocess.run(["mount", "-o", f"remount,{then}", str(folder)], check=True)
            os.chdir(folder)
            yield
            os.chdir(folder.parent)
            shutil.rmtree(kept)
            shutil.copytree(folder, kept)
        finally:
            os.chdir(folder.parent)
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)


@contextlib.contextmanager
def small_files(folder: Path, room: int) -> Iterator[None]:
    """No file may become larger."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        os.chdir(folder.parent)


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        return done.returncode == 0 and subprocess.run(["umount", folder], check=False).returncode == 0


def ways() -> Ways:
    """What this process may do to a folder."""
    return {"file limit": small_files, **({"disk": small_disk, "read-only": read_only} if can_mount() else {})}


def attack(names: tuple[str, ...], sizes: int, chosen: Ways | None = None) -> Tally:
    """Every stage with every room."""
    tally, here = Tally(), Path.cwd()
    chosen = ways() if chosen is None else chosen
    kept = {name: os.environ.get(name) for name in ("PIPELINE_RUNS", "PIPELINE_CACHE", "PYTHONPATH")}
    with tempfile.TemporaryDirectory(prefix="full-") as given:
        root = Path(given)
        os.environ.update(PIPELINE_RUNS="runs", PIPELINE_CACHE="cache", PYTHONPATH=str(here))
        try:
            os.chdir(root)
            _make_files(root)
            for name in names:
                _stage(name, root, sizes, chosen, tally)
        finally:
            os.chdir(here)
            for name, value in kept.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
    return tally


def _stage(name: str, root: Path, sizes: int, chosen: Ways, tally: Tally) -> None:
    stage = STAGES[name]
    sound = _fresh(root, stage, "sound")
    os.chdir(sound)
    if name in WITHOUT_TENSORFLOW:
        forked.preload(stage.arguments)
        shutil.rmtree(sound)
        sound = _fresh(root, stage, "sound")
        os.chdir(sound)
    ended = forked.call(stage.arguments, seconds=SECONDS)
    os.chdir(root)
    if ended.status:
        tally.faults.append(f"{name} fails with room: {ended.output[-1000:]}")
        return
    files = [path for path in sound.rglob("*") if path.is_file()]
    whole = sum(-(-path.stat().st_size // PAGE) * PAGE + PAGE for path in files)
    largest = max(path.stat().st_size for path in files) if files else PAGE
    for way, limited in chosen.items():
        most = largest if way == "file limit" else whole
        rooms = [0] if way == "read-only" else [int(most * step / sizes) for step in range(sizes)]
        for room in rooms:
            folder = _fresh(root, stage, "tried")
            with limited(folder, room):
                ended = forked.call(stage.arguments, seconds=SECONDS)
            what = f"{name}, {way} of {room:,} bytes"
            tally.calls += 1
            tally.statuses[ended.status] += 1
            # stderr is a file here, which the limit holds for too.
            _judge(stage, folder, sound, ended, what, tally, speaks=way != "file limit" or room > WORDS)
            os.chdir(folder)
            again = forked.call(stage.arguments, seconds=SECONDS)
            os.chdir(root)
            if again.status:
                tally.faults.append(f"{what}: the next call ended with {again.status}: {again.output[-300:]!r}")
                continue
            tally.resumed += 1
            for path in stage.same:
                if (folder / path).read_bytes() != (sound / path).read_bytes():
                    tally.faults.append(f"{what}: another {path} after the next call")
            if left := [str(path) for path in folder.rglob("*partial-*")]:
                tally.faults.append(f"{what}: left behind after the next call: {left}")


def _judge(stage: Stage, folder: Path, sound: Path, ended: forked.Ended, what: str, tally: Tally, speaks: bool) -> None:
    """What a call must leave, whatever room it had."""
    faults = [fault for fault in ended.faults() if speaks or fault != "silent"]
    if ended.status not in (0, 1):
        faults.append(f"status {ended.status}")
    said = ended.stderr.rpartition(b"Error: ")[2]
    if (
        speaks
        and ended.status == 1
        and not any(word in said for word in (b"cannot be", b"No space", b"too large", b"Read-only", b"room for"))
    ):
        faults.append("no reason")
    if len(said) > 2048 or said.strip().count(b"\n"):
        faults += ["no paragraph"] if ended.status else []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.endswith((".lock", ".sqlite", ".sqlite-journal")):
            continue  # nobody's work: a lock is empty, and SQLite rolls its own journal back
        if ".partial-" in name or "/." in name:
            faults.append(f"left behind: {name}")
        elif name in stage.old and path.read_bytes() == b"old":
            continue
        elif (name in stage.same and path.read_bytes() != (sound / name).read_bytes()) or not _is_whole(path):
            faults.append(f"half-written: {name}")
    faults += [f"lost: {name}" for name in stage.old if not (folder / name).is_file()]
    for fault in faults:
        tally.faults.append(f"{what}: {fault} (status {ended.status}): {ended.output.strip()[-300:]!r}")


def _is_whole(path: Path) -> bool:
    import h5py
    from PIL import Image

    from pipeline.tflite import flatbuffer

    try:
        match path.suffix:
            case ".json":
                json.loads(path.read_bytes())
            case ".zip" | ".keras":
                with zipfile.ZipFile(path) as archive:
                    return archive.testzip() is None
            case ".tflite":
                flatbuffer.read(path)
            case ".h5":
                with h5py.File(path) as file:
                    return "model_config" in file.attrs
            case ".png":
                with Image.open(path) as image:
                    image.load()
            case ".svg":
                return path.read_bytes().rstrip().endswith(b"</svg>")
            case ".npy":
                np.load(path, mmap_mode="r")
            case _:
                return path.stat().st_size > 0
    except Exception:
        return False
    return True


def _fresh(root: Path, stage: Stage, name: str) -> Path:
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in stage.old:
        (folder / path).write_bytes(b"old")
    return folder


def _make_files(root: Path) -> None:
    from tests import tiny_models

    (root / "model.tflite").write_bytes(tiny_models.digits())
    (root / "int8.tflite").write_bytes(tiny_models.joined("int8"))
    (root / "float.tflite").write_bytes(tiny_models.joined())
    rng = np.random.default_rng(0)
    arrays = {"x": rng.integers(0, 255, (400, 8, 8, 1)).astype(np.uint8), "y": np.arange(400) % 10}
    np.savez(root / "data.npz", **arrays)
    np.savez_compressed(root / "packed.npz", **arrays)
    for name in ("data", "packed"):
        section = {"source": "npz", "path": f"../{name}.npz", "preprocess": {"scale": "0..1"}, "limit": 60}
        recipe = {"name": name, "model": {"path": "../model.tflite"}, "data": section}
        (root / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    (root / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "name": "tiny"}))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, default=30)
    options.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    given = options.parse_args()
    tally = attack(tuple(given.stages), given.sizes)
    for fault in tally.faults:
        print(fault)
    print(tally)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
