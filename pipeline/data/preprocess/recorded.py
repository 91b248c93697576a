"""From how a preprocessor describes itself, as models carry it, back to the recipe's sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.data.preprocess.image import described_scale
from pipeline.recipe import Audio, Preprocess


def image_section(described: Mapping[str, Any], *, channels: bool = True) -> Preprocess:
    """The preprocessing of an image, or of values that are scaled as one.

    Args:
        described: With its `scale`.
        channels: Whether those that are described count.
    """
    scaled = described["scale"] == "mean_std"
    return Preprocess(
        size=described.get("size"),
        resize=described.get("resize") or "bilinear",
        fit=described.get("fit") or "stretch",
        channels=described.get("channels") if channels else None,
        scale=described["scale"],
        mean=tuple(described["mean"]) if scaled else None,
        std=tuple(described["std"]) if scaled else None,
    )


def audio_section(described: Mapping[str, Any]) -> Audio:
    """The preprocessing of a sound."""
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
