"""What `task: auto` takes, and why: from the outputs' shapes and last operators and the targets' shapes and types.

Never from values: a batch of zeros and ones may be labels or a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from pipeline.tasks.class_scores import Scores
from pipeline.tasks.single_output import SingleOutputTask, same_shape, without_ones
from pipeline.tasks.spatial_targets import SpatialKind, image_size
from pipeline.tasks.task import Endings
from pipeline.tensors import OPEN, Signature, TensorSpec, show_shape

_COUNTED, _FLAGS = "iu", "b"


@dataclass(frozen=True)
class Known:
    """What is known of a model and its data."""

    signature: Signature
    endings: Endings
    inputs: Mapping[str, TensorSpec]
    targets: Mapping[str, TensorSpec]
    class_names: tuple[str, ...]
    data_ranges: Mapping[str, float]
    spatial: Mapping[str, SpatialKind] = field(default_factory=dict)
    """The targets that lie in the image, and what they hold."""

    def of_output(self, output: TensorSpec) -> Known:
        """The same of a model that has only this output."""
        return replace(self, signature=Signature(self.signature.inputs, (output,)))

    def of_target(self, name: str) -> Known:
        """The same of data that have only this target."""
        return replace(self, targets={name: self.targets[name]})

    def scores(self, output: TensorSpec) -> Scores:
        ending = self.endings.get(output.name, "none")
        return "logits" if ending == "none" else ending


@dataclass(frozen=True)
class Choice:
    """A task by name with its options."""

    name: str
    reason: str
    options: Mapping[str, Any] = field(default_factory=dict)


def defaults(task: type[SingleOutputTask], output: TensorSpec, known: Known, target: str | None) -> dict[str, Any]:
    """Options that model and data decide where the recipe does not.

    Args:
        task: Its class.
        output: That it reads.
        known: Of model and data.
        target: That the recipe names.
    """
    own: dict[str, Any] = {}
    names = {one.name for one in fields(task)}
    if "scores" in names:
        own["scores"] = known.scores(output)
    own["target"] = target or _target(output, known)
    if "source" in names:
        fitting = [spec.name for spec in known.targets.values() if same_shape(spec.shape[1:], output.shape[1:])]
        if target is None:
            own["target"] = output.name if output.name in fitting else next(iter(fitting), None)
            own["source"] = None if own["target"] else _source(output, known)
        own["data_range"] = known.data_ranges.get(own["target"] or own.get("source") or "")
    if "input_size" in names:
        own["input_size"] = image_size(known.inputs, known.signature.inputs, task.name)
    if "class_names" in names:
        own["class_names"] = known.class_names
    if "points" in names and own["target"] in known.targets:
        own["points"] = known.targets[own["target"]].shape[1]
    if "decode" in names:
        labels = known.targets.get(own["target"] or "")
        steps = output.shape[1] if len(output.shape) > 1 else OPEN
        if labels is not None and len(labels.shape) == 2 and OPEN not in (steps, labels.shape[1]):
            own["decode"] = "steps" if steps == labels.shape[1] else "ctc"
    return own


def _target(output: TensorSpec, known: Known) -> str | None:
    """The one of the output's name, or the only one."""
    if output.name in known.targets:
        return output.name
    return next(iter(known.targets)) if len(known.targets) == 1 else None


def _source(output: TensorSpec, known: Known) -> str | None:
    for name, spec in known.inputs.items():
        if spec.dtype.kind == "f" and same_shape(spec.shape[1:], output.shape[1:]):
            return name
    return None


def choose(output: TensorSpec, known: Known) -> Choice:
    """The task for one output: by the target of its name, else the first that fits, else its input, else none."""
    named = known.targets.get(output.name)
    candidates = [named] if named is not None else list(known.targets.values())
    for target in candidates:
        found = _by_target(output, target, known)
        if found is not None:
            return found
    source = _source(output, known)
    if source is not None and known.scores(output) != "softmax" and len(output.shape) > 1:
        beside = f"; the target {_list(candidates)} is not looked at" if candidates else ""
        return Choice(
            "reconstruction",
            f"reconstruction, since the output '{output.name}' {show_shape(output.shape)} has the shape of the input "
            f"'{source}'{beside}.",
            {"source": source},
        )
    if not candidates:
        return Choice("fidelity", "fidelity alone, since the data has no targets.")
    return Choice(
        "fidelity",
        f"fidelity alone, since the target {_list(candidates)} fits no task for the output '{output.name}' "
        f"{show_shape(output.shape)}.",
    )


def choose_each(known: Known) -> dict[str, Choice]:
    """The tasks for several outputs, by output name."""
    outputs, pairs = known.signature.outputs, pair_targets(known)
    none = replace(known, targets={}, inputs={})  # a second output of the input's shape is no autoencoder's
    found = {}
    for spec in outputs:
        target = pairs.get(spec.name)
        found[spec.name] = choose(spec, none if target is None else known.of_target(target))
    if not known.targets:
        for spec in outputs:
            found[spec.name] = choose(spec, known)
    return found


