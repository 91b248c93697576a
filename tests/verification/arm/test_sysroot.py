"""The set-up in the cache: whole or not at all, made once, mended when it is damaged."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.progress import Track
from pipeline.verification.arm import sysroot as sysroots
from pipeline.verification.arm.setup import CannotEmulateError
from pipeline.verification.arm.sysroot import MARKER, ensure, load

ROOT = Path(__file__).parents[3]


class Quick:
    """A set-up of two files, which writes down that it was made."""

    breaks = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, track: Track) -> dict[str, Any]:
        (self.folder / "guest/usr").mkdir(parents=True)
        (self.folder / "guest/usr/python").write_text("python")
        if Quick.breaks:
            raise PipelineError("the network went away")
        time.sleep(0.2)
        (self.folder / "qemu").write_text("qemu")
        with (Path(os.environ["PIPELINE_CACHE"]) / "made").open("a") as file:
            file.write("once\n")
        return {"qemu": "qemu", "qemu_version": "1", "libraries": [], "python": "3.11", "no_plugin": "none"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path))
    monkeypatch.setattr(sysroots, "SetUp", Quick)
    monkeypatch.setattr(sysroots, "missing", list)
    monkeypatch.setattr(Quick, "breaks", False)
    return tmp_path


def times_made(cache: Path) -> int:
    return (cache / "made").read_text().count("once") if (cache / "made").exists() else 0


def test_it_is_made_once_and_found_again(cache: Path) -> None:
    said: list[str] = []
    first = ensure(say=said.append)
    assert ensure(say=said.append) == first
    assert times_made(cache) == 1
    assert "about 60 MB" in said[0]
    assert len(said) == 2


def test_its_place_names_the_runtime_it_is_for() -> None:
    assert sysroots.location().parent.name == "arm"
    assert sysroots.location().name.startswith(metadata.version("ai-edge-litert"))


def test_its_place_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_CACHE", "cache")
    assert sysroots.location().parent == tmp_path / "cache" / "arm"


def test_an_interrupted_set_up_leaves_nothing_and_the_next_one_is_whole(cache: Path) -> None:
    Quick.breaks = True
    with pytest.raises(PipelineError, match="network went away"):
        ensure()
    assert [path.name for path in (cache / "arm").iterdir() if path.is_dir()] == []
    Quick.breaks = False
    assert ensure().qemu.read_text() == "qemu"


@pytest.mark.parametrize("damage", ["file gone", "file cut", "marker gone", "marker cut"])
def test_what_is_damaged_is_made_again(damage: str, cache: Path) -> None:
    folder = ensure().folder
    match damage:
        case "file gone":
            (folder / "guest/usr/python").unlink()
        case "file cut":
            (folder / "guest/usr/python").write_text("py")
        case "marker gone":
            (folder / MARKER).unlink()
        case "marker cut":
            (folder / MARKER).write_text((folder / MARKER).read_text()[:40])
    assert load(folder) is None
    said: list[str] = []
    assert ensure(say=said.append).python_home.is_dir()
    assert times_made(cache) == 2
    assert said[0] == "the ARM set-up is damaged or incomplete: making it again"


def test_what_a_killed_process_left_is_cleared_away(cache: Path) -> None:
    left = cache / "arm" / f".{sysroots.key()}-abc123"
    left.mkdir(parents=True)
    (left / "half.deb").write_text("half")
    ensure()
    assert not left.exists()


def test_a_qemu_of_the_host_that_went_away_is_noticed(cache: Path, tmp_path: Path) -> None:
    folder = ensure().folder
    content = json.loads((folder / MARKER).read_text())
    content["facts"]["qemu"] = str(tmp_path / "gone")
    (folder / MARKER).write_text(json.dumps(content))
    assert load(folder) is None


def _ensure_in_a_process(_: int) -> str:
    return str(ensure().folder)


def test_two_processes_make_it_once(cache: Path) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        first, second = pool.map(_ensure_in_a_process, range(2))
    assert first == second
    assert times_made(cache) == 1


def test_a_host_that_cannot_says_what_it_lacks_and_never_passes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PIPELINE_CACHE", str(cache))
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(CannotEmulateError, match=r"nothing was proven. It lacks apt-get \(Debian, Ubuntu\)") as caught:
        ensure()
    assert caught.value.exit_status == 1


@pytest.mark.slow
def test_killed_in_the_middle_of_the_download_it_heals(
    sysroot: sysroots.Sysroot, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real thing: a process is killed while it downloads, and the next call makes it whole."""
    code = "from pipeline.verification.arm.sysroot import ensure; print(ensure().folder)"
    environment = {**os.environ, "PIPELINE_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
    deadline = time.time() + 120
    while not list((cache / "arm").glob(".*/host")) and time.time() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert load(sysroots.location()) is None
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    found = load(sysroots.location())
    assert found is not None
    assert found.python.is_file()
    assert not list((cache / "arm").glob(".*"))
