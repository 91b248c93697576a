"""The contract of a model, read off the model itself, and off the data and the task where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.contract import TYPES, Contract, Input, Output, Reading
from pipeline.bundle.read_answer import read_answer
from pipeline.errors import InputError
from pipeline.tensors import OPEN, TensorSpec, bind, show_shape
from pipeline.tflite.endings import Ending, endings
from pipeline.tflite.example_shapes import recorded_sides
from pipeline.tflite.inspect import Inspection, Port
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner

_READINGS: Mapping[str, Reading] = {"classification": "classes", "multilabel": "labels"}
_SAME_WHATEVER_SAID = ("order", "kind", "antialias", "shape")
"""Keys of a description that follow from others, that older files do not have, or that only files have."""


def read(
    found: Inspection,
    content: bytes,
    *,
    described: Mapping[str, dict[str, Any]] | None = None,
    inputs: Mapping[str, TensorSpec] | None = None,
    labels: tuple[str, ...] = (),
    classes: bool | None = None,
    task: Mapping[str, Any] | None = None,
) -> Contract:
    """The contract of an inspected model.

    Args:
        found: What `inspect` says of it.
        content: The model.
        described: How the data makes each input, by its own names. Where the model's metadata says so too, both must
            agree.
        inputs: What the data gives, by its own names: the sizes of what the model leaves open.
        labels: Where the metadata has none. Names count where they are as many as the classes; none are made up.
        classes: Whether the data has classes; None where there is no data.
        task: As `Task.describe` says, where the metadata does not.

    Raises:
        InputError: types that the generated code does not handle, sizes or preprocessing that are not known, or
            metadata and data that contradict each other.
    """
    where = str(found.file or "The given model")
    for port in (*found.inputs, *found.outputs):
        _check_type(port, where)
    known = found.metadata or Metadata(Path(where).stem)
    ours = None if described is None else _named(described, found.inputs, where)
    sizes = None if inputs is None else _named(inputs, found.inputs, where)
    prepared = [
        _preprocessing(known.preprocessing_of(port.name), None if ours is None else ours[port.name], port, where)
        for port in found.inputs
    ]
    shapes = [
        _shape(port, None if sizes is None else sizes[port.name].shape[1:], how, where)
        for port, (how, _) in zip(found.inputs, prepared, strict=True)
    ]
    runner = Runner(content, shapes=shapes)
    sources = tuple(
        Input(tensor, port.shape_signature, how, resize_known)
        for tensor, port, (how, resize_known) in zip(runner.inputs, found.inputs, prepared, strict=True)
    )
    for source in sources:
        _check_size(source, where)
    said = known.task or dict(task or {})
    found_endings = endings(content)
    names = known.labels or labels
    targets = _outputs(runner.outputs, found.outputs, found_endings, said, names, classes)
    return Contract(
        name=known.name,
        inputs=sources,
        outputs=targets,
        bit_exact=not found.float_operators
        and all(port.dtype != "float32" for port in (*found.inputs, *found.outputs)),
        task=said,
        located=read_answer(said, sources, runner.outputs, found_endings, names, where),
    )


def readings(task: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Reading]:
    """What a task's description says of each output: classes, labels or values.

    Args:
        task: As `Task.describe` says; of several outputs one description each, under `outputs`.
        outputs: Their names.
    """
    each = task.get("outputs")
    if isinstance(each, Mapping):
        names = {name: one.get("name") if isinstance(one, Mapping) else one for name, one in each.items()}
    else:
        one = task.get("output")
        names = {name: task.get("name") for name in outputs if one in (None, name) or len(outputs) == 1}
    return {name: _READINGS.get(str(names.get(name)), "values") for name in outputs}


def _named(values: Mapping[str, Any], ports: Sequence[Port], where: str) -> dict[str, Any]:
    """By the model's names."""
    specs = [TensorSpec(port.name, port.shape_signature, np.dtype(np.float32)) for port in ports]
    try:
        return bind(values, specs)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _check_type(port: Port, where: str) -> None:
    if port.dtype not in TYPES:
        raise InputError(f"'{port.name}' of {where} holds {port.dtype}; a bundle is for {', '.join(TYPES)}.")
    if port.scale is None or port.dtype in ("float32", "bool"):
        return
    limits = np.iinfo(port.dtype)
    if not limits.min <= int(port.zero_point or 0) <= limits.max:
        raise InputError(
            f"'{port.name}' of {where} has the zero point {port.zero_point}, which {port.dtype} cannot hold: "
            "the file is damaged or was edited wrongly. Export it again."
        )