def pair_targets(known: Known) -> dict[str, str]:
    """The target of each of several outputs, by output name.

    A target belongs to the output of its name. Where no names are the same, and there are as many targets as outputs,
    they belong together in order; a single target belongs to the only output that it fits.
    """
    outputs, targets = known.signature.outputs, list(known.targets)
    named = {spec.name: spec.name for spec in outputs if spec.name in known.targets}
    if named:
        return named
    if len(targets) == len(outputs):
        return {spec.name: target for spec, target in zip(outputs, targets, strict=True)}
    if len(targets) != 1:
        return {}
    fitting = [spec for spec in outputs if _by_target(spec, known.targets[targets[0]], known) is not None]
    return {fitting[0].name: targets[0]} if len(fitting) == 1 else {}


def _by_target(output: TensorSpec, target: TensorSpec, known: Known) -> Choice | None:
    """What an output and a target say together; None where they do not fit."""
    if target.name in known.spatial:
        return _by_place(output, target, known)
    shape, labels = without_ones(output.shape[1:]), without_ones(target.shape[1:])
    scores, kind = known.scores(output), target.dtype.kind
    what = f"the output '{output.name}' {_ending(scores)}, and '{target.name}' "
    choice: str | None = None
    if kind in _COUNTED + _FLAGS and not labels and len(output.shape) > 1:
        choice, why = _by_class(shape, scores, known)
        what += why
    elif kind in _COUNTED and len(shape) == 2 and len(labels) == 1:
        choice, what = "sequence", what + "holds a row of labels for each example"
    elif labels and len(labels) == 1 and same_shape(shape, labels):
        if scores == "softmax":
            choice, what = "classification", what + "holds a row of as many values (one-hot)"
        elif kind == _FLAGS or (kind in _COUNTED and scores == "sigmoid"):
            choice, what = "multilabel", what + "says yes or no to each class"
    if choice is None and kind not in _FLAGS and scores != "softmax":
        choice, why = _by_values(output, target, known)
        what += why
    if choice is None:
        return None
    return Choice(choice, f"{choice}, since {what}.", {"target": target.name})


def _by_place(output: TensorSpec, target: TensorSpec, known: Known) -> Choice | None:
    """A target that lies in the image; boxes are the task of all outputs together (:func:`boxes_target`)."""
    kind, shape = known.spatial[target.name], output.shape[1:]
    whole_numbers = output.dtype.kind in _COUNTED and output.scale is None
    if kind == "mask" and (len(shape) == 3 or (len(shape) == 2 and whole_numbers)):
        name, holds = "segmentation", "a mask"
    elif kind == "points" and (len(shape) == 3 or int(np.prod(shape)) in (2 * target.shape[1], 3 * target.shape[1])):
        name, holds = "keypoints", f"{target.shape[1]} points"
    else:
        return None
    why = (
        f"'{target.name}' holds {holds} for each example, and the output '{output.name}' is {show_shape(output.shape)}"
    )
    return Choice(name, f"{name}, since {why}.", {"target": target.name})


def boxes_target(known: Known) -> str | None:
    """The one target that holds boxes."""
    boxes = [name for name, kind in known.spatial.items() if kind == "boxes" and name in known.targets]
    return boxes[0] if len(boxes) == 1 else None


def _by_class(shape: tuple[int, ...], scores: Scores, known: Known) -> tuple[str | None, str]:
    """One class number for each example, and an output of this shape."""
    classes = len(known.class_names)
    why = f"holds one of {classes} classes for each example" if classes else "holds one whole number for each example"
    if not shape:  # one unit
        if scores != "logits" or classes == 2:
            return "classification", why
        return (None, why) if classes else ("regression", why)
    if len(shape) != 1:
        return None, why
    if scores == "softmax" or not classes or shape[0] in (classes, OPEN):
        return "classification", why
    known_source = _source(TensorSpec("", (OPEN, *shape), np.dtype(np.float32)), known)
    return (None, why) if known_source or scores == "sigmoid" else ("embedding", why)


def _by_values(output: TensorSpec, target: TensorSpec, known: Known) -> tuple[str | None, str]:
    """Values for each example, and an output of the same shape."""
    if not same_shape(without_ones(output.shape[1:]), without_ones(target.shape[1:])):
        return None, ""
    image = len(output.shape) >= 4 and same_shape(output.shape[1:], target.shape[1:])
    as_input = any(same_shape(spec.shape[1:], target.shape[1:]) for spec in known.inputs.values())
    if target.dtype.kind == "f" and same_shape(output.shape[1:], target.shape[1:]) and (image or as_input):
        return "reconstruction", f"holds values of the same shape {show_shape(target.shape)}"
    numbers = "a number" if not without_ones(target.shape[1:]) else f"{target.dtype} values of the same shape"
    return "regression", f"holds {numbers} for each example"


def _ending(scores: Scores) -> str:
    return "ends in no softmax or sigmoid" if scores == "logits" else f"ends in a {scores}"


def _list(targets: list[TensorSpec]) -> str:
    return ", ".join(f"'{spec.name}' {spec.dtype} {show_shape(spec.shape)}" for spec in targets)
