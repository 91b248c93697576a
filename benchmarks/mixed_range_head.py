"""Boxes of 0 to 640 pixels and scores of 0 to 1 in one tensor, as YOLO exports have them: what int8 leaves of them.

    python benchmarks/mixed_range_head.py

Trains a small anchor-free detector on scenes of scikit-learn's digits on noise, with the decode of YOLOv8 in the graph:
exp() of the distances, the grid and the stride, sigmoid scores, one output [1, 4 + classes, cells]. The float model,
the int8 files of TFLiteConverter and ai-edge-quantizer and this project's, with each of its ways
(quantize.mixed_ranges), answer the same held-out scenes. Printed: COCO's AP and AP50, the largest score, the share of
operators in float, the latency beside float, and what the doctor says of the float model.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ptq import ai_edge, converter  # beside this script
from sklearn.datasets import load_digits

import pipeline
from pipeline.benchmarking.host import describe_host
from pipeline.benchmarking.latency import benchmark
from pipeline.conversion.import_float import import_float
from pipeline.diagnosis.checks.joined_ranges import before_export
from pipeline.diagnosis.measured_ranges import measure, tap
from pipeline.models.backend import tf, tf_keras
from pipeline.quantization.outputs_apart import Change
from pipeline.tensors import Batch
from pipeline.tflite.audit.audit import audit
from pipeline.tflite.inspect import inspect
from pipeline.tflite.kernels import open_runner

SIDE, SHRINK, STRIDE, CLASSES = 640, 4, 32, 10
CELLS = SIDE // STRIDE
LEAST_SCORE, OVERLAP, MOST = 0.05, 0.6, 100
Scenes = tuple[NDArray[np.float32], list[NDArray[np.float32]]]
"""Images [N, 160, 160, 1] in 0..1, and the boxes of each: [n, 5], y_min x_min y_max x_max class in pixels of 640."""


def scenes(count: int, seed: int) -> Scenes:
    """Digits of 2 to 5 times their 8 pixels on noise, none over another."""
    digits, rng = load_digits(), np.random.default_rng(seed)
    side = SIDE // SHRINK
    images, boxes = np.empty((count, side, side, 1), np.float32), []
    for number in range(count):
        canvas, own = rng.uniform(0, 0.35, (side, side)), list[list[float]]()
        for _ in range(rng.integers(1, 6)):
            which = int(rng.integers(len(digits.images)))
            digit = np.kron(digits.images[which] / 16, np.ones([int(rng.integers(2, 6))] * 2))
            digit = digit[np.ix_(digit.any(1), digit.any(0))]
            height, width = digit.shape
            y, x = (int(rng.integers(0, side - length)) for length in (height, width))
            box = [SHRINK * value for value in (y, x, y + height, x + width)]
            if any(_overlap(np.array(box, np.float32), np.array([other[:4]], np.float32))[0] > 0 for other in own):
                continue
            canvas[y : y + height, x : x + width] = np.maximum(canvas[y : y + height, x : x + width], digit)
            own.append([*box, float(digits.target[which])])
        images[number, ..., 0] = np.clip(canvas, 0, 1)
        boxes.append(np.array(own, np.float32))
    return images, boxes


def detector() -> tuple[Any, Any]:
    """The network as it is trained, images [160, 160, 1] → distances and scores, and as it is exported, with the decode
    in it, from images of 640."""
    layers = tf_keras.layers
    image = layers.Input((SIDE // SHRINK, SIDE // SHRINK, 1), name="image")
    x = image
    for number, (channels, strides) in enumerate([(16, 2), (32, 2), (64, 2), (64, 1), (64, 1)]):
        x = layers.Conv2D(channels, 3, strides, "same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(x)
    logs = layers.Conv2D(4, 1, name="logs")(x)
    bias = tf_keras.initializers.Constant(-4.0)
    scores = layers.Conv2D(CLASSES, 1, activation="sigmoid", bias_initializer=bias, name="score")(x)
    trained = tf_keras.Model(image, [logs, scores])

    picture = layers.Input((SIDE, SIDE, 1), name="picture")
    logs, scores = trained(layers.AveragePooling2D(SHRINK, name="shrink")(picture))
    cells = CELLS * CELLS
    distances = tf.exp(layers.Reshape((cells, 4), name="log_rows")(logs))
    centres = tf.constant(_centres()[None], tf.float32)
    low, high = centres - distances[..., :2], centres + distances[..., 2:]
    centre, size = (low + high) / 2.0, high - low
    boxes = tf.concat([centre, size], -1) * float(STRIDE)
    rows = layers.Reshape((cells, CLASSES), name="score_rows")(scores)
    joined = layers.Concatenate(name="joined")([boxes, rows])
    return trained, tf_keras.Model(picture, layers.Permute((2, 1), name="detections")(joined))


def _centres() -> NDArray[np.float32]:
    """[cells, 2]: x, y of each cell's centre, in strides."""
    y, x = np.mgrid[:CELLS, :CELLS] + 0.5
    return np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)


