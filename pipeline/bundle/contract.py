"""What an app must do around a model: each input's preprocessing and type, each output's type and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.bundle.located_answer import LocatedAnswer
from pipeline.data.preprocess.recorded import audio_section, image_section
from pipeline.recipe import Audio, Preprocess
from pipeline.tensors import TensorSpec
from pipeline.tflite.endings import Ending

SCHEMA = 2
INTEGERS = ("int8", "uint8", "int16", "int32", "int64", "bool")
TYPES = (*INTEGERS, "float32")
"""Of inputs and outputs that the generated code can fill and read."""

Reading = Literal["classes", "labels", "values"]
"""Of an output: one class of several, several labels at once, or numbers."""
_SCALED = ("int8", "uint8", "int16")
_FORMULAS = {
    "-1..1": "x / 127.5 - 1",
    "0..1": "x / 255",
    "raw": "x",
    "mean_std": "(x - mean) / std",
}


@dataclass(frozen=True)
class Standard:
    """What is taken off and divided by after scaling: the training data's mean and standard deviation."""

    mean: tuple[float, ...]
    """Of each of the entries that are standardized alike, or one of all values."""
    std: tuple[float, ...]
    inner: int
    """How many values beside each other have the same mean."""


@dataclass(frozen=True)
class Input:
    """An input, and how what an app has becomes it."""

    tensor: TensorSpec
    """Its shape is the one that examples have, no dimension open."""
    signature: tuple[int, ...]
    """The shape as the file has it, −1 where it is open."""
    preprocessing: dict[str, Any]
    """As the data's preprocessor describes it."""
    resize_known: bool = True
    """False where only the metadata's mean and std are known: how the photos were resized is not recorded."""

    @property
    def kind(self) -> str:
        """`image`, `audio`, `table`, `window`, `tokens` or `values`: numbers that are scaled at most."""
        kind = str(self.preprocessing.get("kind", "image"))
        pictures = len(self.tensor.shape) == 4 and self.tensor.shape[-1] in (1, 3)
        return "values" if kind == "image" and not pictures else kind

    @property
    def as_integers(self) -> bool:
        """It takes integers as they are: token ids, counts, flags."""
        unscaled = self.tensor.dtype.kind in "iub" and self.tensor.scale is None
        return unscaled and self.kind != "image"

    @property
    def scale(self) -> str:
        """A recipe's name of how values are scaled: `raw` where nothing is said."""
        if "scale" in self.preprocessing:
            return str(self.preprocessing["scale"])
        return "mean_std" if self.preprocessing.get("mean") and self.preprocessing.get("std") else "raw"

    @property
    def standard(self) -> Standard | None:
        """None where nothing is standardized."""
        said = self.preprocessing.get("standardize")
        if not said:
            return None
        sides, axis = self.tensor.shape[1:], said.get("axis")
        inner = 1 if axis is None or axis == -1 else int(np.prod(sides[axis + 1 :]))
        return Standard(tuple(said["mean"]), tuple(said["std"]), inner)

    @property
    def image(self) -> Preprocess:
        """The preprocessing of an image, or of values that are scaled as one."""
        return image_section(self.preprocessing | {"scale": self.scale}, channels=self.kind == "image")

    @property
    def audio(self) -> Audio:
        """The preprocessing of a sound."""
        return audio_section(self.preprocessing)

    def described(self) -> dict[str, Any]:
        """The preprocessing as JSON."""
        content = dict(self.preprocessing) | {"kind": self.kind}
        if self.kind not in ("image", "values") or self.as_integers:
            return content
        if not self.resize_known:
            content |= {"resize": None, "fit": None, "antialias": None}
        if self.kind == "image" and content.get("size") is None:
            content["size"] = list(self.tensor.shape[1:3])
        return content | {
            "input_channels": self.tensor.shape[-1] if self.kind == "image" else None,
            "pixel_type": "uint8" if self.kind == "image" else "float32",
            "formula": f"{_FORMULAS[self.scale]}, in float32",
        }

    def to_json(self) -> dict[str, Any]:
        return described_tensor(self.tensor, self.signature) | {"preprocessing": self.described()}


