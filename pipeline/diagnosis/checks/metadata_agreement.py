"""Does the recipe prepare its inputs as the model's own metadata say?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis.scalings import RAW, Alternative, Scaling
from pipeline.finding import Finding
from pipeline.tflite.metadata import Metadata

CHECK = "metadata"
TOLERANCE = 0.02
"""Of the stated range; other tools round ImageNet's means to whole numbers."""
_PIXELS = np.array([[0.0], [255.0]])


def preprocessing(
    metadata: Metadata, described: dict[str, Any], *, integer_input: bool, name: str = ""
) -> list[Finding]:
    """Compare the scale, and the resizing where the metadata name it; of what is no image, all that both say.

    Args:
        metadata: The model's.
        described: The recipe's preprocessor's description.
        integer_input: The model takes integers: mean 0 and std 1 then say nothing of how it was trained.
        name: The input's, in the model; of one input it does not matter.
    """
    stated = metadata.preprocessing_of(name)
    if described.get("kind", "image") != "image" or stated.get("kind", "image") != "image":
        return _differences(stated, described, name)
    return [*_scale(stated, described, integer_input), *_resizing(stated, described)]


def _differences(stated: dict[str, Any], described: dict[str, Any], name: str) -> list[Finding]:
    """Keys that both have, with other values; nothing is said where the metadata are another tool's."""
    if "kind" not in stated:
        return []
    other = [key for key in stated if key in described and not _same(stated[key], described[key])]
    if not other:
        return []
    of = f" of '{name}'" if name else ""
    said = "; ".join(f"{key} {_short(stated[key])}, not {_short(described[key])}" for key in other)
    return [
        Finding(
            CHECK,
            "error",
            f"The model was made for inputs{of} that are prepared otherwise than the recipe does: {said}.",
            "int8 ranges are measured on other inputs than the app feeds, which goes by the metadata: inputs are "
            "clipped, or fall into a few of the 256 steps.",
            "Use the recipe and the data that the model was made with.",
            {"metadata": {key: stated[key] for key in other}, "recipe": {key: described[key] for key in other}},
        )
    ]


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers to five digits: means are written and read."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-5, atol=1e-9))
    return bool(one == other)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _scale(stated: dict[str, Any], described: dict[str, Any], integer_input: bool) -> list[Finding]:
    mean, std = stated.get("mean") or [], stated.get("std") or []
    if not mean or not std or (integer_input and set(mean) == {0} and set(std) == {1}):
        return []
    wanted, given = _ends(mean, std), _ends(described["mean"], described["std"])
    if wanted.shape[1] != given.shape[1] and 1 not in (wanted.shape[1], given.shape[1]):
        return []  # of other channels: there is no such model
    if np.all(np.abs(given - wanted) <= TOLERANCE * np.ptp(wanted, axis=0)):
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"The model's metadata say (pixel − {_list(mean)})/{_list(std)}, which is {_span(wanted)}; the recipe "
            f"gives {_span(given)}.",
            "int8 ranges are measured on another scale than the app feeds, which goes by the metadata: inputs are "
            "clipped, or fall into a few of the 256 steps.",
            "Do as the metadata say, or correct them if they are wrong. "
            + Alternative(RAW, RAW, Scaling("stated", tuple(mean), tuple(std))).setting,
            {"metadata": {"mean": mean, "std": std}, "recipe": {"mean": described["mean"], "std": described["std"]}},
        )
    ]


def _resizing(stated: dict[str, Any], described: dict[str, Any]) -> list[Finding]:
    if "fit" in stated:  # without a word of it, it is black
        stated, described = {"padding": 0, **stated}, {"padding": 0, **described}
    other = [key for key in ("fit", "resize", "padding") if key in stated and stated[key] != described[key]]
    if not other or described["size"] is None:
        return []
    said = " and ".join(f"{key} {stated[key]}" for key in other)
    given = " and ".join(f"{key} {described[key]}" for key in other)
    return [
        Finding(
            CHECK,
            "warning",
            f"The model's metadata say {said}; the recipe has {given}.",
            "Images look a little different in the app than in the calibration: some points of accuracy.",
            " ".join(f"--set data.preprocess.{key}={stated[key]}" for key in other),
            {"metadata": {key: stated[key] for key in other}, "recipe": {key: described[key] for key in other}},
        )
    ]


def _ends(mean: list[float], std: list[float]) -> NDArray[np.float64]:
    """What pixels 0 and 255 become, [2, channels or 1]."""
    ends: NDArray[np.float64] = (_PIXELS - np.array(mean)) / np.array(std)
    return ends


def _span(ends: NDArray[np.float64]) -> str:
    return f"{ends.min():.4g} to {ends.max():.4g}"


def _list(values: list[float]) -> str:
    return "[" + ",".join(f"{value:.4g}" for value in values) + "]"
