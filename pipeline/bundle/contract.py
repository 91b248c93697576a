"""What an app must do around a model, read off the model itself: preprocessing, scales and zero points, labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.data.preprocess import Preprocessor
from pipeline.errors import InputError
from pipeline.recipe import Preprocess
from pipeline.tflite.inspect import Inspection, Port

SCHEMA = 1
TYPES = ("int8", "uint8", "int16", "float32")
"""Of inputs and outputs that the generated code can fill and read."""

Activation = Literal["softmax", "sigmoid", "none"]
_ENDINGS: dict[str, Activation] = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
_FORMULAS = {
    "-1..1": "x / 127.5 - 1",
    "0..1": "x / 255",
    "raw": "x",
    "mean_std": "(x - mean) / std",
}


@dataclass(frozen=True)
class Contract:
    """A classifier with one input and one output, and what goes on before and after it."""

    name: str
    input: Port
    """Its shape has a batch of 1 in front."""
    output: Port
    preprocess: Preprocess
    resize_known: bool
    """False where only the metadata's mean and std are known: how the photos were resized is not recorded."""
    image: bool
    """The input is a grey or RGB image; otherwise it is an array of numbers, which is only scaled."""
    ending: Activation
    """What the model's last operator does to the scores."""
    labels: tuple[str, ...]
    """One a class."""
    bit_exact: bool
    """The model computes in integers only: XNNPACK gives the same bytes on x86 and on ARM."""

    @property
    def classes(self) -> int:
        return 2 if self.output.shape[-1] == 1 else int(self.output.shape[-1])

    def to_json(self) -> dict[str, Any]:
        described = Preprocessor(self.preprocess).describe()
        if not self.resize_known:
            described |= {"resize": None, "fit": None, "antialias": None}
        if self.image and described["size"] is None:
            described["size"] = list(self.input.shape[1:3])
        return {
            "schema": SCHEMA,
            "name": self.name,
            "input": _port(self.input),
            "output": _port(self.output),
            "preprocessing": {
                "kind": "image" if self.image else "values",
                **described,
                "input_channels": self.input.shape[-1] if self.image else None,
                "pixel_type": "uint8" if self.image else "float32",
                "formula": f"{_FORMULAS[self.preprocess.scale]}, in float32",
            },
            "quantization": {
                "quantize": "clamp(round(real / scale) + zero_point), in float32, halves away from zero",
                "dequantize": "scale * (stored - zero_point), in float32",
            },
            "postprocessing": {
                "ending": self.ending,
                "apply": "softmax" if self.ending == "none" and self.output.shape[-1] > 1 else None,
                "classes": self.classes,
                "top_k": min(5, self.classes),
            },
            "labels": list(self.labels),
            "bit_exact": self.bit_exact,
        }


def read(found: Inspection, preprocess: Preprocess | None, labels: tuple[str, ...]) -> Contract:
    """The contract of an inspected model.

    Args:
        found: What `inspect` says of it.
        preprocess: A recipe's, or None. Where the model's metadata says how its input is made, both must agree.
        labels: Where the metadata has none.

    Raises:
        InputError: no classifier with one input and one output, types that the generated code does not handle, no
            preprocessing known, or metadata and recipe that contradict each other.
    """
    port_in, port_out = _ends(found)
    recorded = found.metadata.preprocessing if found.metadata else {}
    chosen, resize_known = _preprocess(recorded, preprocess, port_in, str(found.file))
    image = len(port_in.shape) == 4 and port_in.shape[-1] in (1, 3)
    if chosen.size is not None and image and tuple(chosen.size) != port_in.shape[1:3]:
        raise InputError(
            f"{found.file} takes {port_in.shape[1]}x{port_in.shape[2]} pixels, but its preprocessing makes "
            f"{chosen.size[0]}x{chosen.size[1]}: set data.preprocess.size to the model's."
        )
    known = (found.metadata.labels if found.metadata else ()) or labels
    classes = 2 if port_out.shape[-1] == 1 else port_out.shape[-1]
    name = found.metadata.name if found.metadata else Path(str(found.file)).stem
    return Contract(
        name=name,
        input=port_in,
        output=port_out,
        preprocess=chosen,
        resize_known=resize_known,
        image=image,
        ending=_ending(found),
        labels=(*known, *(str(index) for index in range(len(known), classes)))[:classes],
        bit_exact=not found.float_operators and all(port.dtype != "float32" for port in (port_in, port_out)),
    )


