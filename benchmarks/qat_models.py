"""QAT of keras.applications: plain tfmot against this project's QAT, from the model to the int8 file.

    python benchmarks/qat_models.py [MODEL …] [--size 96] [--images FOLDER] [--keras3] [--json FILE] [--no-plain]
    python benchmarks/qat_models.py TRAINED.h5 --size 224 --count 300 --images FOLDER

Each model has random seeded weights, batch-norm statistics of a few training batches, ten classes without softmax,
and runs in a process of its own; or it is a file with trained weights, fed −1..1. The columns: whether plain
`tfmot.quantization.keras.quantize_model` takes it; how many things the doctor found and rewrote; the largest difference
of the rewritten model's output, relative to the largest output; the verdict over the int8 file; its operators left in
float; weights with a scale an output channel, of all; values whose range QAT learned, of all that int8 rounds; how many
of the int8 file's outputs are the very values of the fake-quant model, and of its top-1; and how near both are in dB
(output SQNR). Beside it stands how near QAT is to the float model, and PTQ with --ptq. On random weights a single
value that is rounded the other way, for a sum of float32 that is off by its last bit, is amplified from layer to layer:
two models with the same noise then differ by as much as each differs from float.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.tensors import only

MODELS = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "EfficientNetV2B0"),
    *("NASNetMobile", "ResNet50", "ResNet50V2", "DenseNet121", "Xception", "InceptionV3", "ConvNeXtTiny"),
    *("RegNetX002", "VGG16", "ResNetRS50"),
)
SMALLEST = {"InceptionV3": 75, "Xception": 71}
SCALES_ITSELF = ("MobileNetV3", "EfficientNet", "ConvNeXt", "RegNet", "ResNetRS")
"""Models with preprocessing inside; the others are fed −1..1."""
ONLY_MOVES = {"RESHAPE", "TRANSPOSE", "PAD", "MAX_POOL_2D", "STRIDED_SLICE", "SLICE"}
"""Operators that keep their input's scale and round nothing."""
CLASSES, BATCH = 10, 8


