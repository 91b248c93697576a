"""The family of a kernel, from its name.

XNNPACK names a microkernel after its operation, its tile and, behind two underscores, the instructions it is written
with: `xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_ld128`. KleidiAI (`kai_…`) has them at the end.
"""

from __future__ import annotations

import re

_FAMILIES: tuple[tuple[str, str], ...] = (
    # The first pattern that the name of a microkernel holds is its family.
    (r"sme2?(_|$)", "sme"),
    (r"neoni8mm|neon_i8mm", "neoni8mm"),
    (r"neondot|neon_dotprod", "neondot"),
    (r"neon\w*_mlal", "mlal"),
    (r"neonfp16|neonbf16|neonfma", "neonfma"),
    (r"sve", "sve"),
    (r"neon", "neon"),
    (r"scalar", "scalar"),
)

RUNTIME = "runtime"
"""XNNPACK's and LiteRT's own code around the kernels."""
TFLITE = "tflite"
"""TFLite's own kernels: what XNNPACK did not take."""
OTHER = "other"
"""Other libraries, such as the C library's memcpy."""


def family(symbol: str) -> str:
    """The family of a function of LiteRT's library.

    >>> family("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16__asm_aarch64_neon_mlal_lane_cortex_a53_prfm")
    'mlal'
    >>> family("xnn_qs8_qc8w_dwconv_minmax_fp32_ukernel_9p16c__neonv8_mla8_ld64")
    'neon'

    Returns:
        `neoni8mm`, `neondot`, `mlal`, `neonfma` (single or half precision float), `neon` (any other vector code),
        `sve`, `sme` or `scalar` for a microkernel; `TFLITE` or `RUNTIME` for the rest.
    """
    if (symbol.startswith("xnn_") and "ukernel" in symbol) or symbol.startswith("kai_"):
        instructions = symbol.rsplit("__", 1)[-1] if "__" in symbol else symbol
        for pattern, name in _FAMILIES:
            if re.search(pattern, instructions):
                return name
        return RUNTIME
    if re.match(r"_Z\w*?(6tflite\d|3ruy|9gemmlowp)", symbol) and not _SURROUNDINGS.search(symbol):
        return TFLITE
    return RUNTIME


_SURROUNDINGS = re.compile(r"Subgraph|Interpreter|xnnpack|Delegate|SignatureRunner|ArenaPlanner", re.IGNORECASE)


def short(symbol: str) -> str:
    """A kernel's name without what all have in common; the function's name of a mangled C++ symbol.

    >>> short("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_ld128")
    'qs8_qc8w_gemm_4x16c4__neondot_ld128'
    """
    if symbol.startswith("_Z"):
        return ".".join(_components(symbol)[-2:]) or symbol
    return re.sub(r"^xnn_|_minmax|_fp32(?=_ukernel)|_ukernel|asm_aarch64_", "", symbol)


def _components(symbol: str) -> list[str]:
    """The names that an Itanium-mangled symbol begins with: `_ZN6tflite9optimizedE…` → tflite, optimized."""
    names, position = [], len(symbol) - len(symbol.removeprefix("_Z").lstrip("NLK"))
    while match := re.match(r"\d+", symbol[position:]):
        start = position + match.end()
        names.append(symbol[start : start + int(match[0])])
        position = start + int(match[0])
    return names
