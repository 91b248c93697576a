"""Calibration, per image: this project's estimators against TensorFlow's calibrator, ai-edge-quantizer's and bare runs.

    python benchmarks/calibration.py [--model MobileNetV2] [--images 200] [--rounds 3]

Every side calibrates the same float flatbuffer on the same random images, in turns. Prints the median time an image,
the median of the paired ratios to min-max here, and the peak memory of calibrating 100 and 2,000 images.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ai_edge_quantizer import quantizer
from ai_edge_quantizer import recipe as standard

from pipeline.benchmarking.host import describe_host
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.observers import ESTIMATORS
from pipeline.tflite.runner import Runner
from pipeline.tflite.runtime_messages import without_messages
from pipeline.tflite.signature import with_signature

BATCH = 4
THREADS = 2


def bare(content: bytes, images: np.ndarray) -> None:
    runner = Runner(content, threads=THREADS, batch=BATCH)
    for start in range(0, len(images), BATCH):
        runner.run(images[start : start + BATCH])


def tensorflow(content: bytes, images: np.ndarray) -> None:
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    with without_messages():
        calibrator = Calibrator(content)
        calibrator._feed_tensors(lambda: ([image[None]] for image in images), resize_input=True)


def ai_edge(content: bytes, images: np.ndarray) -> None:
    writer = quantizer.Quantizer(bytearray(with_signature(content)))
    writer.load_quantization_recipe(standard.static_wi8_ai8())
    name = Runner(content).inputs[0].name
    data = {"serving_default": [{name: image[None]} for image in images]}
    with without_messages(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        writer.calibrate(data, num_threads=THREADS)


def sides() -> dict[str, Callable[[bytes, np.ndarray], object]]:
    ours = {
        estimator: lambda content, images, estimator=estimator: calibrate(
            content, [{"x": images}], estimator=estimator, threads=THREADS
        )
        for estimator in ESTIMATORS
    }
    return {"bare float inference": bare, **ours, "TensorFlow's calibrator": tensorflow, "ai-edge-quantizer": ai_edge}


def peak_memory(path: Path, images: int) -> float:
    """Of a process that calibrates so many images, made while they are streamed, in MB."""
    command = [sys.executable, __file__, "--memory", str(path), "--images", str(images)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def streamed(shape: tuple[int, ...], images: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(images // BATCH):
        yield rng.uniform(-1, 1, (BATCH, *shape)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="MobileNetV2", help="a name of tf_keras.applications")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        content = options.memory.read_bytes()
        images = streamed(Runner(content).inputs[0].shape[1:], options.images)
        calibrate(content, ({"x": x} for x in images), threads=THREADS)
        # Not getrusage: its peak is inherited from the parent over fork and exec.
        [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
        print(int(line.split()[1]) / 1024)
        return
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras

    tf_keras.utils.set_random_seed(0)
    content = to_flatbuffer(getattr(tf_keras.applications, options.model)(weights=None))
    shape = Runner(content).inputs[0].shape[1:]
    images = np.random.default_rng(0).uniform(-1, 1, (options.images, *shape)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in sides()}
    for _ in range(options.rounds):
        for name, work in sides().items():
            started = time.perf_counter()
            work(content, images)
            times[name].append((time.perf_counter() - started) / len(images) * 1000)
    host = describe_host()
    print(f"{options.model}, {options.images} images, {THREADS} threads, {host.cpu}, {host.cores} cores")
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(taken, times["min_max"], strict=True))
        print(f"{name:24} {statistics.median(taken):7.2f} ms an image, {ratio:5.2f} times min_max's")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        few, many = (peak_memory(path, count) for count in (100, 2000))
    print(f"peak memory: {few:.0f} MB with 100 images, {many:.0f} MB with 2,000 (ratio {many / few:.2f})")


if __name__ == "__main__":
    main()
