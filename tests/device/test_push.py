"""Files onto a device: whole or not at all, only what is not there, and off it again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.device.device import FOLDER, Device, DeviceFullError, DeviceLostError
from pipeline.device.push import clean, holds, push
from pipeline.errors import InputError, PipelineError
from pipeline.files import sha256
from tests import tiny_models
from tests.device.conftest import Connect
from tests.device.standin.standin import Faults, StandIn


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "digits.tflite"
    path.write_bytes(tiny_models.digits())
    return path


def files_on(standin: StandIn) -> list[str]:
    return sorted(path.name for path in standin.real(FOLDER).rglob("*") if path.is_file())


def test_a_pushed_file_is_there_byte_for_byte(device: Device, standin: StandIn, model: Path) -> None:
    (pushed,) = push(device, [model])
    assert pushed.path == f"{FOLDER}/digits.tflite"
    assert standin.real(pushed.path).read_bytes() == model.read_bytes()
    assert (pushed.sha256, pushed.size_bytes, pushed.skipped) == (sha256(model), model.stat().st_size, False)
    assert files_on(standin) == ["digits.tflite"]


def test_everyone_on_the_device_may_read_it(device: Device, standin: StandIn, model: Path) -> None:
    model.chmod(0o600)
    (pushed,) = push(device, [model])
    assert standin.real(pushed.path).stat().st_mode & 0o777 == 0o644
    assert standin.real(FOLDER).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "name", ["two words.tflite", 'it\'s "so".tflite', "$(date) `id` &;#*.tflite", "-n.tflite", "ä.tflite"]
)
def test_any_name_goes_through_two_shells(device: Device, standin: StandIn, model: Path, name: str) -> None:
    named = model.rename(model.with_name(name))
    assert not push(device, [named])[0].skipped
    assert push(device, [named])[0].skipped
    assert files_on(standin) == [name]
    assert holds(device) == [(name, named.stat().st_size)]


def test_what_is_there_is_known_by_its_content_not_its_size(device: Device, standin: StandIn, model: Path) -> None:
    push(device, [model])
    there = standin.real(f"{FOLDER}/digits.tflite")
    before = there.stat()
    assert push(device, [model])[0].skipped
    assert there.stat().st_mtime_ns == before.st_mtime_ns

    content = bytearray(there.read_bytes())
    content[-1] ^= 1
    there.write_bytes(content)
    os.utime(there, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not push(device, [model])[0].skipped
    assert there.read_bytes() == model.read_bytes()


def test_of_several_files_only_the_new_ones_are_copied(device: Device, model: Path) -> None:
    labels = model.with_name("labels.txt")
    labels.write_text("0\n1\n")
    push(device, [model])
    assert [entry.skipped for entry in push(device, [labels, model])] == [False, True]


def test_a_file_may_get_another_name_there(device: Device, standin: StandIn, model: Path) -> None:
    assert push(device, [model], names=["mine-int8.tflite"])[0].path == f"{FOLDER}/mine-int8.tflite"
    assert "mine-int8.tflite" in files_on(standin)


def test_a_connection_that_breaks_leaves_no_half_model_under_its_name(
    tmp_path: Path, device: Device, standin: StandIn, connect: Connect
) -> None:
    large = tmp_path / "large.tflite"
    large.write_bytes(b"\0\0\0\0TFL3" + os.urandom(3_000_000))
    standin.faults = Faults(drop_after=1_000_000)
    with pytest.raises(DeviceLostError, match="went away"):
        push(device, [large])
    (part,) = files_on(standin)
    assert part.endswith(".part")

    # What the broken transfer left goes when the device is back and nobody can still be writing it.
    an_hour_ago = time.time() - 2 * 3600
    os.utime(standin.real(f"{FOLDER}/{part}"), (an_hour_ago, an_hour_ago))
    with StandIn(standin.root) as again:
        connect(again)
        push(Device(device.adb, again.serial), [large])
    assert files_on(standin) == ["large.tflite"]


def test_a_broken_connection_leaves_the_model_of_before(tmp_path: Path, device: Device, standin: StandIn) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"\0\0\0\0TFL3 before")
    push(device, [model])
    model.write_bytes(b"\0\0\0\0TFL3" + os.urandom(3_000_000))
    standin.faults = Faults(drop_after=1_000_000)
    with pytest.raises(DeviceLostError):
        push(device, [model])
    assert standin.real(f"{FOLDER}/model.tflite").read_bytes() == b"\0\0\0\0TFL3 before"


def test_a_full_device_is_said_so_and_keeps_nothing_of_it(device: Device, standin: StandIn, model: Path) -> None:
    standin.faults = Faults(free=100)
    with pytest.raises(DeviceFullError, match="no room left"):
        push(device, [model])
    assert files_on(standin) == []


def test_a_file_that_arrives_damaged_is_refused(device: Device, standin: StandIn, model: Path) -> None:
    standin.faults = Faults(damage=True)
    with pytest.raises(PipelineError, match="arrived damaged"):
        push(device, [model])
    assert files_on(standin) == []


def test_clean_removes_what_was_pushed_and_nothing_else(device: Device, standin: StandIn, model: Path) -> None:
    other = standin.write("data/local/tmp/somebody elses.tflite", "theirs")
    push(device, [model])
    assert clean(device) == 1
    assert not standin.real(FOLDER).exists()
    assert other.read_text() == "theirs"
    assert clean(device) == 0
    assert holds(device) == []


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["missing.tflite"], "no file"),
        (["text.tflite"], "not a .tflite model"),
        (["a/digits.tflite", "b/digits.tflite"], "Two of the files"),
        (["line\nbreak.txt"], "line break"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_copied(
    device: Device, standin: StandIn, tmp_path: Path, names: list[str], reason: str
) -> None:
    for name in names[:] if names[0] != "missing.tflite" else []:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"hello" if name.startswith("text") else tiny_models.digits())
    with pytest.raises(InputError, match=reason):
        push(device, [tmp_path / name for name in names])
    assert files_on(standin) == []
