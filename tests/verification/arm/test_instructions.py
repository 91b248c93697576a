"""Instruction words, as assemblers write them (LLVM's tests of the same instructions)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.verification.arm.instructions import INSTRUCTIONS, classify


@pytest.mark.parametrize(
    ("word", "kind", "text"),
    [
        (0x0E829420, "sdot", "sdot v0.2s, v1.8b, v2.8b"),
        (0x4E829420, "sdot", "sdot v0.4s, v1.16b, v2.16b"),
        (0x4F82E020, "sdot", "sdot v0.4s, v1.16b, v2.4b[0]"),
        (0x6E829420, "udot", "udot v0.4s, v1.16b, v2.16b"),
        (0x2F82E020, "udot", "udot v0.2s, v1.8b, v2.4b[0]"),
        (0x0E9E9DE3, "usdot", "usdot v3.2s, v15.8b, v30.8b"),
        (0x0FA2F83F, "usdot", "usdot v31.2s, v1.8b, v2.4b[3]"),
        (0x0F22F83F, "usdot", "sudot v31.2s, v1.8b, v2.4b[3]"),
        (0x4E9FA601, "smmla", "smmla v1.4s, v16.16b, v31.16b"),
        (0x6E9FA601, "ummla", "ummla v1.4s, v16.16b, v31.16b"),
        (0x4E9FAE01, "usmmla", "usmmla v1.4s, v16.16b, v31.16b"),
        (0x0E228020, "smlal", "smlal v0.8h, v1.8b, v2.8b"),
        (0x4E628020, "smlal", "smlal2 v0.4s, v1.8h, v2.8h"),
        (0x0E22C020, "smlal", "smull v0.8h, v1.8b, v2.8b"),
        (0x2E62C020, "smlal", "umull v0.4s, v1.4h, v2.4h"),
        (0x0F422020, "smlal", "smlal v0.4s, v1.4h, v2.h[0]"),
        (0x4E22CC20, "fmla", "fmla v0.4s, v1.4s, v2.4s"),
        (0x4F821020, "fmla", "fmla v0.4s, v1.4s, v2.s[0]"),
        (0x4E420C20, "fmla", "fmla v0.8h, v1.8h, v2.8h"),
        (0xA0800000, "sme", "smopa za0.s, p0/m, p0/m, z0.b, z0.b"),
        (0xC00800FF, "sme", "zero {za}"),
        (0x4EA28420, None, "add v0.4s, v1.4s, v2.4s"),
        (0x4E229C20, None, "mul v0.16b, v1.16b, v2.16b"),
        (0x4E229420, None, "mla v0.16b, v1.16b, v2.16b"),
        (0x0E22A020, None, "smlsl v0.8h, v1.8b, v2.8b"),
        (0xD503201F, None, "nop"),
        (0xD65F03C0, None, "ret"),
        (0x8B020020, None, "add x0, x1, x2"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_word_is_what_it_says(word: int, kind: str | None, text: str) -> None:
    [found] = classify(np.array([word], np.uint32))
    assert (None if found < 0 else INSTRUCTIONS[found]) == kind


def test_words_are_classified_in_place() -> None:
    words = np.array([0xD503201F, 0x4E829420, 0x4E829420, 0x4E9FA601], np.uint32)
    assert classify(words).tolist() == [-1, INSTRUCTIONS.index("sdot"), INSTRUCTIONS.index("sdot"), 3]
