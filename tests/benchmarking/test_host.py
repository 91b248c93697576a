from __future__ import annotations

import json

from pipeline.benchmarking.host import describe_host, parse_cpuinfo

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 avx2 fma avx512bw avx512_vnni avx_vnni amx_int8 amx_tile

processor\t: 1
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 avx2 fma avx512bw avx512_vnni avx_vnni amx_int8 amx_tile
"""

BIG_LITTLE = """processor\t: 0
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm aes crc32 asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd05

processor\t: 7
Features\t: fp asimd evtstrm aes crc32 asimdhp asimddp i8mm sve
CPU implementer\t: 0x41
CPU part\t: 0xd44
"""


def test_x86() -> None:
    name, int8 = parse_cpuinfo(X86)
    assert name == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert int8 == ("avx2", "avx512bw", "avx_vnni", "avx512_vnni", "amx_int8")


def test_arm_gives_codes_and_what_all_cores_have() -> None:
    name, int8 = parse_cpuinfo(BIG_LITTLE)
    assert name == "ARM implementer 0x41 part 0xd05"
    assert int8 == ("neon", "dotprod")


def test_nothing_known() -> None:
    assert parse_cpuinfo("") == ("unknown", ())


def test_this_host() -> None:
    host = describe_host()
    assert host.cores >= 1
    assert host.memory_bytes > 2**20
    assert len(host.load_average) == 3
    content = json.loads(json.dumps(host.to_json()))
    assert set(content) == {
        "cpu",
        "architecture",
        "cores",
        "int8",
        "memory_bytes",
        "system",
        "load_average",
    }
