"""The functions of an ELF shared library, by address: which kernel a block of executed code belongs to.

The layout is that of `elf.h`, 64 bit, little endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SECTION = np.dtype(
    [
        ("name", "<u4"),
        ("type", "<u4"),
        ("flags", "<u8"),
        ("address", "<u8"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("link", "<u4"),
        ("info", "<u4"),
        ("align", "<u8"),
        ("entry_size", "<u8"),
    ]
)
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_FULL_TABLE, _DYNAMIC_TABLE = 2, 11
_FUNCTION = 2


@dataclass(frozen=True, eq=False)
class Symbols:
    """The functions of one library."""

    addresses: NDArray[np.uint64]
    """Of their first instructions, relative to the library's start, sorted: [S]."""
    _names: NDArray[np.uint32]
    _strings: bytes

    def name(self, index: int) -> str:
        start = int(self._names[index])
        return self._strings[start : self._strings.index(b"\0", start)].decode("ascii", "replace")

    def find(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The index of the function at or before each address, −1 before the first: [N] → [N]."""
        return np.searchsorted(self.addresses, addresses, side="right") - 1


def read_symbols(library: Path) -> Symbols:
    """The function symbols of a library, from its full symbol table or, where it was stripped, the dynamic one.

    Raises:
        ValueError: not a 64 bit ELF file, or damaged.
    """
    content = library.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        raise ValueError(f"{library} is no 64 bit ELF file")
    offset = int.from_bytes(content[0x28:0x30], "little")
    count = int.from_bytes(content[0x3C:0x3E], "little")
    sections = np.frombuffer(content, _SECTION, count, offset)
    for wanted in (_FULL_TABLE, _DYNAMIC_TABLE):
        for section in sections[sections["type"] == wanted]:
            table = np.frombuffer(content, _SYMBOL, int(section["size"]) // _SYMBOL.itemsize, int(section["offset"]))
            functions = table[((table["info"] & 15) == _FUNCTION) & (table["section"] != 0)]
            functions = functions[np.argsort(functions["value"], kind="stable")]
            text = sections[int(section["link"])]
            strings = content[int(text["offset"]) : int(text["offset"]) + int(text["size"])]
            return Symbols(functions["value"].copy(), functions["name"].copy(), strings)
    return Symbols(np.zeros(0, np.uint64), np.zeros(0, np.uint32), b"")
