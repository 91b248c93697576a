"""A step of QAT against a step of float training, in turns on the same batch.

    python benchmarks/qat_step.py [--model MobileNetV2] [--size 96] [--batch 32] [--rounds 15]

Prints the median step of both, the median of the paired ratios with its quartiles, and the machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from pipeline.benchmarking.host import describe_host
from pipeline.models.backend import tf, tf_keras
from pipeline.training import batch_norm
from pipeline.training.qat.apply import quantize_aware


def step_of(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """One compiled training step."""
    optimizer = tf_keras.optimizers.Adam(1e-5)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels = tf.constant(x), tf.constant(y)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        return value

    return step


def timed(step: Any) -> float:
    started = time.perf_counter()
    float(step())
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="MobileNetV2")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    factory = getattr(tf_keras.applications, arguments.model)
    shape = (arguments.size, arguments.size, 3)
    model = factory(weights=None, input_shape=shape, classes=10, classifier_activation=None)
    aware = quantize_aware(model)
    batch_norm.freeze(aware)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (arguments.batch, *shape)).astype(np.float32)
    y = rng.integers(0, 10, arguments.batch)
    plain, rounded = step_of(model, x, y), step_of(aware, x, y)
    for step in (plain, rounded):
        timed(step)  # traces
        timed(step)
    pairs = [(timed(plain), timed(rounded)) for _ in range(arguments.rounds)]
    low, ratio, high = statistics.quantiles((qat / float_ for float_, qat in pairs), n=4)
    print(f"{arguments.model} {arguments.size} px, batches of {arguments.batch}, {arguments.rounds} rounds in turns")
    print(f"float {1000 * statistics.median(pair[0] for pair in pairs):.0f} ms a step")
    print(f"QAT   {1000 * statistics.median(pair[1] for pair in pairs):.0f} ms a step")
    print(f"ratio {ratio:.2f} (quartiles {low:.2f} to {high:.2f})")
    print(describe_host())


if __name__ == "__main__":
    main()
