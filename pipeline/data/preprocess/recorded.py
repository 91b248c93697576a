"""From how a preprocessor describes itself, as models carry it, back to the recipe's sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.data.preprocess.image import described_scale
from pipeline.errors import InputError, shortened
from pipeline.recipe import Audio, Preprocess


def image_section(described: Mapping[str, Any], *, channels: bool = True) -> Preprocess:
    """The preprocessing of an image, or of values that are scaled as one.

    Args:
        described: With its `scale`.
        channels: Whether those that are described count.

    Raises:
        InputError: it describes none.
    """
    with _of_this_program():
        return _image_section(described, channels)


def _image_section(described: Mapping[str, Any], channels: bool) -> Preprocess:
    scaled = described["scale"] == "mean_std"
    return Preprocess(
        size=described.get("size"),
        resize=described.get("resize") or "bilinear",
        fit=described.get("fit") or "stretch",
        padding=described.get("padding") or 0,
        channels=described.get("channels") if channels else None,
        scale=described["scale"],
        mean=tuple(described["mean"]) if scaled else None,
        std=tuple(described["std"]) if scaled else None,
    )


def audio_section(described: Mapping[str, Any]) -> Audio:
    """The preprocessing of a sound.

    Raises:
        InputError: it describes none.
    """
    with _of_this_program():
        return _audio_section(described)


def _audio_section(described: Mapping[str, Any]) -> Audio:
    rate = int(described["sample_rate"])
    common = {"sample_rate": rate, "seconds": described["samples"] / rate, "features": described["features"]}
    if described["features"] == "waveform":
        return Audio(**common, channels=described["channels"])
    keys = ("fft", "mels", "fmin", "fmax", "mel_scale", "log_floor", "channels")
    coefficients = {} if described.get("coefficients") is None else {"coefficients": described["coefficients"]}
    lengths = {"frame_ms": 1000 * described["frame"] / rate, "hop_ms": 1000 * described["hop"] / rate}
    return Audio(**common, **lengths, **coefficients, **{key: described[key] for key in keys})


def standardized_section(described: Mapping[str, Any]) -> Preprocess:
    """As :func:`image_section`, with the mean and deviation that it was standardized by in the scale.

    Standardized (s − m)/d of scaled s = (x − mean)/std is (x − (mean + m·std))/(std·d).
    """
    section = image_section(described)
    standard = described.get("standardize")
    if not standard:
        return section
    first = described_scale(section)
    mean, std = np.array(first["mean"]), np.array(first["std"])
    centre, width = mean + np.array(standard["mean"]) * std, std * np.array(standard["std"])
    return section.model_copy(
        update={"scale": "mean_std", "mean": tuple(centre.tolist()), "std": tuple(width.tolist())}
    )


@contextmanager
def _of_this_program() -> Iterator[None]:
    """A description that lacks what this program writes, or has something else there, is named as such."""
    try:
        yield
    except ValidationError as error:
        wrong = error.errors()[0]
        what = f"'{'.'.join(map(str, wrong['loc']))}': {wrong['msg']}"
    except KeyError as error:
        what = f"it has no {error}"
    except (TypeError, ValueError, ArithmeticError) as error:
        what = str(error)
    else:
        return
    raise InputError(
        f"The preprocessing in the model's metadata is not what this program writes: {shortened(what, 200)}. Export "
        "the model again, or give its recipe."
    )
