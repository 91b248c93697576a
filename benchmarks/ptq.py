"""int8 after training, on the same float model and images: this project against its peers.

The peers are TFLiteConverter, ai-edge-quantizer's static recipe and, where `pip install '.[peers]'` was done, ONNX
Runtime's static quantization.

    python benchmarks/ptq.py MODEL.h5 --data labels.csv --scale=-1..1 --size 224

MODEL is any Keras model, the data a folder, CSV or NPZ with a calibration and a test split (as recipes take it). Every
side is given the same calibration examples and judged on the same test examples. Prints top-1, agreement with the
float model, the time from the Keras model to the int8 file, and the latency ratio to TFLiteConverter's file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_quantizer import quantizer
from ai_edge_quantizer import recipe as standard

from pipeline import recipe as recipes
from pipeline.benchmarking.host import describe_host
from pipeline.benchmarking.latency import benchmark
from pipeline.conversion.convert import to_flatbuffer
from pipeline.conversion.import_float import import_float
from pipeline.data import load
from pipeline.evaluation.evaluator import evaluate
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.load import load_file
from pipeline.quantization.auto import choose
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.tasks.registry import resolve
from pipeline.tasks.task import Task
from pipeline.tensors import only
from pipeline.tflite.endings import endings
from pipeline.tflite.inspect import inspect
from pipeline.tflite.kernels import open_runner
from pipeline.tflite.runner import Runner

Write = Callable[[Any, np.ndarray], bytes]


def converter(model: Any, images: np.ndarray) -> bytes:
    work = tf.lite.TFLiteConverter.from_keras_model(model)
    work.optimizations = [tf.lite.Optimize.DEFAULT]
    work.representative_dataset = lambda: ([image[None]] for image in images)
    work.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    work.inference_input_type = work.inference_output_type = tf.int8
    return bytes(work.convert())


def ai_edge(model: Any, images: np.ndarray) -> bytes:
    content = to_flatbuffer(model)
    writer = quantizer.Quantizer(bytearray(content))
    writer.load_quantization_recipe(standard.static_wi8_ai8())
    name = Runner(content).inputs[0].name
    measured = writer.calibrate({"serving_default": [{name: image[None]} for image in images]}, num_threads=2)
    return bytes(writer.quantize(measured).quantized_model)


def _task(content: bytes) -> Task:
    """What counts as the same answer, read off the model alone."""
    return resolve("auto", open_runner(content).signature, endings(content), {}, {}).task


def ours(settings: Settings | None) -> Write:
    def write(model: Any, images: np.ndarray) -> bytes:
        content = import_float(model).content
        chosen = settings or choose(content, lambda: [{"x": images}], len(images), task=_task(content)).settings
        prepared = prepare(content, lambda: [{"x": images}], chosen, examples=len(images))
        return quantize(prepared, "int8", lambda: [{"x": images}], chosen)[0]

    return write


SIDES: dict[str, Write] = {
    "TFLiteConverter": converter,
    "ai-edge-quantizer": ai_edge,
    "here, min-max only": ours(Settings(bias_correction=False)),
    "here, bias correction": ours(Settings()),
    "here, learned rounding": ours(Settings(rounding="learned")),
    "here, auto": ours(None),
}


def against_onnx_runtime(model: Path, images: np.ndarray, data: Any) -> None:
    """A line for each of its calibration methods; its files run in another runtime, so no latency."""
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401
    except ImportError:
        print("ONNX Runtime: not measured, it needs pip install '.[peers]'")
        return
    import onnx_runtime  # beside this script

    test = list(data.batches("test", 32))
    labels = np.concatenate([only(batch.targets) for batch in test])
    expected = Runner(model.read_bytes(), batch=1)
    reference = np.concatenate([only(expected(batch.inputs).real).argmax(-1) for batch in test])
    for method in onnx_runtime.METHODS:
        started = time.perf_counter()
        source = onnx_runtime.to_onnx(model.read_bytes(), model.with_name("float.onnx"))
        written = onnx_runtime.quantize(source, images, method, model.with_name(f"{method}.onnx"))
        taken = time.perf_counter() - started
        found = onnx_runtime.answers(written, (only(batch.inputs) for batch in test))
        name = f"ONNX Runtime {onnxruntime.__version__}, {method}"
        top1, agreement = 100 * np.mean(found == labels), f"{100 * np.mean(found == reference):.1f} %"
        print(f"{name:32} {top1:5.1f} % {agreement:>10} {taken:8.1f}")


def data_of(options: argparse.Namespace) -> Any:
    content = {
        "name": "benchmark",
        "model": {"path": str(options.model)},
        "data": {
            "source": {".csv": "csv", ".npz": "npz"}.get(options.data.suffix, "folder"),
            "path": str(options.data),
            "calibration": options.examples,
            "preprocess": {"scale": options.scale, **({"size": [options.size] * 2} if options.size else {})},
        },
    }
    return load(recipes.parse(content).data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", default="raw")
    parser.add_argument("--size", type=int)
    parser.add_argument("--examples", type=int, default=200, help="calibration examples")
    options = parser.parse_args()
    data = data_of(options)
    images = np.concatenate([only(batch.inputs) for batch in data.batches("calibration", 32)])
    model = load_file(options.model)
    host = describe_host()
    print(
        f"{options.model.name}, {len(images)} calibration images, {host.cpu} ({', '.join(host.int8)}), {host.cores} "
        f"cores, TensorFlow {tf.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        files, seconds = {"float": Path(folder) / "float.tflite"}, {"float": 0.0}
        files["float"].write_bytes(to_flatbuffer(model))
        for number, (name, write) in enumerate(SIDES.items()):
            silenced = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
            with quiet_tensorflow(), silenced[0], silenced[1]:
                started = time.perf_counter()
                content = write(model, images)
                seconds[name] = time.perf_counter() - started
            files[name] = Path(folder) / f"{number}.tflite"
            files[name].write_bytes(content)
        reference = files["float"].read_bytes()
        known = (open_runner(reference).signature, endings(reference), data.inputs, data.targets, data.class_names)
        task = resolve("classification", *known).task
        scores = evaluate(files, data.batches("test", 32), task, "float")
        timings = dict(zip(files, benchmark([files["TFLiteConverter"], *files.values()], runs=100)[1:], strict=True))
        print(f"{'':32} {'top-1':>7} {'agreement':>10} {'seconds':>8} {'latency':>8} {'operators':>10}")
        for name, score in scores.items():
            agreement = "" if score.agreement is None else f"{100 * score.agreement:.1f} %"
            count = len(inspect(files[name]).operators)
            ratio = timings[name].ratio_to_first
            top1 = 100 * score.values["top1"]
            print(f"{name:32} {top1:5.1f} % {agreement:>10} {seconds[name]:8.1f} {ratio:8.3f} {count:10d}")
        against_onnx_runtime(files["float"], images, data)
        print(f"{scores['float'].n} test images; latency as a ratio to TFLiteConverter's file, 1 thread, in turns")


if __name__ == "__main__":
    main()
