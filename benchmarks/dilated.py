"""Dilated convolutions from TensorFlow's converter and from ours: operators, and latency in turns.

    python benchmarks/dilated.py [--size 65] [--rounds 5]

The network is an atrous spatial pyramid of depthwise-separable convolutions with rates 2, 4 and 8, as DeepLabV3+ ends
in (Chen et al. 2018, https://arxiv.org/abs/1802.02611), with random weights. Both files are quantized to int8 from
their float form in the same way. Prints the median latency of each side and the ratio, 1 thread, XNNPACK.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmarking.host import describe_host
from pipeline.benchmarking.latency import benchmark


def network(size: int) -> Any:
    from pipeline.models.backend import tf_keras

    layers, inputs = tf_keras.layers, tf_keras.Input((size, size, 64))
    branches = []
    for rate in (2, 4, 8):
        x = layers.DepthwiseConv2D(3, dilation_rate=rate, padding="same", use_bias=False)(inputs)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        branches.append(layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(64, 1, use_bias=False)(x))))
    return tf_keras.Model(inputs, layers.Conv2D(21, 1)(layers.Concatenate()(branches)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=65)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import quiet_tensorflow, tf, tf_keras
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.tflite.inspect import inspect

    tf_keras.utils.set_random_seed(0)
    model = network(options.size)
    with quiet_tensorflow():
        ordinary = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    sides = {"TensorFlow's converter": ordinary, "here": to_flatbuffer(model)}
    x = np.random.default_rng(0).normal(size=(2, options.size, options.size, 64)).astype(np.float32)
    host = describe_host()
    print(f"atrous pyramid at {options.size} px; {host.cpu} ({', '.join(host.int8)}), 1 thread")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("float32", "int8"):
            paths = []
            for number, content in enumerate(sides.values()):
                path = Path(folder) / f"{kind}_{number}.tflite"
                ranges = calibrate(content, [{"x": x}]) if kind == "int8" else None
                path.write_bytes(write(content, kind, ranges))
                paths.append(path)
            medians: list[list[float]] = [[], []]
            for _ in range(options.rounds):
                for side, timing in zip(medians, benchmark(paths, runs=20, warmup=3), strict=True):
                    side.append(timing.to_json()["latency_p50_ms"])
            times = [float(np.median(side)) for side in medians]
            for name, path, time in zip(sides, paths, times, strict=True):
                print(f"{kind:8} {name:24} {len(inspect(path.read_bytes()).operators):3} operators  {time:7.2f} ms")
            print(f"{kind:8} ratio {times[0] / times[1]:.2f}")


if __name__ == "__main__":
    main()
