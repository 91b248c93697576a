"""A contract's numbers as Java and Kotlin write them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

from pipeline.bundle.contract import Input
from pipeline.tensors import TensorSpec

_SCALINGS = {"-1..1": "MINUS_ONE_TO_ONE", "0..1": "ZERO_TO_ONE", "raw": "RAW", "mean_std": "MEAN_STD"}


def tensor(spec: TensorSpec) -> dict[str, object]:
    """Shape, type and size, scale and zero point: 1 and 0 where it is not quantized."""
    quantized = spec.dtype.kind in "iu" and spec.scale is not None
    return {
        "shape": list(spec.shape),
        "type": spec.dtype.name.upper(),
        "size": int(np.prod(spec.shape)),
        "scale": number(spec.scale if quantized and spec.scale is not None else 1.0),
        "zero_point": spec.zero_point if quantized else 0,
    }


def scaling(source: Input) -> dict[str, object]:
    """How stored numbers are scaled."""
    recipe = source.image
    return {
        "scaling": _SCALINGS[recipe.scale],
        "mean": numbers(recipe.mean or (0.0,)),
        "std": numbers(recipe.std or (1.0,)),
    }


def image_values(source: Input) -> dict[str, object]:
    """How a photo gets the model's size."""
    recipe, (height, width) = source.image, source.tensor.shape[1:3]
    padded = f" with {recipe.padding}" if recipe.padding else ""
    how = f"{recipe.resize}, {recipe.fit}{padded}" if source.resize_known else "how it was trained is not recorded"
    return {
        "height": height,
        "width": width,
        "method": recipe.resize.upper(),
        "fit": recipe.fit.upper(),
        "padding": recipe.padding,
        "preparation": f"{height}x{width}, {how}",
    }


def numbers(values: Iterable[float]) -> str:
    """Float literals in a row."""
    return ", ".join(map(number, values))


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float32, as both languages take it."""
    return f"{np.float32(value)!s}f"


def string(text: str) -> str:
    """A literal; a dollar would begin a template in Kotlin."""
    return json.dumps(text).replace("$", "\\u0024")


def comment(text: str) -> str:
    """Text that neither ends nor begins a comment."""
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *").replace("\\u", "\\ u")