def targets(boxes: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logarithms of the distances with a weight [N, cells, cells, 5], and scores [N, cells, cells, classes]: the cells
    whose centre lies in the inner half of a box, and the one nearest to its centre, are its."""
    logs = np.zeros((len(boxes), CELLS, CELLS, 5), np.float32)
    scores = np.zeros((len(boxes), CELLS, CELLS, CLASSES), np.float32)
    centres = _centres().reshape(CELLS, CELLS, 2)
    for number, own in enumerate(boxes):
        for y0, x0, y1, x1, label in own / np.array([STRIDE] * 4 + [1]):
            middle, half = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), np.array([x1 - x0, y1 - y0]) / 4
            mine = (np.abs(centres - middle) <= half).all(-1)
            mine |= np.abs(centres - middle).max(-1) <= np.abs(centres - middle).max(-1).min()
            distances = np.concatenate([centres - (x0, y0), np.array([x1, y1]) - centres], -1)
            logs[number][mine, :4], logs[number][mine, 4] = np.log(np.maximum(distances, 0.05))[mine], 1
            scores[number][mine, int(label)] = 1
    return logs, scores


def train(epochs: int, count: int) -> Any:
    trained, whole = detector()

    def of_distances(wanted: Any, found: Any) -> Any:
        weight = wanted[..., 4:]
        return tf.reduce_sum(weight * tf.abs(wanted[..., :4] - found)) / (tf.reduce_sum(weight) + 1.0)

    def focal(wanted: Any, found: Any) -> Any:
        found = tf.clip_by_value(found, 1e-6, 1 - 1e-6)
        loss = -wanted * (1 - found) ** 2 * tf.math.log(found) - (1 - wanted) * found**2 * tf.math.log(1 - found)
        return tf.reduce_sum(loss) / (tf.reduce_sum(wanted) + 1.0)

    tf_keras.utils.set_random_seed(0)
    images, boxes = scenes(count, 1)
    steps = epochs * -(-count // 16)
    rate = tf_keras.optimizers.schedules.CosineDecay(4e-3, steps)
    trained.compile(tf_keras.optimizers.Adam(rate), [of_distances, focal])
    trained.fit(images, targets(boxes), batch_size=16, epochs=epochs, verbose=2)
    return whole


def found_in(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The boxes of one answer [4 + classes, cells] after non-maximum suppression: x y width height score class."""
    best, label = rows[4:].max(0), rows[4:].argmax(0)
    order = [index for index in np.argsort(-best, kind="stable") if best[index] >= LEAST_SCORE]
    corners = np.stack([rows[1] - rows[3] / 2, rows[0] - rows[2] / 2, rows[1] + rows[3] / 2, rows[0] + rows[2] / 2], 1)
    kept: list[int] = []
    for index in order:
        same = [other for other in kept if label[other] == label[index]]
        if not same or _overlap(corners[index], corners[same]).max() < OVERLAP:
            kept.append(int(index))
    kept = kept[:MOST]
    y0, x0, y1, x1 = corners[kept].T
    return np.stack([x0, y0, x1 - x0, y1 - y0, best[kept], label[kept]], 1)


def _overlap(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box [4] with others [n, 4], corners."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), 1)
    areas = np.prod(others[:, 2:] - others[:, :2], 1) + np.prod(box[2:] - box[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)


def as_one(outputs: list[NDArray[np.float32]], changes: tuple[Change, ...]) -> NDArray[np.float32]:
    """The float model's output [4 + classes, cells] from what a model with split or divided outputs gives."""
    if len(outputs) > 1:
        return np.concatenate([own[0] for own in outputs], -1).T
    rows = outputs[0][0].copy()
    for change in changes:
        rows[change.start : change.stop] *= change.factor
    return rows


def precision(truth: list[NDArray[np.float32]], found: list[NDArray[np.float32]]) -> tuple[float, float]:
    """COCO's AP (0.50 to 0.95) and AP50, in percent."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    marks = [
        {"image_id": n, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "category_id": int(label)}
        for n, own in enumerate(truth)
        for y0, x0, y1, x1, label in own.tolist()
    ]
    answers = [
        {"image_id": n, "bbox": row[:4], "score": row[4], "category_id": int(row[5])}
        for n, own in enumerate(found)
        for row in own.tolist()
    ]
    if not answers:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": n} for n in range(len(truth))],
            "categories": [{"id": label} for label in range(CLASSES)],
            "annotations": [{**mark, "id": n + 1, "iscrowd": 0} for n, mark in enumerate(marks)],
        }
        coco.createIndex()
        work = COCOeval(coco, coco.loadRes(answers), "bbox")
        work.evaluate()
        work.accumulate()
        work.summarize()
    return 100 * float(work.stats[0]), 100 * float(work.stats[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--scenes", type=int, default=1200, help="for the training")
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--calibration", type=int, default=64)
    parser.add_argument("--runs", type=int, default=30, help="of the latency")
    parser.add_argument("--cache", type=Path, help="where the trained model is kept")
    options = parser.parse_args()
    if options.cache is not None and options.cache.is_file():
        _, model = detector()
        model.load_weights(options.cache)
    else:
        model = train(options.epochs, options.scenes)
        if options.cache is not None:
            model.save_weights(options.cache)

    shown = _pictures(scenes(options.calibration, 2)[0])
    content = import_float(model).content
    tapped = tap(content)
    assert tapped is not None
    for finding in before_export(content, measure(tapped, [Batch({"picture": shown[:32]}, {})])):
        print(f"doctor, of the float model: {finding}\n")
    files = {"float": content, "TFLiteConverter": converter(model, shown), "ai-edge-quantizer": ai_edge(model, shown)}
    changes: dict[str, tuple[Change, ...]] = {}
    for how in ("auto", "int8", "int16", "float", "float_decode", "split", "normalize"):
        written = pipeline.quantize(model, shown, mixed_ranges=how, calibration="min_max")
        files[f"here, {how}"], changes[f"here, {how}"] = written.content, written.changes
        if how == "auto":
            print(f"{written.mended}\n")

    images, truth = scenes(options.test, 3)
    print(f"{options.test} scenes, {sum(map(len, truth))} digits")
    print(f"{'':20} {'AP':>6} {'AP50':>6} {'boxes':>6} {'largest score':>14} {'in float':>9} {'latency':>8}")
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{number}.tflite" for number, name in enumerate(files)}
        for name, path in paths.items():
            path.write_bytes(files[name])
        timed = {timing.model: timing for timing in benchmark(list(paths.values()), runs=options.runs)}
        for name, path in paths.items():
            runner = open_runner(path, "xnnpack", 1, threads=2)
            fed = ({"picture": _pictures(images[number : number + 1])} for number in range(len(images)))
            rows = [as_one(list(runner(one).real.values()), changes.get(name, ())) for one in fed]
            boxes = [found_in(own) for own in rows]
            ap, ap50 = precision(truth, boxes)
            described = inspect(path)
            computing = sum(op.compute is not None for op in described.operators)
            largest, floats = max(own[4:].max() for own in rows), len(described.float_operators)
            print(
                f"{name:20} {ap:6.2f} {ap50:6.2f} {sum(map(len, boxes)):6} {largest:14.3f} "
                f"{floats:4} of {computing:<3}{timed[path].ratio_to_first:7.2f}x"
            )
        for finding in audit(paths["TFLiteConverter"]).findings:
            if finding.check == "mixed ranges":
                print(f"\ninspect, of TFLiteConverter's file: {finding}")
    print(f"\nlatency as a share of float's; {describe_host()}")


def _pictures(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, 160, 160, 1] at 640."""
    return np.repeat(np.repeat(images, SHRINK, 1), SHRINK, 2)


if __name__ == "__main__":
    main()
