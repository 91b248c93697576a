"""Which device: every state that adb knows is told apart, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.device.adb import Adb, AdbTimeoutError, find
from pipeline.device.device import Device, DeviceLostError
from pipeline.device.devices import choose, choose_several, listed, parse
from pipeline.errors import InputError, PipelineError
from tests.device.conftest import Connect
from tests.device.standin.standin import StandIn

LISTED = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
R58M12ABCDE            device usb:1-4 product:beyond1lte model:SM_G973F device:beyond1 transport_id:1
0123456789ABCDEF       unauthorized usb:1-3 transport_id:2
192.168.1.7:37251      offline product:x model:Pixel_8 device:shiba transport_id:3
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://x] usb:1-2
emulator-5554          authorizing transport_id:4

"""


def scripted(path: Path, script: str) -> Adb:
    """An adb that is a shell script, for what a stand-in cannot be made to do."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Adb(path)


def test_what_adb_lists() -> None:
    assert [(entry.serial, entry.state, entry.model) for entry in parse(LISTED)] == [
        ("R58M12ABCDE", "device", "SM G973F"),
        ("0123456789ABCDEF", "unauthorized", None),
        ("192.168.1.7:37251", "offline", "Pixel 8"),
        ("????????????", "no permissions", None),
        ("emulator-5554", "authorizing", None),
    ]


@pytest.mark.parametrize("text", ["", "List of devices attached\n\n"])
def test_nothing_listed(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    ("serial", "advice"),
    [
        ("0123456789ABCDEF", "accept 'Allow USB debugging"),
        ("192.168.1.7:37251", "adb connect"),
        ("????????????", "udev rules"),
        ("emulator-5554", "not yet allowed"),
        ("nobody", "adb sees no device 'nobody'. adb sees: R58M12ABCDE"),
    ],
)
def test_a_device_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path, serial: str, advice: str) -> None:
    adb = scripted(tmp_path / "adb", f"cat <<'END'\n{LISTED}END")
    with pytest.raises(InputError) as refused:
        choose(adb, serial)
    assert advice in str(refused.value)


def test_no_device_at_all(adb: Adb) -> None:
    assert listed(adb) == []
    with pytest.raises(InputError, match=r"adb sees no device. Plug a phone in"):
        choose(adb)
    with pytest.raises(InputError, match=r"'R58'. It sees none"):
        choose(adb, "R58")


def test_the_only_device_need_not_be_named(adb: Adb, device: Device) -> None:
    assert choose(adb) == device
    assert choose(adb, device.serial) == device
    assert choose_several(adb, []) == [device]
    assert choose_several(adb, [device.serial, device.serial]) == [device]


def test_of_two_devices_one_must_be_named(
    adb: Adb, device: Device, tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn(tmp_path / "second") as second:
        connect(second)
        with pytest.raises(InputError) as refused:
            choose(adb)
        assert "say which with --serial" in str(refused.value)
        assert f"{device.serial} (Loopback stand in)" in str(refused.value)
        assert f"{second.serial} (Loopback stand in)" in str(refused.value)
        assert choose(adb, second.serial).serial == second.serial
        assert len(choose_several(adb, [device.serial, second.serial])) == 2
        monkeypatch.setenv("ANDROID_SERIAL", second.serial)
        assert choose(adb).serial == second.serial


def test_a_phone_that_has_not_allowed_this_computer(adb: Adb, tmp_path: Path, connect: Connect) -> None:
    with StandIn(tmp_path / "stand-in", authorized=False) as standin:
        assert connect(standin) == "unauthorized"
        with pytest.raises(InputError, match=r"unauthorized.*accept 'Allow USB debugging"):
            choose(adb)


def test_an_unauthorized_second_phone_is_not_in_the_way(
    adb: Adb, device: Device, tmp_path: Path, connect: Connect
) -> None:
    with StandIn(tmp_path / "second", authorized=False) as second:
        connect(second)
        assert choose(adb) == device


def test_a_phone_that_was_unplugged(adb: Adb, device: Device, standin: StandIn) -> None:
    standin.unplug()
    with pytest.raises(DeviceLostError, match="went away"):
        device.shell("echo still there")
    with pytest.raises(InputError, match=r"offline.*adb connect"):
        choose(adb, device.serial)


def test_a_device_without_shell_v2_reports_no_exit_statuses(adb: Adb, tmp_path: Path, connect: Connect) -> None:
    with StandIn(tmp_path / "old", features=("stat_v2",)) as old:
        connect(old)
        assert Device(adb, old.serial).call("shell", "exit 3").status == 0
        with pytest.raises(InputError, match="no shell_v2"):
            choose(adb)


def test_adb_on_the_path_comes_first_then_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, sdk = tmp_path / "bin" / "adb", tmp_path / "sdk" / "platform-tools" / "adb"
    for path in (on_path, sdk):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    environment = {"PATH": str(on_path.parent), "ANDROID_HOME": str(tmp_path / "sdk")}
    assert find(environment).path == on_path
    assert find({**environment, "PATH": str(tmp_path)}).path == sdk
    assert find({"PATH": "", "ANDROID_SDK_ROOT": str(tmp_path / "sdk")}).path == sdk


def test_without_any_adb_the_ways_to_get_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"apt-get install adb.*pip install adbutils"):
        find({"PATH": ""})


def test_an_adb_that_hangs_is_stopped(tmp_path: Path) -> None:
    adb = scripted(tmp_path / "adb", "exec sleep 60")
    with pytest.raises(AdbTimeoutError, match=r"did not end within 0.2 s"):
        adb.call("devices", timeout=0.2)


def test_an_adb_that_cannot_run_or_start_its_server(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be run"):
        Adb(tmp_path).call("devices")
    with pytest.raises(PipelineError, match="`adb devices` failed: cannot bind"):
        listed(scripted(tmp_path / "adb", "echo 'cannot bind' >&2; exit 1"))