@dataclass(frozen=True)
class Output:
    """An output, and what it means."""

    tensor: TensorSpec
    signature: tuple[int, ...]
    """The shape as the file has it, −1 where it is open."""
    ending: Ending
    """What the model's last operator does to it."""
    reading: Reading = "values"
    labels: tuple[str, ...] = ()
    """One a class; empty for values, and where the classes' names are not known."""

    @property
    def as_integers(self) -> bool:
        """It holds integers that stand for themselves, such as the number of a class."""
        return self.tensor.dtype.kind in "iub" and self.tensor.scale is None

    @property
    def classes(self) -> int:
        """0 for values."""
        sides = self.tensor.shape[-1] if self.tensor.shape else 1
        if self.reading == "values":
            return 0
        return 2 if self.reading == "classes" and sides == 1 else int(sides)

    def described(self) -> dict[str, Any]:
        """The postprocessing as JSON; without labels."""
        if self.reading == "values":
            return {"reading": self.reading, "ending": self.ending, "apply": None}
        apply = None
        if self.ending == "none" and self.tensor.shape[-1] > 1:
            apply = "softmax" if self.reading == "classes" else "sigmoid"
        return {
            "reading": self.reading,
            "ending": self.ending,
            "apply": apply,
            "classes": self.classes,
            "top_k": min(5, self.classes),
        }

    def to_json(self) -> dict[str, Any]:
        return described_tensor(self.tensor, self.signature) | {
            "postprocessing": self.described(),
            "labels": list(self.labels),
        }


@dataclass(frozen=True)
class Contract:
    """A model's inputs and outputs in its own order, and what goes on before and after it."""

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    bit_exact: bool
    """The model computes in integers only: XNNPACK gives the same bytes on x86 and on ARM."""
    task: dict[str, Any] = field(default_factory=dict)
    """As `Task.describe` says; empty where it is not known."""
    located: LocatedAnswer | None = None
    """The boxes, the mask or the points that the outputs stand for together."""

    @property
    def simple(self) -> bool:
        """A classifier of one image, or of one array of numbers: its generated code needs no names."""
        if len(self.inputs) != 1 or len(self.outputs) != 1 or self.inputs[0].kind not in ("image", "values"):
            return False
        if self.inputs[0].standard is not None:
            return False
        real = all(
            port.tensor.dtype.kind == "f" or (port.tensor.dtype.name in _SCALED and port.tensor.scale is not None)
            for port in (self.inputs[0], self.outputs[0])
        )
        shapes = self.inputs[0].tensor.shape[:1], self.outputs[0].tensor.shape[:1], len(self.outputs[0].tensor.shape)
        return real and self.outputs[0].reading == "classes" and shapes == ((1,), (1,), 2)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of what is found in a photo, else of the first output that has some."""
        if self.located is not None:
            return self.located.labels
        return next((output.labels for output in self.outputs if output.labels), ())

    def to_json(self) -> dict[str, Any]:
        """A simple one also has `input`, `output`, `preprocessing` and `postprocessing`, as in schema 1."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "task": self.task,
            "inputs": [one.to_json() for one in self.inputs],
            "outputs": [one.to_json() for one in self.outputs],
        }
        if self.simple:
            (source,), (target,) = self.inputs, self.outputs
            content |= {
                "input": described_tensor(source.tensor),
                "output": described_tensor(target.tensor),
                "preprocessing": source.described(),
                "postprocessing": target.described(),
            }
        if self.located is not None:
            content["located"] = self.located.to_json()
        return content | {
            "quantization": {
                "quantize": "clamp(round(real / scale) + zero_point), in float32, halves away from zero",
                "dequantize": "scale * (stored - zero_point), in float32",
            },
            "labels": list(self.labels),
            "bit_exact": self.bit_exact,
        }


def described_tensor(spec: TensorSpec, signature: tuple[int, ...] | None = None) -> dict[str, Any]:
    """As JSON; with `shape_signature` where it is given."""
    limits = np.iinfo(spec.dtype) if spec.dtype.kind in "iu" else None
    quantized = spec.scale is not None and limits is not None
    content: dict[str, Any] = {
        "name": spec.name,
        "shape": list(spec.shape),
        "dtype": spec.dtype.name,
        "scale": spec.scale if quantized else None,
        "zero_point": spec.zero_point if quantized else None,
        "minimum": int(limits.min) if limits else None,
        "maximum": int(limits.max) if limits else None,
        "byte_order": "little-endian",
    }
    return content if signature is None else content | {"shape_signature": list(signature)}
