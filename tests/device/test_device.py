"""One device: commands, their exit statuses, files, and a cable that is pulled."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pipeline.device.adb import AdbTimeoutError
from pipeline.device.device import Device, DeviceFullError, DeviceLostError, words
from pipeline.errors import PipelineError
from tests.device.standin.standin import StandIn


@pytest.mark.parametrize("status", [0, 1, 3, 127, 255])
def test_a_commands_exit_status_is_the_devices(device: Device, status: int) -> None:
    assert device.shell(f"exit {status}").status == status


def test_output_and_errors_come_apart(device: Device) -> None:
    done = device.shell("echo out; echo err >&2")
    assert (done.text, done.err) == ("out\n", "err\n")


def test_words_reach_the_command_as_they_are(device: Device) -> None:
    odd = ["two words", "it's", 'so "quoted"', "$HOME `id` $(id)", "*", "", "a\nb", "ä"]
    assert device.shell(words("printf", "%s|", *odd)).text == "".join(f"{word}|" for word in odd)


def test_what_must_work_says_what_and_why_where_it_does_not(device: Device) -> None:
    with pytest.raises(PipelineError, match=f"Counting failed on the device {device.serial}: out of fingers"):
        device.must("echo out of fingers >&2; exit 2", "Counting")
    with pytest.raises(PipelineError, match="exit status 4"):
        device.must("exit 4", "Counting")
    with pytest.raises(DeviceFullError, match="devices clean"):
        device.must("echo 'write: No space left on device' >&2; exit 1", "Writing")


def test_a_files_content_comes_byte_for_byte(device: Device, standin: StandIn) -> None:
    content = os.urandom(200_000) + b"\r\n\0" + str(standin.root).encode()
    file = standin.real("/data/local/tmp/it's a file")
    file.write_bytes(content)
    assert device.fetch("/data/local/tmp/it's a file") == content
    assert device.fetch("/data/local/tmp/none") is None


def test_a_command_that_hangs_is_stopped_and_ends_on_the_device(device: Device, standin: StandIn) -> None:
    with pytest.raises(AdbTimeoutError):
        device.shell("sleep 2; touch data/local/tmp/still-ran", timeout=0.3)
    time.sleep(2.5)
    assert not standin.real("/data/local/tmp/still-ran").exists()


def test_a_cable_pulled_in_the_middle_of_a_command(device: Device, standin: StandIn) -> None:
    threading.Timer(0.5, standin.unplug).start()
    with pytest.raises(DeviceLostError, match="went away in the middle"):
        device.shell("sleep 20")


def test_a_cable_pulled_before_a_copy(
    device: Device, standin: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("files") / "x"
    file.write_text("x")
    standin.unplug()
    with pytest.raises(DeviceLostError):
        device.send(file, "/data/local/tmp/x")


def test_a_copy_that_is_refused(device: Device, standin: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("x")
    standin.real("/data/local/tmp/folder/x").mkdir(parents=True)
    (standin.real("/data/local/tmp") / "file").write_text("")
    with pytest.raises(PipelineError, match="Copying"):
        device.send(file, "/data/local/tmp/file/x")
