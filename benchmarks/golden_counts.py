"""Golden instruction counts: what each int8 model below costs on each emulated ARM profile, kept in golden_counts/.

    python -m benchmarks.golden_counts            # compare with what is kept; exit status 1 beyond the tolerance
    python -m benchmarks.golden_counts --write    # keep what is measured now

A worse graph (an operator that left XNNPACK, a layer that is no longer fused) shows in these numbers on any machine,
without a timer. They are guest instructions of one inference: a proxy for work, not latency.

Tolerance. The multiplying instructions (SMLAL, SDOT, SMMLA, ...) follow from the shapes alone: they must be equal. The
instructions in LiteRT's library may be off by 0.5 %; they too repeat exactly, but a rebuilt wheel of the same version
may move some. Other libraries are left out: the C library's allocator takes some hundred instructions more or less by
what the process did before. Weights do not matter, no kernel branches on them; neither does the host. Another version
of LiteRT may choose other kernels: its counts are others, and are written anew with the version noted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.files import write_text
from pipeline.progress import bar
from pipeline.tflite.runner import Runner
from pipeline.verification.arm import sysroot as sysroots
from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import PROXY
from pipeline.verification.arm.kernel_names import OTHER
from pipeline.verification.arm.machine import Job, emulate
from pipeline.verification.arm.profiles import PROFILES, Profile
from pipeline.verification.arm.sysroot import Sysroot

FOLDER = Path(__file__).parent / "golden_counts"
TOLERANCE = 0.005
EXACT = ("smlal", "sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "sme")


def keras_int8(model: Any) -> bytes:
    """A tf_keras model in this project's steps: convert, calibrate on seeded noise, int8."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write

    content = to_flatbuffer(model)
    x = np.random.default_rng(0).uniform(-1, 1, (4, *model.input_shape[1:])).astype(np.float32)
    return write(content, "int8", calibrate(content, [{"x": x}]))


def keras_model(name: str, side: int, alpha: float) -> Any:
    from pipeline.models.backend import tf_keras

    make = getattr(tf_keras.applications, name)
    return with_seeded_weights(make((side, side, 3), alpha=alpha, weights=None, classifier_activation=None))


def with_seeded_weights(model: Any) -> Any:
    """He initialization of every kernel: an untrained network whose answers still depend on its input."""
    rng = np.random.default_rng(1)

    def he(kernel: Any, depthwise: bool) -> Any:
        inputs = np.prod(kernel.shape[:2] if depthwise else kernel.shape[:-1])
        return rng.normal(0, np.sqrt(2 / inputs), kernel.shape)

    for layer in model.layers:
        depthwise = type(layer).__name__ == "DepthwiseConv2D"
        layer.set_weights([he(w, depthwise) if w.ndim > 1 else w for w in layer.get_weights()])
    return model


def block(name: str) -> bytes:
    from tests.verification.arm.zoo import int8_block

    return int8_block(name)


MODELS: Mapping[str, Callable[[], bytes]] = {
    "mobilenet_v1_0.25_96": lambda: keras_int8(keras_model("MobileNet", 96, 0.25)),
    "mobilenet_v2_0.35_96": lambda: keras_int8(keras_model("MobileNetV2", 96, 0.35)),
    "block_conv_3x3": lambda: block("conv 3x3"),
    "block_depthwise_3x3": lambda: block("depthwise 3x3"),
    "block_dense": lambda: block("dense"),
}


def measure(sysroot: Sysroot, profile: Profile, models: Mapping[str, bytes]) -> dict[str, Counts]:
    """Counts of every model on one profile, in one guest.

    Raises:
        PipelineError: instructions cannot be counted on this host.
    """
    if sysroot.no_plugin is not None:
        raise PipelineError(f"Instructions cannot be counted here: {sysroot.no_plugin}.")
    jobs = []
    for name, model in models.items():
        [spec] = Runner(model).inputs
        x = np.random.default_rng(0).integers(-128, 128, spec.shape).astype(spec.dtype)
        jobs.append(Job(model, [(x,)], count=True, name=name))
    answers = emulate(sysroot, profile, jobs, bar)
    return {name: answer.counts for name, answer in zip(models, answers, strict=True) if answer.counts is not None}


def golden(model: str) -> dict[str, Any]:
    """What is kept of a model: `profiles`, and the `ai_edge_litert` it is of."""
    content: dict[str, Any] = json.loads((FOLDER / f"{model}.json").read_text(encoding="utf-8"))
    return content


def facts(counts: Counts) -> dict[str, Any]:
    families: dict[str, int] = {}
    for kernel in counts.kernels:
        families[kernel.family] = families.get(kernel.family, 0) + kernel.instructions
    kinds = {kind: counts.by_kind[kind] for kind in EXACT if counts.by_kind[kind]}
    return {"litert_instructions": inside(counts), **kinds, "families": dict(sorted(families.items()))}


def inside(counts: Counts) -> int:
    """Instructions in LiteRT's own library."""
    return counts.instructions - sum(kernel.instructions for kernel in counts.kernels if kernel.family == OTHER)


def complaints(kept: Mapping[str, Any], counts: Counts) -> list[str]:
    """How a measurement is beyond the tolerance of what is kept; nothing where it is within."""
    found = [
        f"{kind.upper()} {counts.by_kind[kind]:,}, kept {kept.get(kind, 0):,}"
        for kind in EXACT
        if counts.by_kind[kind] != kept.get(kind, 0)
    ]
    change = inside(counts) / kept["litert_instructions"] - 1
    if abs(change) > TOLERANCE:
        found.append(f"{inside(counts):,} instructions in LiteRT, kept {kept['litert_instructions']:,} ({change:+.1%})")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep what is measured now")
    options = parser.parse_args()
    models = {name: make() for name, make in MODELS.items()}
    sysroot = sysroots.ensure(bar, lambda message: print(message, file=sys.stderr))
    measured = {name: measure(sysroot, profile, models) for name, profile in PROFILES.items()}
    print(f"{PROXY}, in LiteRT's library; ai-edge-litert {metadata.version('ai-edge-litert')}, {sysroot.qemu_version}")
    failed = False
    for model in MODELS:
        per_profile = {profile: counts[model] for profile, counts in measured.items()}
        for profile, counts in per_profile.items():
            kinds = ", ".join(f"{kind.upper()} {counts.by_kind[kind]:,}" for kind in EXACT if counts.by_kind[kind])
            wrong = [] if options.write else complaints(golden(model)["profiles"][profile], counts)
            failed |= bool(wrong)
            print(f"{model:22} {profile:8} {inside(counts):>11,}  {kinds:34} {'; '.join(wrong)}")
        if options.write:
            content = {
                "what": f"{PROXY}, in LiteRT's library",
                "ai_edge_litert": metadata.version("ai-edge-litert"),
                "profiles": {profile: facts(counts) for profile, counts in per_profile.items()},
            }
            write_text(FOLDER / f"{model}.json", json.dumps(content, indent=1) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