def main() -> None:
    arguments = _arguments()
    if arguments.one:
        print("RESULT " + json.dumps(measure(arguments)))
        return
    results = []
    for name in arguments.models or MODELS:
        result = _in_a_process(name, arguments)
        results.append(result)
        print(_line(result), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    done = sum(result.get("int8", False) for result in results)
    plain = sum(result.get("plain") == "passes" for result in results)
    told = f", plain tfmot takes {plain}" if arguments.plain else ""
    print(f"{done} of {len(results)} end in an int8 file, per channel{told}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One model, all the way."""
    from pipeline.conversion.import_float import import_float
    from pipeline.errors import PipelineError
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner
    from pipeline.training import batch_norm
    from pipeline.training.qat import graph as graphs
    from pipeline.training.qat.apply import quantize
    from pipeline.training.qat.range_variables import input_quantizers, set_ranges
    from pipeline.training.qat.rewrites import canonical
    from pipeline.training.qat.snap import snap

    name = arguments.models[0]
    size = max(arguments.size, SMALLEST.get(name, 32))
    trained = Path(name).is_file()
    shown = Path(name).stem if trained else name + (" (Keras 3)" if arguments.keras3 else "")
    result: dict[str, Any] = {"model": shown, "size": size}
    tf_keras.utils.set_random_seed(0)
    images = photos(arguments.images, size, arguments.count) * (1 if name.startswith(SCALES_ITSELF) else 1 / 127.5)
    images = images.astype(np.float32) - (0 if name.startswith(SCALES_ITSELF) else 1)
    train, test = images[: len(images) * 2 // 3], images[len(images) * 2 // 3 :]
    try:
        if trained:
            model = load_file(Path(name))
        else:
            model = _keras3(name, size) if arguments.keras3 else _keras2(name, size)
            fit_statistics(model, train)
        result["parameters"] = int(model.count_params())
        if arguments.plain:
            result["plain"] = _plain(model)
        started = time.time()
        graph = graphs.read(model)
        result["rewritten"] = len(canonical(graph))
        answer = model(test, training=False).numpy()
        same = graph.build()(test, training=False).numpy()
        result["difference"] = float(np.abs(same - answer).max() / np.abs(answer).max())
        aware = quantize(graph)
        result["seconds_to_wrap"] = round(time.time() - started, 1)
        batch_norm.freeze(aware)
        # As fine_tune does: else −1..1 puts every pixel halfway between two steps.
        set_ranges(aware, {next(iter(input_quantizers(aware).values())): (float(train.min()), float(train.max()))})
        targets = model(train, training=False).numpy()
        for start in range(0, len(train), BATCH):
            result["loss"] = _step(aware, train[start : start + BATCH], targets[start : start + BATCH])
        snap(aware)
        started = time.time()
        found = import_float(aware)
        prepared, learned = found.content, found.ranges
        int8 = write(prepared, "int8", learned.over(calibrate(prepared, [{"x": train}])))
        result["seconds_to_export"] = round(time.time() - started, 1)
        if arguments.ptq:
            float_model = import_float(model).content
            ptq = write(float_model, "int8", calibrate(float_model, [{"x": train}]))
            result["ptq_to_float"] = _sqnr(answer, only(Runner(ptq, batch=1)({"x": test}).real))
    except (PipelineError, ValueError, TypeError) as error:
        return result | {"error": " ".join(str(error).split())[:200]}
    found = inspect(int8)
    weights = [op.weights for op in found.operators if op.weights]
    rounded = {op.output for op in found.operators if op.compute == "int8" and op.name not in ONLY_MOVES}
    result |= {
        "int8": found.verdict.kind == "int8",
        "verdict": found.verdict.text,
        "operators": len(found.operators),
        "float_operators": [f"{op.name} {op.output}" for op in found.float_operators],
        "weights": len(weights),
        "per_channel": sum(w.per_channel for w in weights),
        "rounded": len(rounded),
        "learned": sum(name in learned for name in rounded),
    }
    simulated = aware(test, training=False).numpy()
    runner = Runner(int8, batch=1)
    written = only(runner({"x": test}).real)
    result["sqnr"] = _sqnr(simulated, written)
    half_a_step = (runner.outputs[0].scale or 0.0) / 2
    result["same_values"] = float((np.abs(simulated - written) < half_a_step).mean())
    result["qat_to_float"] = _sqnr(answer, simulated)
    result["same_top_1"] = float((simulated.argmax(-1) == written.argmax(-1)).mean())
    return result


def _step(aware: Any, images: np.ndarray, targets: np.ndarray) -> float:
    """One step of QAT, with a learning rate that hardly moves the weights; the ranges move."""
    from pipeline.models.backend import tf, tf_keras

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((aware(images, training=True) - targets) ** 2)
    gradients = tape.gradient(loss, aware.trainable_weights)
    tf_keras.optimizers.legacy.SGD(1e-6).apply_gradients(zip(gradients, aware.trainable_weights, strict=True))
    return float(loss)


def _keras2(name: str, size: int) -> Any:
    from pipeline.models.backend import tf_keras

    factory = getattr(tf_keras.applications, name)
    return factory(weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None)


def _keras3(name: str, size: int) -> Any:
    import keras

    from pipeline.models.load import load_file

    keras.utils.set_random_seed(0)
    factory = getattr(keras.applications, name, None)
    if factory is None:
        raise ValueError(f"Keras 3 has no {name}")
    source = factory(weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None)
    with tempfile.TemporaryDirectory() as folder:
        source.save(Path(folder) / "model.keras")
        return load_file(Path(folder) / "model.keras")


def fit_statistics(model: Any, images: np.ndarray) -> None:
    """Statistics that fit the random weights, as training would have left them; else nothing can be said of ranges."""
    from pipeline.training import batch_norm

    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    batch_norm.reestimate(model, batches)


def _plain(model: Any) -> str:
    import tensorflow_model_optimization as tfmot

    try:
        tfmot.quantization.keras.quantize_model(model)
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        return " ".join(str(error).split())[:120]
    return "passes"


def photos(folder: Path | None, size: int, count: int) -> np.ndarray:
    """0–255: photos where there is a folder of them, else smooth random images."""
    if folder is not None:
        from PIL import Image

        paths = sorted(path for kind in ("*.png", "*.jpg") for path in folder.rglob(kind))
        paths = paths[:: max(1, len(paths) // count)][:count]
        return np.stack(
            [np.asarray(Image.open(path).convert("RGB").resize((size, size)), np.float32) for path in paths]
        )
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, size // 8 + 1, size // 8 + 1, 3))
    smooth: np.ndarray = np.repeat(np.repeat(coarse, 8, 1), 8, 2)[:, :size, :size] + rng.normal(
        0, 8, (32, size, size, 3)
    )
    return np.clip(smooth, 0, 255).astype(np.float32)


def _sqnr(signal: np.ndarray, other: np.ndarray) -> float:
    noise = float(((signal - other) ** 2).sum())
    return round(10 * np.log10(float((signal**2).sum()) / max(noise, 1e-30)), 1)


def _in_a_process(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, name, "--one", "--size", str(arguments.size)]
    command += ["--count", str(arguments.count)]
    command += ["--images", str(arguments.images)] if arguments.images else []
    command += ["--ptq"] if arguments.ptq else []
    command += ["--keras3"] if arguments.keras3 else []
    command += [] if arguments.plain else ["--no-plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return {"model": name, "error": (done.stderr.strip().splitlines() or ["no answer"])[-1][:200]}
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def _line(result: dict[str, Any]) -> str:
    name = f"{result['model']:<26}"
    plain = f"plain tfmot: {'passes' if result.get('plain') == 'passes' else 'fails ':<7}" if "plain" in result else ""
    if "error" in result:
        return f"{name}{plain} FAILED: {result['error']}"
    return (
        f"{name}{plain} rewritten {result['rewritten']:>3}, difference {result['difference']:.0e}; "
        f"{result['verdict']}; {len(result['float_operators'])} of {result['operators']} operators in float; "
        f"per channel {result['per_channel']}/{result['weights']}; learned {result['learned']}/{result['rounded']}; "
        f"the same: {100 * result['same_values']:.1f} % of values, {100 * result['same_top_1']:.1f} % of top-1; "
        f"dB: int8 to QAT {result['sqnr']}, QAT to float {result['qat_to_float']}"
        + (f", PTQ to float {result['ptq_to_float']}" if "ptq_to_float" in result else "")
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all sixteen by default")
    parser.add_argument("--size", type=int, default=96, help="height and width of the input; at least the model's own")
    parser.add_argument("--images", type=Path, help="a folder of photos; random images by default")
    parser.add_argument("--count", type=int, default=24, help="images; two thirds train and calibrate")
    parser.add_argument("--keras3", action="store_true", help="the models of Keras 3, through pipeline.models.load")
    parser.add_argument("--ptq", action="store_true", help="quantize after training as well, for comparison")
    parser.add_argument("--json", type=Path, help="write the results here as well")
    parser.add_argument(
        "--no-plain", dest="plain", action="store_false", help="leave plain tfmot out: it takes minutes"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