def _preprocessing(
    recorded: dict[str, Any], given: dict[str, Any] | None, port: Port, where: str
) -> tuple[dict[str, Any], bool]:
    """How an input is made, and whether resizing is part of what is known."""
    ours = "scale" in recorded or "kind" in recorded  # our own metadata, without loss
    if ours:
        if given is not None:
            _check_same(recorded, given, port, where)
        return recorded, True
    if given is not None:
        return given, True
    if recorded.get("mean") and recorded.get("std"):
        return dict(recorded) | {"scale": "mean_std"}, False
    if port.dtype in ("int32", "int64", "bool") and port.scale is None:
        return {"kind": "tokens"}, True  # whole numbers are fed as they are
    raise InputError(
        f"How an image becomes the input '{port.name}' of {where} is not recorded in it: say so with --recipe RECIPE "
        "(and --set data.preprocess.scale=…)."
        if len(port.shape) == 4
        else f"How an example becomes the input '{port.name}' of {where} is not recorded in it: say so with --recipe "
        "RECIPE, whose data section tells."
    )


def _check_same(recorded: dict[str, Any], given: dict[str, Any], port: Port, where: str) -> None:
    keys = (*recorded, *(key for key in given if key not in recorded))
    differing = [
        key for key in keys if key not in _SAME_WHATEVER_SAID and not _equal(recorded.get(key), given.get(key))
    ]
    if recorded.get("kind", given.get("kind")) != given.get("kind"):
        differing.insert(0, "kind")
    if differing:
        raise InputError(
            f"{where} was made for another preprocessing than the recipe's: "
            + "; ".join(f"{key} {_shown(recorded.get(key))}, not {_shown(given.get(key))}" for key in differing)
            + f" (input '{port.name}'). Use the recipe that it was made with."
        )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return list(one) == list(other)
    return bool(one == other)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _shape(port: Port, given: tuple[int, ...] | None, described: Mapping[str, Any], where: str) -> tuple[int, ...]:
    """The shape of the input for one example, with the batch of 1 where it has one."""
    wanted = port.shape_signature
    alone = given is not None and len(given) == len(wanted)  # the input is an example, without a batch
    if not alone and (not wanted or wanted[0] not in (1, OPEN) or 0 in wanted):
        raise InputError(
            f"A bundle needs inputs of one example, with a batch of 1; '{port.name}' of {where} is "
            f"{show_shape(wanted)}. Export the model with that batch."
        )
    sides = list(wanted) if alone else [1, *wanted[1:]]
    start = 0 if alone else 1
    given = recorded_sides(dict(described), len(sides) - start) if given is None else given
    if len(given) <= len(sides) - start:
        for place, side in enumerate(given, start):
            sides[place] = side if sides[place] == OPEN else sides[place]
    if OPEN in sides:
        raise InputError(
            f"A bundle needs to know how large an example is, and the input '{port.name}' of {where} is open: "
            f"{show_shape(wanted)}. Name the data with --recipe, or export the model at one size."
        )
    return tuple(sides)


def _check_size(source: Input, where: str) -> None:
    size, shape = source.preprocessing.get("size"), source.tensor.shape
    if source.kind == "image" and size is not None and tuple(size) != shape[1:3]:
        raise InputError(
            f"{where} takes {shape[1]}x{shape[2]} pixels as '{source.tensor.name}', but its preprocessing makes "
            f"{size[0]}x{size[1]}: set data.preprocess.size to the model's."
        )


def _outputs(
    specs: Sequence[TensorSpec],
    ports: Sequence[Port],
    found_endings: Mapping[str, Ending],
    task: Mapping[str, Any],
    labels: tuple[str, ...],
    classes: bool | None,
) -> tuple[Output, ...]:
    names = [spec.name for spec in specs]
    meant = readings(task, names) if task else dict.fromkeys(names, _guess(specs, classes, bool(labels)))
    made = []
    for spec, port in zip(specs, ports, strict=True):
        reading = meant[spec.name] if _holds_scores(spec) else "values"
        bare = Output(spec, port.shape_signature, found_endings[spec.name], reading)
        own = labels if len(labels) == bare.classes else ()  # of another number of classes they may be any others'
        made.append(Output(spec, port.shape_signature, bare.ending, reading, own))
    return tuple(made)


def _guess(specs: Sequence[TensorSpec], classes: bool | None, labelled: bool) -> Reading:
    """Files that say nothing of their task were written when there were only classifiers, or elsewhere."""
    if len(specs) != 1 or classes is False:
        return "values"
    return "classes" if classes or labelled or _holds_scores(specs[0]) else "values"


def _holds_scores(spec: TensorSpec) -> bool:
    return spec.dtype.name in ("float32", "int8", "uint8", "int16") and len(spec.shape) == 2 and spec.shape[0] == 1
