"""The ARM CPUs that stand for phones: what is emulated, what the runtime is told, and which instructions must run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pipeline.errors import InputError, did_you_mean
from pipeline.verification.arm.instructions import Instruction


class Cpu(Enum):
    """What QEMU may be asked to emulate; nothing else can be.

    QEMU 7.2 computes some SME instructions wrongly, without a word, and its `max` CPU has them. So `max` is here only
    without SME.
    """

    CORTEX_A53 = "cortex-a53"
    CORTEX_A76 = "cortex-a76"
    MAX_WITHOUT_SME = "max,sme=off"


_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_DOTPROD = f"{_BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
_I8MM = f"{_DOTPROD} sve sve2 svei8mm i8mm bf16"

_BEYOND_V8_0: tuple[Instruction, ...] = ("sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "sme")


@dataclass(frozen=True)
class Profile:
    """One kind of phone core.

    The kernels are chosen by two things that must agree: the features QEMU gives the program (`cpu`), and the core that
    /proc/cpuinfo names (`part`). A core with more than `cpu` has ends in an illegal instruction.
    """

    name: str
    stands_for: str
    cpu: Cpu
    core: str
    """The core that the runtime is told it runs on."""
    part: int
    """That core's number in /proc/cpuinfo, implementer 0x41 (ARM)."""
    variant: int
    revision: int
    features: str
    expected: tuple[Instruction, ...]
    """The instructions that int8 matrix kernels are made of here: one of them must run."""
    forbidden: tuple[Instruction, ...]
    """What this kind of core does not have: none may run."""
    family: str
    """The kernels that int8 matrix multiplications should take, as in `kernels.family`."""

    def __post_init__(self) -> None:
        if not isinstance(self.cpu, Cpu):
            raise TypeError(f"A profile emulates one of {[cpu.name for cpu in Cpu]}, not {self.cpu!r}.")

    def write_machine(self, root: Path) -> None:
        """The files by which the runtime knows its core, under a folder that stands for `/`: one core of this kind."""
        cpuinfo = (
            f"processor\t: 0\nBogoMIPS\t: 100.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: {self.variant:#x}\nCPU part\t: {self.part:#x}\n"
            f"CPU revision\t: {self.revision}\n\n"
        )
        files = {"proc/cpuinfo": cpuinfo}
        files |= {f"sys/devices/system/cpu/{name}": "0\n" for name in ("possible", "present", "online")}
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="ascii")


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="armv8.0",
            stands_for="old and small cores without dot product, such as the Cortex-A53",
            cpu=Cpu.CORTEX_A53,
            core="Cortex-A53",
            part=0xD03,
            variant=0x0,
            revision=4,
            features=_BASE,
            expected=("smlal",),
            forbidden=_BEYOND_V8_0,
            family="mlal",
        ),
        Profile(
            name="dotprod",
            stands_for="big cores since 2018, such as the Cortex-A76",
            cpu=Cpu.CORTEX_A76,
            core="Cortex-A76",
            part=0xD0B,
            variant=0x4,
            revision=1,
            features=_DOTPROD,
            expected=("sdot", "udot"),
            forbidden=("usdot", "smmla", "ummla", "usmmla", "sme"),
            family="neondot",
        ),
        Profile(
            name="i8mm",
            stands_for="cores since 2022 with int8 matrix multiplication, such as the Cortex-A710",
            cpu=Cpu.MAX_WITHOUT_SME,
            core="Cortex-A710",
            part=0xD47,
            variant=0x0,
            revision=0,
            features=_I8MM,
            expected=("smmla", "ummla", "usmmla"),
            forbidden=("sme",),
            family="neoni8mm",
        ),
        Profile(
            name="a55",
            stands_for="little cores with dot product, the Cortex-A55, which have kernels of their own",
            cpu=Cpu.CORTEX_A76,  # QEMU 7.2 has no Cortex-A55; the kernels are chosen by the part's number
            core="Cortex-A55",
            part=0xD05,
            variant=0x2,
            revision=0,
            features=_DOTPROD,
            expected=("sdot", "udot"),
            forbidden=("usdot", "smmla", "ummla", "usmmla", "sme"),
            family="neondot",
        ),
    )
}
"""By name, the oldest first."""


def chosen(names: Sequence[str]) -> tuple[Profile, ...]:
    """Profiles by name, each once, in the order given; all of them for no names.

    Raises:
        InputError: there is no profile of a name.
    """
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        known = ", ".join(PROFILES)
        raise InputError(
            f"There is no ARM profile '{unknown[0]}'.{did_you_mean(unknown[0], PROFILES)} The profiles are {known}."
        )
    return tuple(PROFILES[name] for name in dict.fromkeys(names or PROFILES))
