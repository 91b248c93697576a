"""From a recipe's options to a detection task: which decoder, which outputs, and what model and data say besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pipeline.errors import InputError, did_you_mean
from pipeline.tasks.detection.centernet_decoder import CenterNetDecoder
from pipeline.tasks.detection.decoder import SURELY, Decoder, Roles, find_roles
from pipeline.tasks.detection.detection_task import OPTIONS, Detection
from pipeline.tasks.detection.fcos_decoder import FcosDecoder
from pipeline.tasks.detection.own_decoder import OwnDecoder
from pipeline.tasks.detection.postprocess_decoder import PostprocessDecoder
from pipeline.tasks.detection.ssd_decoder import SsdDecoder
from pipeline.tasks.detection.yolo_decoders import YoloV5Decoder, YoloV8Decoder
from pipeline.tasks.options import options_of, read_options
from pipeline.tasks.task import Endings
from pipeline.tensors import Signature, show_shape

DECODERS: Mapping[str, type[Decoder]] = {
    kind.name: kind
    for kind in (PostprocessDecoder, CenterNetDecoder, SsdDecoder, FcosDecoder, YoloV5Decoder, YoloV8Decoder)
}
"""In the order in which they are tried where nothing is said."""


def make_detection(
    options: Mapping[str, Any],
    signature: Signature,
    endings: Endings,
    input_size: tuple[int, int],
    class_names: tuple[str, ...],
    target: str | None,
) -> Detection:
    """
    Args:
        options: Of the recipe, without the task's name.
        signature: Of the model.
        endings: Of its outputs.
        input_size: Height and width of its image in pixels.
        class_names: Of the data.
        target: Of the data that holds boxes.

    Raises:
        InputError: an unknown decoder or option, or outputs that do not fit.
    """
    given = dict(options)
    decode = given.pop("decode", None)
    if decode is not None and not isinstance(decode, str):
        raise InputError(f"task.decode is a decoder's name or module:function, not {decode!r}.")
    task_options = {field: known for field, known in options_of(Detection).items() if field in OPTIONS}
    own = {key: given.pop(key) for key in list(given) if key in task_options}
    if decode is not None and ":" in decode:
        decoder: Decoder = OwnDecoder.load(decode, input_size)
        read_options(f"decoder {decode}", task_options, given)
    elif decode is not None:
        if decode not in DECODERS:
            raise InputError(
                f"There is no decoder '{decode}'.{did_you_mean(decode, DECODERS)} One of your own is module:function."
            )
        decoder = _made(DECODERS[decode], given, task_options, signature, endings, input_size, len(class_names))
    else:
        decoder = _found(given, task_options, signature, endings, input_size, len(class_names))
    checked = read_options("task detection", task_options, own)
    return Detection(decoder=decoder, class_names=class_names, endings=dict(endings), **{"target": target, **checked})


def _found(
    options: Mapping[str, Any],
    others: Mapping[str, Any],
    signature: Signature,
    endings: Endings,
    input_size: tuple[int, int],
    classes: int,
) -> Decoder:
    """The first decoder that the outputs fit beyond doubt."""
    nearest = ""  # what is wrong with the first one that their shapes fit
    _check_names(options, others)
    wrong: InputError | None = None  # with the options' values, where no decoder takes them
    taken = False
    for kind in DECODERS.values():
        if not classes and issubclass(kind, YoloV5Decoder | YoloV8Decoder):
            continue  # only the number of classes tells the two apart
        try:
            read_options(f"decoder {kind.name}", _options(kind), _without_roles(kind, options))
        except InputError as error:
            wrong = error if set(_without_roles(kind, options)) <= set(_options(kind)) else wrong
            continue
        taken = True
        try:
            made = _made(kind, options, others, signature, endings, input_size, classes)
        except InputError:
            continue
        if kind.fit(made.outputs, classes) < SURELY:
            continue
        try:
            made.check()
        except InputError as error:
            nearest = nearest or str(error)
            continue
        return made
    if nearest:
        raise InputError(nearest)
    if wrong is not None and not taken:
        raise wrong
    listed = ", ".join(f"'{spec.name}' {show_shape(spec.shape)}" for spec in signature.outputs)
    raise InputError(
        f"Which decoder reads the outputs {listed} cannot be told from their shapes. Say it: `task: {{name: detection, "
        f"decode: …}}` with one of {', '.join(DECODERS)}, or module:function."
    )


def _made(
    kind: type[Decoder],
    options: Mapping[str, Any],
    others: Mapping[str, Any],
    signature: Signature,
    endings: Endings,
    input_size: tuple[int, int],
    classes: int,
) -> Decoder:
    given = dict(options)
    roles = {role: _names(role, given.pop(role)) for role in kind.roles if role in given}
    known = _options(kind)
    for key in given:
        if key not in known:
            every = [*known, *kind.roles, *others, "decode"]
            raise InputError(f"The decoder {kind.name} has no option '{key}'.{did_you_mean(key, every)}")
    checked = read_options(f"decoder {kind.name}", known, given)
    outputs = _outputs(kind, signature, roles, classes)
    defaults = _defaults(kind, outputs, endings, input_size, classes, checked)
    return kind(outputs=outputs, input_size=input_size, data_classes=classes, **{**defaults, **checked})


def _options(kind: type[Decoder]) -> dict[str, Any]:
    return options_of(kind, [field.name for field in fields(Decoder)])


def _without_roles(kind: type[Decoder], options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in kind.roles}


def _check_names(options: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """
    Raises:
        InputError: an option that no decoder has.
    """
    every = {*others, "decode"}
    for kind in DECODERS.values():
        every |= {*_options(kind), *kind.roles}
    for key in options:
        if key not in every:
            raise InputError(f"The task detection has no option '{key}'.{did_you_mean(key, every)}")


def _outputs(
    kind: type[Decoder], signature: Signature, roles: Mapping[str, str | Sequence[str]], classes: int
) -> Roles:
    if issubclass(kind, YoloV5Decoder) and not roles:  # raw grids are several outputs of one role
        grids = {"output": signature.outputs}
        if len(signature.outputs) > 1 and kind.fit(grids, classes):
            return grids
    return find_roles(kind, signature.outputs, roles, classes)


def _defaults(
    kind: type[Decoder],
    outputs: Roles,
    endings: Endings,
    input_size: tuple[int, int],
    classes: int,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """What the model's last operators and the number of classes say where the recipe does not."""
    found: dict[str, Any] = {}
    if issubclass(kind, SsdDecoder) and "background" not in given and classes:
        plain = SsdDecoder(outputs=outputs, input_size=input_size)
        found["background"] = "first" if plain.classes == classes + 1 else "none"
    if issubclass(kind, SsdDecoder | CenterNetDecoder | FcosDecoder):
        scores = outputs["heatmap" if issubclass(kind, CenterNetDecoder) else "scores"][0]
        logits = endings.get(scores.name, "none") == "none"
        background = {**found, **given}.get("background", "none") != "none"
        found["activation"] = ("softmax" if background else "sigmoid") if logits else "none"
    return found


def _names(role: str, value: Any) -> str | list[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return list(value)
    raise InputError(f"task.{role} is an output's name, or a list of names, not {value!r}.")
