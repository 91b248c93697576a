"""Keras → float flatbuffer: this project's one trace against `TFLiteConverter.from_keras_model`, interleaved.

    python benchmarks/convert.py [--model MobileNetV2] [--rounds 3]

Prints each side's median time, the median of the paired ratios, and whether the outputs are identical to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable

import numpy as np

from pipeline.benchmarking.host import describe_host
from pipeline.conversion.convert import to_flatbuffer
from pipeline.models.backend import quiet_tensorflow, tf, tf_keras
from pipeline.tensors import only
from pipeline.tflite.runner import Runner


def timed(work: Callable[[], bytes]) -> tuple[float, bytes]:
    started = time.perf_counter()
    with quiet_tensorflow(), contextlib.redirect_stdout(io.StringIO()):
        content = work()
    return time.perf_counter() - started, content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="MobileNetV2", help="a name of tf_keras.applications")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = getattr(tf_keras.applications, options.model)(weights=None)
    ours, theirs = [], []
    for _ in range(options.rounds):
        seconds, fast = timed(lambda: to_flatbuffer(model))
        ours.append(seconds)
        seconds, ordinary = timed(lambda: tf.lite.TFLiteConverter.from_keras_model(model).convert())
        theirs.append(seconds)
    x = np.random.default_rng(0).uniform(-1, 1, (1, *model.input_shape[1:])).astype(np.float32)
    difference = float(np.abs(only(Runner(fast)({"x": x}).real) - only(Runner(ordinary)({"x": x}).real)).max())
    host = describe_host()
    print(
        f"{options.model}, {host.cpu}, {host.cores} cores, load {host.load_average[0]:.1f}, TensorFlow {tf.__version__}"
    )
    print(f"one trace:        {statistics.median(ours):6.2f} s (median of {options.rounds})")
    print(f"from_keras_model: {statistics.median(theirs):6.2f} s")
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    print(f"ratio:            {ratio:6.2f} (median of the paired ratios)")
    print(f"largest difference of the outputs: {difference:g}")


if __name__ == "__main__":
    main()
