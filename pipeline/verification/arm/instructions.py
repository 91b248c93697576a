"""Which of the instructions that int8 kernels are made of an aarch64 instruction word is.

Encodings: Arm Architecture Reference Manual for A-profile (DDI 0487), C4.1, "Advanced SIMD three same", "three same
extra", "three different" and "vector x indexed element"; SME: C4.1.1.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Instruction = Literal["sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "smlal", "fmla", "sme"]
"""`usdot` takes in SUDOT, `smlal` all widening 8 and 16 bit multiplications (SMULL, SMLAL, UMULL, UMLAL), `fmla`
single and half precision, `sme` anything of that group."""

INSTRUCTIONS: tuple[Instruction, ...] = get_args(Instruction)

_ENCODINGS: tuple[tuple[Instruction, int, int], ...] = (
    # instruction, mask, value
    ("sdot", 0xBFE0FC00, 0x0E809400),  # vector
    ("sdot", 0xBFC0F400, 0x0F80E000),  # by element
    ("udot", 0xBFE0FC00, 0x2E809400),
    ("udot", 0xBFC0F400, 0x2F80E000),
    ("usdot", 0xBFE0FC00, 0x0E809C00),
    ("usdot", 0xBFC0F400, 0x0F80F000),  # USDOT by element
    ("usdot", 0xBFC0F400, 0x0F00F000),  # SUDOT by element
    ("smmla", 0xFFE0FC00, 0x4E80A400),
    ("ummla", 0xFFE0FC00, 0x6E80A400),
    ("usmmla", 0xFFE0FC00, 0x4E80AC00),
    ("smlal", 0x9F20BC00, 0x0E208000),  # [SU]MLAL and [SU]MULL, vector
    ("smlal", 0x9F00F400, 0x0F002000),  # [SU]MLAL by element
    ("smlal", 0x9F00F400, 0x0F00A000),  # [SU]MULL by element
    ("fmla", 0xBFA0FC00, 0x0E20CC00),
    ("fmla", 0xBF80F400, 0x0F801000),
    ("fmla", 0xBFE0FC00, 0x0E400C00),  # half precision
    ("fmla", 0xBFC0F400, 0x0F001000),
    ("sme", 0x9E000000, 0x80000000),  # the whole group
)


def classify(words: NDArray[np.uint32]) -> NDArray[np.int8]:
    """The index in `INSTRUCTIONS` of each instruction word, −1 for any other instruction.

    Args:
        words: uint32 [N].

    Returns:
        int8 [N].
    """
    kinds = np.full(len(words), -1, np.int8)
    for name, mask, value in _ENCODINGS:
        kinds[(words & np.uint32(mask)) == np.uint32(value)] = INSTRUCTIONS.index(name)
    return kinds
