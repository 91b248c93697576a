"""What a device is and how it does, from what Android's own tools print."""

from __future__ import annotations

import pytest

from pipeline.device.device import Device
from pipeline.device.facts import Condition, Described, big_cores, condition, describe
from pipeline.device.results import Battery, Core, DeviceFacts, Thermal
from tests.device.standin.standin import StandIn


def cores(*khz: int | None) -> tuple[Core, ...]:
    return tuple(Core(id=place, max_khz=clock) for place, clock in enumerate(khz))


def test_the_stand_in_says_that_it_is_one(device: Device, standin: StandIn) -> None:
    found = describe(device)
    assert found.stand_in
    assert found.kind("native") == found.kind("app") == "loopback-standin"
    assert "not on a phone" in str(found.not_a_phone)
    assert found.facts.serial == standin.serial


def test_a_phones_properties(device: Device, standin: StandIn) -> None:
    phone = {
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 8",
        "ro.soc.manufacturer": "Google",
        "ro.soc.model": "Tensor G3",
        "ro.board.platform": "zuma",
    }
    standin.set_properties(**phone)
    facts = describe(device).facts
    assert (facts.manufacturer, facts.model, facts.soc) == ("Google", "Pixel 8", "Google Tensor G3")
    assert (facts.abi, facts.android) == ("arm64-v8a", "14")
    assert describe(device).abis == ("arm64-v8a", "armeabi-v7a")
    standin.set_properties(**{"ro.soc.manufacturer": "", "ro.soc.model": ""})
    assert describe(device).facts.soc == "zuma"


def test_cores_and_their_clocks(device: Device, standin: StandIn) -> None:
    standin.real("sys/devices/system/cpu").rename(standin.root / "was")
    for number, clock in ((0, "1704000"), (10, "2914000"), (4, None)):
        standin.write(f"sys/devices/system/cpu/cpu{number}/online", "1")
        if clock:
            standin.write(f"sys/devices/system/cpu/cpu{number}/cpufreq/cpuinfo_max_freq", clock)
    standin.write("sys/devices/system/cpu/cpufreq/policy0", "")
    found = describe(device).facts.cpu_cores
    assert [(core.id, core.max_khz) for core in found] == [(0, 1_704_000), (4, None), (10, 2_914_000)]


@pytest.mark.parametrize(
    ("khz", "threads", "big"),
    [
        ((1_700, 1_700, 2_300, 2_900), 1, (2, 3)),
        ((1_700, 1_700, 2_300, 2_900), 3, (1, 2, 3)),
        ((2_900, 1_700, 1_700), 1, (0,)),
        ((2_000, 2_000), 1, None),
        ((2_000, None), 1, None),
        ((), 1, None),
    ],
)
def test_the_big_cores(khz: tuple[int | None, ...], threads: int, big: tuple[int, ...] | None) -> None:
    assert big_cores(cores(*khz), threads) == big


def test_temperature_is_the_skins_where_there_is_a_sensor(device: Device, standin: StandIn) -> None:
    assert condition(device).thermal == Thermal(status=0, celsius=33.4)
    standin.write(
        "etc/thermal",
        "Thermal Status: 2\nCached temperatures:\n\tTemperature{mValue=60.0, mType=3, mName=skin, mStatus=2}\n"
        "Current temperatures from HAL:\n\tTemperature{mValue=41.5, mType=3, mName=skin, mStatus=2}\n",
    )
    assert condition(device).thermal == Thermal(status=2, celsius=41.5)


def test_temperature_is_the_batterys_otherwise(device: Device, standin: StandIn) -> None:
    standin.real("etc/thermal").unlink()
    assert condition(device).thermal == Thermal(status=None, celsius=31.2)


def test_the_battery(device: Device, standin: StandIn) -> None:
    assert condition(device).battery == Battery(percent=85, charging=False)
    standin.write("etc/battery", "  level: 7\n  status: 2\n")
    assert condition(device).battery == Battery(percent=7, charging=True)
    standin.real("etc/battery").unlink()
    assert condition(device) == Condition(Thermal(status=0, celsius=33.4), Battery())


def test_heat_and_a_low_battery_are_reasons_to_doubt() -> None:
    assert Condition(Thermal(status=1), Battery(percent=50, charging=False)).why_not_valid() == []
    assert Condition(Thermal(), Battery()).why_not_valid() == []
    assert Condition(Thermal(), Battery(percent=7, charging=True)).why_not_valid() == []
    hot = Condition(Thermal(status=3), Battery(percent=7, charging=False)).why_not_valid()
    assert len(hot) == 2
    assert "thermal status 3" in hot[0]
    assert "7 %" in hot[1]


@pytest.mark.parametrize(
    ("stand_in", "emulator", "said"), [(True, False, "stand-in"), (False, True, "emulator"), (False, False, "None")]
)
def test_only_a_phone_is_a_phone(stand_in: bool, emulator: bool, said: str) -> None:
    found = Described(DeviceFacts(), (), stand_in, emulator)
    assert said in str(found.not_a_phone)
    assert found.kind("native") == ("loopback-standin" if stand_in else "native")


def test_an_emulator_is_known_by_its_property(device: Device, standin: StandIn) -> None:
    standin.set_properties(**{"ro.boot.loopback_standin": "", "ro.boot.qemu": "1"})
    found = describe(device)
    assert (found.stand_in, found.emulator) == (False, True)
