"""Families of kernels, by the names in LiteRT 2.3's library."""

from __future__ import annotations

import pytest

from pipeline.verification.arm.kernel_names import family, short


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16__asm_aarch64_neon_mlal_lane_cortex_a53_prfm", "mlal"),
        ("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_1x16__neonv8_mlal_lane", "mlal"),
        ("xnn_qu8_gemm_minmax_rndnu16_ukernel_1x16__neon_mlal_lane", "mlal"),
        ("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_ld128", "neondot"),
        ("xnn_qs8_qc8w_igemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_cortex_a55", "neondot"),
        ("kai_run_matmul_clamp_f32_qai8dxp4x4_qsi8cxp4x4_16x4_neon_dotprod", "neondot"),
        ("xnn_qs8_qc8w_igemm_minmax_fp32_ukernel_4x16c8__neoni8mm", "neoni8mm"),
        ("kai_kernel_matmul_clamp_f32_qai8dxp4x8_qsi4c32p4x8_16x4x32_opt32_neon_i8mm", "neoni8mm"),
        ("xnn_qs8_qc8w_dwconv_minmax_fp32_ukernel_9p16c__neonv8_mla8_ld64", "neon"),
        ("xnn_f32_gemm_minmax_ukernel_6x8__asm_aarch64_neonfma_cortex_a75_prfm", "neonfma"),
        ("xnn_f16_gemm_minmax_ukernel_6x16__asm_aarch64_neonfp16arith_ld64", "neonfma"),
        ("xnn_x8_lut_ukernel__scalar_u4", "scalar"),
        ("kai_kernel_matmul_clamp_f32_qai8dxp1vlx8_qsi4cxp4vlx8_1vlx4vl_sme2_mopa", "sme"),
        ("kai_run_lhs_quant_pack_qai8dxp_f32", "runtime"),
        ("xnn_compute_gemm", "runtime"),
        ("pthreadpool_parallelize_2d", "runtime"),
        ("_ZN6tflite13optimized_ops14SoftmaxInt8LUTIaaEEvRKNS_13SoftmaxParamsE", "tflite"),
        ("_ZN3ruy26Kernel8bitNeonDotprodXXXXERKNS_16KernelParams8bitE", "tflite"),
        ("_ZN6tflite8Subgraph6InvokeEv", "runtime"),
    ],
)
def test_a_symbol_has_a_family(symbol: str, expected: str) -> None:
    assert family(symbol) == expected


def test_short_names_keep_what_tells_kernels_apart() -> None:
    assert short("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c8__neoni8mm") == "qs8_qc8w_gemm_4x16c8__neoni8mm"
    assert short("_ZN6tflite13optimized_ops14SoftmaxInt8LUTIaaEEv") == "optimized_ops.SoftmaxInt8LUT"
    assert short("memcpy") == "memcpy"
