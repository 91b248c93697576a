"""Does fake-quant round as the kernels do? Each int8 operator alone, and the whole chain, before and after snapping.

    python benchmarks/qat_kernels.py MobileNetV3Small --size 64 --images FOLDER
    python benchmarks/qat_kernels.py TRAINED.h5 --size 224 --images FOLDER

A model of keras.applications with random seeded weights, or a file, becomes a QAT model with calibrated ranges, twice:
as it is, and snapped to the int8 grid (`pipeline.training.qat.snap`). Alone: an operator of the float model gets what
the int8 operator got, as real numbers, and its answer is rounded to the output's steps; printed is the share of
values that the int8 kernel (XNNPACK) gives otherwise, over all operators of a kind, and of the worst. In the chain: the
share of values at which the int8 file differs from the fake-quant model, behind the first operator, in the middle and
before the end.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qat_models import SCALES_ITSELF, SMALLEST, fit_statistics, photos

from pipeline.benchmarking.host import describe_host
from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import Activations
from pipeline.tflite.prune import prune
from pipeline.tflite.runner import Runner

Values = dict[str, NDArray[Any]]
EXAMPLES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="of keras.applications, or a file")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--images", type=Path, help="a folder of photos; random images by default")
    parser.add_argument("--count", type=int, default=40, help="images that calibrate")
    options = parser.parse_args()

    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file

    tf_keras.utils.set_random_seed(0)
    size = max(options.size, SMALLEST.get(options.model, 32))
    images = photos(options.images, size, options.count)
    if not options.model.startswith(SCALES_ITSELF):
        images = images / 127.5 - 1
    if Path(options.model).is_file():
        model = load_file(Path(options.model))
    else:
        factory = getattr(tf_keras.applications, options.model)
        model = factory(weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None)
        fit_statistics(model, images)
    sides = [measure(*written(model, images, snapped), images[:EXAMPLES]) for snapped in (False, True)]
    host = describe_host()
    print(f"{options.model} at {size} px, {EXAMPLES} images; {host.cpu} ({', '.join(host.int8)})")
    print(f"{'':22} {'':>4}    before snapping      snapped")
    print(f"{'operator alone':22} {'':>4}       all    worst      all    worst")
    for kind in sorted(sides[0][0]):
        before, after = (side[0][kind] for side in sides)
        shares = "  ".join(f"{100 * share:6.3f}%" for side in (before, after) for share in (np.mean(side), max(side)))
        print(f"{kind:22} {len(before):4}   {shares}")
    for side, name in zip(sides, ("before snapping", "snapped"), strict=True):
        chain = side[1]
        places = {"behind the first": 0, "in the middle": len(chain) // 2, "before the last": -2}
        shown = ", ".join(f"{where} {100 * chain[place]:.3f} %" for where, place in places.items())
        print(f"in the chain, {name}: {shown}")


def written(model: Any, images: NDArray[np.float32], snapped: bool) -> tuple[bytes, bytes, bytes]:
    """The converted QAT model, the float model without its fake-quants, and the int8 file."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.conversion.import_float import as_float_model
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.training import batch_norm
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.range_variables import input_quantizers, set_ranges
    from pipeline.training.qat.snap import snap

    aware = quantize_aware(model)
    set_ranges(aware, {next(iter(input_quantizers(aware).values())): (float(images.min()), float(images.max()))})
    batch_norm.freeze(aware)
    calibrated_start.calibrate(aware, [images[place : place + 8] for place in range(0, len(images), 8)])
    if snapped:
        snap(aware)
    simulated = to_flatbuffer(aware)
    found = as_float_model(simulated)
    int8 = write(found.content, "int8", found.ranges.over(calibrate(found.content, [{"x": images}])))
    return simulated, found.content, int8


def measure(
    simulated: bytes, prepared: bytes, int8: bytes, images: NDArray[np.float32]
) -> tuple[dict[str, list[float]], list[float]]:
    """Shares of values that differ: a list of operators for each kind, alone; and every activation in the chain."""
    tapped = Activations(int8, "xnnpack")
    specs = {activation.name: spec for activation, spec in zip(tapped.listed, tapped.specs, strict=True)}
    stored, expected = _values(tapped, images), _values(Activations(simulated, "xnnpack"), images)
    alone: dict[str, list[float]] = defaultdict(list)
    for place in range(len(flatbuffer.read(prepared).subgraphs[0].operators)):
        kind, inputs, output, content = _one(prepared, place)
        if output not in specs or specs[output].dtype.kind == "f" or not inputs or not set(inputs) <= set(specs):
            continue
        runner = Runner(content, shapes=[stored[name].shape for name in inputs], xnnpack=False)
        [answer] = runner.run(*(specs[name].dequantize(stored[name]) for name in inputs))
        alone[kind].append(float((specs[output].quantize(answer) != stored[output]).mean()))
    chain = [
        float((specs[name].quantize(expected[name]) != stored[name]).mean())
        for name, spec in list(specs.items())[1:]
        if name in expected and spec.dtype.kind != "f" and expected[name].dtype.kind == "f"
    ]
    return alone, chain


def _values(tapped: Activations, images: NDArray[np.float32]) -> Values:
    runs = [tapped(image) for image in images]
    names = [activation.name for activation in tapped.listed]
    return {name: np.concatenate([run[place] for run in runs]) for place, name in enumerate(names)}


def _one(content: bytes, place: int) -> tuple[str, list[str], str, bytes]:
    """An operator as a model of its own: its kind, the activations that it reads, its output, the file."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    operator = graph.operators[place]
    kind, output = flatbuffer.operator_name(model, operator), flatbuffer.tensor_name(graph.tensors[operator.outputs[0]])
    read = [int(index) for index in dict.fromkeys(operator.inputs) if index >= 0]
    graph.inputs = [index for index in read if not flatbuffer.is_constant(model, graph.tensors[index])]
    graph.operators, graph.outputs, model.signatureDefs = [operator], [operator.outputs[0]], []
    names = [flatbuffer.tensor_name(graph.tensors[index]) for index in graph.inputs]
    prune(model)
    return kind, names, output, flatbuffer.serialize(model)


if __name__ == "__main__":
    main()
