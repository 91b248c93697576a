"""The profile table cannot express a CPU that QEMU computes wrongly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.benchmarking.host import parse_cpuinfo
from pipeline.errors import InputError
from pipeline.verification.arm.instructions import INSTRUCTIONS
from pipeline.verification.arm.profiles import PROFILES, Cpu, chosen


def test_max_with_sme_is_not_among_the_cpus() -> None:
    for cpu in Cpu:
        name, *properties = cpu.value.split(",")
        assert name != "max" or "sme=off" in properties


@pytest.mark.parametrize("cpu", ["max", "cortex-a76", "max,sme=off", None])
def test_a_profile_takes_no_cpu_but_one_of_the_table(cpu: object) -> None:
    with pytest.raises(TypeError, match="A profile emulates one of"):
        dataclasses.replace(PROFILES["i8mm"], cpu=cpu)  # type: ignore[arg-type]


def test_a_cpu_cannot_be_made_up() -> None:
    with pytest.raises(ValueError, match="'max' is not a valid Cpu"):
        Cpu("max")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_what_must_run_is_not_what_may_not(profile: object) -> None:
    p = PROFILES[profile.name]  # type: ignore[attr-defined]
    assert p.expected
    assert set(p.expected).isdisjoint(p.forbidden)
    assert {*p.expected, *p.forbidden} <= set(INSTRUCTIONS)


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("armv8.0", ("neon",)),
        ("dotprod", ("neon", "dotprod")),
        ("a55", ("neon", "dotprod")),
        ("i8mm", ("neon", "dotprod", "i8mm", "sve", "sve2", "svei8mm")),
    ],
)
def test_the_machine_says_what_it_has(name: str, sets: tuple[str, ...], tmp_path: Path) -> None:
    PROFILES[name].write_machine(tmp_path)
    _, found = parse_cpuinfo((tmp_path / "proc/cpuinfo").read_text())
    assert found == sets
    assert (tmp_path / "sys/devices/system/cpu/possible").read_text() == "0\n"


def test_no_names_mean_all_and_each_comes_once() -> None:
    assert [profile.name for profile in chosen([])] == ["armv8.0", "dotprod", "i8mm", "a55"]
    assert [profile.name for profile in chosen(["a55", "dotprod", "a55"])] == ["a55", "dotprod"]


def test_an_unknown_profile_gets_a_hint() -> None:
    with pytest.raises(InputError, match=r"no ARM profile 'dotprot'\. Did you mean 'dotprod'\?"):
        chosen(["dotprot"])
