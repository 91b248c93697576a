"""How far may a CONCATENATION's inputs be widened to its range? SQNR and QUANTIZE operators by the limit.

    python benchmarks/shared_ranges.py

Densely connected networks with seeded weights: each block's convolution reads all that came before and is concatenated
with it, so every range is both joined and computed with. The blocks' sizes spread by exp(N(0, spread)). Printed is the
mean and the least SQNR of the output over the networks, and the mean number of QUANTIZE operators, for several limits
(`pipeline.quantization.shared_ranges.WIDENED`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.quantization import shared_ranges
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.tiny_models import Graph

SIDE, CHANNELS = 6, 4
LIMITS = (1.0, 1.25, 1.5, 2.0, 4.0, float("inf"))
SPREADS = (0.0, 0.3, 0.7, 1.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=12)
    networks = parser.parse_args().networks
    rng = np.random.default_rng(1)
    levels = rng.uniform(-1, 1, (40, 1, 1, 1))
    x = {"x": rng.normal(levels, 0.5, (40, SIDE, SIDE, CHANNELS)).astype(np.float32)}
    for spread in SPREADS:
        models = [dense_network(seed, spread) for seed in range(networks)]
        ranges = [calibrate(model, [x]) for model in models]
        expected = [Runner(model, batch=8)(x).real["end"] for model in models]
        for limit in LIMITS:
            shared_ranges.WIDENED = limit
            written = [write(model, "int8", own) for model, own in zip(models, ranges, strict=True)]
            answers = [Runner(model, batch=8)(x).real["end"] for model in written]
            sqnr = [
                10 * np.log10((own**2).sum() / ((own - other) ** 2).sum())
                for own, other in zip(expected, answers, strict=True)
            ]
            quantize = np.mean([inspect(model).operator_counts.get("QUANTIZE", 0) for model in written])
            print(
                f"spread {spread:.1f}, limit {limit:4g}: {np.mean(sqnr):5.2f} dB, least {min(sqnr):5.2f}; "
                f"{quantize:.1f} QUANTIZE"
            )


def dense_network(seed: int, spread: float, blocks: int = 4) -> bytes:
    """x [?, 6, 6, 4] → blocks of convolution and CONCATENATION → a convolution, `end` [?, 6, 6, 6]."""
    rng, graph = np.random.default_rng(seed), Graph()
    one = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 0}

    def convolution(name: str, source: int, inputs: int, outputs: int, size: float) -> int:
        weights = rng.normal(0, np.sqrt(2 / (9 * inputs)), (outputs, 3, 3, inputs)) * size
        parts = [
            graph.tensor(f"{name}/weights", [outputs, 3, 3, inputs], data=weights.astype(np.float32)),
            graph.tensor(f"{name}/bias", [outputs], data=(rng.normal(0, 0.1, outputs) * size).astype(np.float32)),
        ]
        made = graph.tensor(name, [1, SIDE, SIDE, outputs], open_batch=True)
        graph.operator("CONV_2D", [source, *parts], [made], "Conv2DOptions", fusedActivationFunction=1, **one)
        return made

    x = end = graph.tensor("x", [1, SIDE, SIDE, CHANNELS], open_batch=True)
    channels = CHANNELS
    for block in range(blocks):
        branch = convolution(f"block_{block}", end, channels, 4, float(np.exp(rng.normal(0, spread))))
        channels += 4
        both = graph.tensor(f"both_{block}", [1, SIDE, SIDE, channels], open_batch=True)
        graph.operator("CONCATENATION", [end, branch], [both], "ConcatenationOptions", axis=3)
        end = both
    return graph.build([x], [convolution("end", end, channels, 6, 1.0)])


if __name__ == "__main__":
    main()
