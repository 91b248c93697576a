"""From a Keras model to files: this project against the ordinary TFLiteConverter script, and seven formats against one.

    python benchmarks/keras_to_int8.py [--model MobileNetV2] [--images 200] [--rounds 3]

Both sides start from the same Keras model in memory and the same images, in turns, in one process. Prints the median
times and the median of the paired ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.benchmarking.host import describe_host
from pipeline.conversion.import_float import import_float
from pipeline.models.backend import quiet_tensorflow, tf, tf_keras
from pipeline.quantization.formats import FORMATS
from pipeline.quantization.ptq import Quantizer, Settings, prepare
from pipeline.recipe import Format

Job = Callable[[], None]


def ordinary(model: object, images: np.ndarray) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.convert()


def here(model: object, images: np.ndarray, formats: Sequence[Format], settings: Settings) -> None:
    def inputs() -> list[dict[str, np.ndarray]]:
        return [{"x": images}]

    prepared = prepare(import_float(model).content, inputs, settings)
    quantizer = Quantizer(prepared, inputs, settings)
    for target in formats:
        quantizer(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="MobileNetV2", help="a name of tf_keras.applications")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = getattr(tf_keras.applications, options.model)(weights=None)
    images = np.random.default_rng(0).uniform(-1, 1, (options.images, *model.input_shape[1:])).astype(np.float32)
    plain, corrected = Settings(bias_correction=False), Settings()
    jobs: dict[str, Job] = {
        "ordinary TFLiteConverter script": lambda: ordinary(model, images),
        "here, min-max": lambda: here(model, images, ["int8"], plain),
        "here, bias correction": lambda: here(model, images, ["int8"], corrected),
        "here, learned rounding": lambda: here(model, images, ["int8"], Settings(rounding="learned")),
        "here, seven formats, min-max": lambda: here(model, images, FORMATS, plain),
        "here, seven formats, bias correction": lambda: here(model, images, FORMATS, corrected),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(options.rounds):
        for name, job in jobs.items():
            quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
            with quiet_tensorflow(), quiet[0], quiet[1]:
                started = time.perf_counter()
                job()
                seconds[name].append(time.perf_counter() - started)
    host = describe_host()
    print(f"{options.model}, {options.images} images, {options.rounds} rounds in turns, {host.cpu}, {host.cores} cores")
    [first, *_] = seconds.values()
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, first, strict=True))
        print(f"{name:38} {statistics.median(values):7.1f} s  {ratio:5.2f} times the ordinary script's")
    for kind in ("min-max", "bias correction"):
        pairs = zip(seconds[f"here, seven formats, {kind}"], seconds[f"here, {kind}"], strict=True)
        print(f"seven formats against one, {kind}: {statistics.median(a / b for a, b in pairs):.2f} times")


if __name__ == "__main__":
    main()