def _ends(found: Inspection) -> tuple[Port, Port]:
    if len(found.inputs) != 1 or len(found.outputs) != 1:
        raise InputError(
            f"A bundle is for a classifier with one input and one output; {found.file} has {len(found.inputs)} and "
            f"{len(found.outputs)}."
        )
    port_in, port_out = found.inputs[0], found.outputs[0]
    for port in (port_in, port_out):
        if port.dtype not in TYPES:
            raise InputError(f"'{port.name}' of {found.file} holds {port.dtype}; a bundle is for {', '.join(TYPES)}.")
        if port.dtype != "float32" and port.scale is None:
            raise InputError(
                f"'{port.name}' of {found.file} holds {port.dtype} without a scale and zero point: real numbers have "
                "no meaning there. Quantize the model again, for example with `pipeline export --int8`."
            )
        if (
            port.dtype != "float32"
            and not np.iinfo(port.dtype).min <= int(port.zero_point or 0) <= np.iinfo(port.dtype).max
        ):
            raise InputError(
                f"'{port.name}' of {found.file} has the zero point {port.zero_point}, which {port.dtype} cannot hold: "
                "the file is damaged or was edited wrongly. Export it again."
            )
    if len(port_out.shape) != 2 or port_out.shape[0] != 1:
        raise InputError(
            f"A bundle is for a classifier, which gives [1, classes]; {found.file} gives {list(port_out.shape)}."
        )
    if not port_in.shape or port_in.shape[0] != 1 or 0 in port_in.shape or -1 in port_in.shape_signature[1:]:
        raise InputError(
            f"A bundle needs an input of fixed size with a batch of 1; that of {found.file} is "
            f"{list(port_in.shape_signature)}. Export the model with that input."
        )
    return port_in, port_out


def _preprocess(recorded: dict[str, Any], given: Preprocess | None, port: Port, where: str) -> tuple[Preprocess, bool]:
    if "scale" in recorded:  # our own metadata, without loss
        mean_std = recorded["scale"] == "mean_std"
        own = Preprocess(
            size=recorded.get("size"),
            resize=recorded.get("resize") or "bilinear",
            fit=recorded.get("fit") or "stretch",
            channels=recorded.get("channels"),
            scale=recorded["scale"],
            mean=tuple(recorded["mean"]) if mean_std else None,
            std=tuple(recorded["std"]) if mean_std else None,
        )
        if given is not None and Preprocessor(given).describe() != Preprocessor(own).describe():
            differing = [key for key, value in own.model_dump().items() if value != given.model_dump()[key]]
            raise InputError(
                f"{where} was made for another preprocessing than the recipe's: "
                + "; ".join(f"{key} {getattr(own, key)}, not {getattr(given, key)}" for key in differing)
                + ". Use the recipe that it was made with."
            )
        return own, True
    if given is not None:
        return given, True
    if recorded.get("mean") and recorded.get("std"):
        mean, std = tuple(recorded["mean"]), tuple(recorded["std"])
        return Preprocess(scale="mean_std", mean=mean, std=std), False
    raise InputError(
        f"How an image becomes the input '{port.name}' of {where} is not recorded in it: say so with --recipe RECIPE "
        "(and --set data.preprocess.scale=…)."
    )


def _ending(found: Inspection) -> Activation:
    """By the operator that makes the output, looking through a DEQUANTIZE or QUANTIZE after it."""
    makers = {op.output: op for op in found.operators if op.subgraph == 0}
    maker = makers.get(found.outputs[0].name)
    if maker is not None and maker.name in ("DEQUANTIZE", "QUANTIZE"):
        before = [op for op in found.operators if op.subgraph == 0 and op.index < maker.index]
        maker = before[-1] if before else None
    return _ENDINGS.get(maker.name, "none") if maker is not None else "none"


def _port(port: Port) -> dict[str, Any]:
    limits = None if port.dtype == "float32" else np.iinfo(port.dtype)
    return {
        "name": port.name,
        "shape": list(port.shape),
        "dtype": port.dtype,
        "scale": port.scale if limits else None,
        "zero_point": port.zero_point if limits else None,
        "minimum": int(limits.min) if limits else None,
        "maximum": int(limits.max) if limits else None,
        "byte_order": "little-endian",
    }
