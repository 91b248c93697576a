"""A counter's file: windows, kinds of instructions, kernels, and what is not the runtime's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.verification.arm.counts import Counts, Reader, windows
from pipeline.verification.arm.instructions import INSTRUCTIONS
from pipeline.verification.arm.symbols import Symbols

SDOT, NOP = "4e829420", "d503201f"
LIBRARIES = {
    "/x/bin/python3.11": (0x400000, 0x800000),
    "/x/site/libpywrap_litert_common.so": (0x10000000, 0x11000000),
    "/x/lib/libc.so.6": (0x20000000, 0x21000000),
}
NAMES = ("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_ld128", "xnn_compute_gemm")


@pytest.fixture
def reader() -> Reader:
    strings = b"\0".join(name.encode() for name in NAMES) + b"\0"
    names = np.array([0, len(NAMES[0]) + 1], np.uint32)
    return Reader(LIBRARIES, Symbols(np.array([0x100, 0x200], np.uint64), names, strings))


def window(*blocks: tuple[int, int, str]) -> str:
    return "".join(f"{address:x} {times:x} {words}\n" for address, times, words in blocks)


def test_instructions_are_counted_by_kind_and_kernel(reader: Reader) -> None:
    found = reader.counts(
        window(
            (0x10000100, 10, SDOT + SDOT + NOP),
            (0x10000180, 2, NOP),
            (0x10000200, 5, NOP),
            (0x20000000, 7, NOP + NOP),
        )
    )
    assert found.instructions == 30 + 2 + 5 + 14
    assert found.by_kind["sdot"] == 20
    assert sum(found.by_kind.values()) == 20
    assert [(k.symbol, k.family, k.instructions) for k in found.kernels] == [
        (NAMES[0], "neondot", 32),
        ("other libraries", "other", 14),
        (NAMES[1], "runtime", 5),
    ]
    assert found.families == {"neondot": 32 / 51, "other": 14 / 51, "runtime": 5 / 51}


def test_the_interpreter_that_drives_the_runtime_does_not_count(reader: Reader) -> None:
    assert reader.counts(window((0x400100, 1000, NOP + SDOT))) == Counts(0, dict.fromkeys(INSTRUCTIONS, 0), ())


def test_an_empty_window_counts_nothing(reader: Reader) -> None:
    assert reader.counts("").instructions == 0
    assert reader.counts("").families == {}


def test_windows_come_in_order_and_a_cut_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text(f"window\n1 1 {NOP}\nend\nwindow\n2 1 {NOP}\nend\nwindow\n3 1 {NOP[:4]}")
    assert windows(path) == [f"1 1 {NOP}\n", f"2 1 {NOP}\n"]
