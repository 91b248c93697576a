"""Functions by address, from the library of the installed runtime and from files that are none."""

from __future__ import annotations

from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest

from pipeline.verification.arm.counts import RUNTIME_LIBRARY
from pipeline.verification.arm.symbols import Symbols, read_symbols


@pytest.fixture(scope="module")
def runtime() -> Symbols:
    return read_symbols(Path(ai_edge_litert.__file__).parent / RUNTIME_LIBRARY)


def test_the_runtime_keeps_its_kernels_names(runtime: Symbols) -> None:
    names = {runtime.name(index) for index in range(len(runtime.addresses))}
    assert "xnn_compute_gemm" in names
    assert sum("ukernel" in name for name in names) > 100


def test_an_address_inside_a_function_is_its(runtime: Symbols) -> None:
    place = next(i for i in range(len(runtime.addresses)) if runtime.name(i) == "xnn_compute_gemm")
    start = runtime.addresses[place]
    found = runtime.find(np.array([start, start + np.uint64(4)], np.uint64))
    assert [runtime.name(int(i)) for i in found] == ["xnn_compute_gemm"] * 2


def test_before_the_first_function_there_is_none(runtime: Symbols) -> None:
    assert runtime.find(np.array([0], np.uint64)).tolist() == [-1]


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(b"\x7fELF\x01" + bytes(100))
    with pytest.raises(ValueError, match="no 64 bit ELF file"):
        read_symbols(path)
