"""Which boxes, masks or points a model gives, as its task says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.bundle.contract import Input
from pipeline.bundle.detection_answer import DetectionAnswer
from pipeline.bundle.keypoints_answer import KeypointsAnswer
from pipeline.bundle.located_answer import LocatedAnswer
from pipeline.bundle.segmentation_answer import SegmentationAnswer
from pipeline.errors import InputError
from pipeline.tasks.detection import Detection, make_detection
from pipeline.tasks.keypoints import Keypoints
from pipeline.tasks.options import options_of, read_options
from pipeline.tasks.segmentation import Segmentation
from pipeline.tasks.task import Endings
from pipeline.tensors import Signature, TensorSpec
from pipeline.tflite.metadata import located_task


def read_answer(
    said: Mapping[str, Any],
    inputs: Sequence[Input],
    outputs: Sequence[TensorSpec],
    endings: Endings,
    labels: tuple[str, ...],
    where: str,
) -> LocatedAnswer | None:
    """What the contract says of a task that finds things in a photo; None of any other.

    Args:
        said: As `Task.describe` says; of several outputs one description each, of which the first such task counts.
        inputs: Of the model, one of them an image.
        outputs: Of the model, no size open.
        endings: What its last operators do to them.
        labels: Of classes or points; empty where they are not known.
        where: The file, for messages.

    Raises:
        InputError: the outputs are not what the task reads, or none or several inputs are images.
    """
    task = located_task(said)
    if task is None:
        return None
    try:
        return _read(task, inputs, outputs, endings, labels)
    except InputError as error:
        raise InputError(f"The task of {where} is {task['name']}. {error}") from error


def _read(
    said: Mapping[str, Any],
    inputs: Sequence[Input],
    outputs: Sequence[TensorSpec],
    endings: Endings,
    labels: tuple[str, ...],
) -> LocatedAnswer:
    photos = [source for source in inputs if len(source.tensor.shape) == 4]
    if len(photos) != 1:
        listed = ", ".join(str(source.tensor) for source in inputs)
        raise InputError(f"boxes, masks and points lie in one image, and the model takes {listed}.")
    photo = photos[0]
    height, width = photo.tensor.shape[1:3]
    common: dict[str, Any] = {
        "photo": photo.tensor.name,
        "size": (height, width),
        "fit": photo.image.fit if photo.resize_known and photo.kind == "image" else "stretch",
        "labels": labels,
    }
    options = {key: value for key, value in said.items() if key not in ("name", "weight")}
    if said["name"] == Detection.name:
        signature = Signature(tuple(source.tensor for source in inputs), tuple(outputs))
        task = make_detection(_renamed(options, outputs), signature, endings, (height, width), labels, None)
        task.decoder.check()
        return DetectionAnswer(task=task, **common)
    output = _output(options.pop("output", None), outputs)
    if said["name"] == Segmentation.name:
        given = read_options("task segmentation", options_of(Segmentation, ["output"]), options)
        segmentation = replace(Segmentation(output=output, **given), class_names=labels)
        segmentation.check_output()
        return SegmentationAnswer(task=segmentation, **common)
    given = read_options("task keypoints", options_of(Keypoints, ["output"]), options)
    keypoints = replace(Keypoints(output=output, **given), input_size=(height, width))
    keypoints.check_output()
    return KeypointsAnswer(task=keypoints, **common)


def _output(name: str | None, outputs: Sequence[TensorSpec]) -> TensorSpec:
    if len(outputs) == 1:
        return outputs[0]
    return Signature((), tuple(outputs)).output(str(name))


def _renamed(options: Mapping[str, Any], outputs: Sequence[TensorSpec]) -> dict[str, Any]:
    """The description is the float model's, whose one output may have had another name."""
    renamed = dict(options)
    if len(outputs) == 1 and "output" in renamed:
        renamed["output"] = outputs[0].name
    return renamed
