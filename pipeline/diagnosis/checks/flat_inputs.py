"""Are there inputs without content: flat images, flat channels, values stuck at an end of the range?"""

from __future__ import annotations

from pathlib import PurePath

import numpy as np

from pipeline.data import Examples
from pipeline.diagnosis.pixels import Pixels
from pipeline.finding import Finding, percent

CHECK = "saturation"
MANY_FLAT = 0.05
"""Share of flat images from which on they are a warning."""
MORE = 0.10
"""By so much a share at an end must exceed the evaluation split's, and be half as much again."""
TWO_VALUED = 0.98
"""Share at either end from which on inputs are no photographs."""


def saturation(pixels: Pixels, examples: Examples, reference: Pixels | None, split: str) -> list[Finding]:
    """
    Args:
        pixels: The calibration split's.
        examples: The calibration split, for its examples' names.
        reference: The evaluation split's; None where there is none.
        split: The evaluation split's name.
    """
    flat = _flat_images(pixels, examples)
    if pixels.constant == pixels.count:
        return flat
    return [*flat, *_flat_channels(pixels, reference), *_ends(pixels, reference, split)]


def _flat_images(pixels: Pixels, examples: Examples) -> list[Finding]:
    if not pixels.constant:
        return []
    share = pixels.constant / pixels.count
    named = ", ".join(PurePath(examples.where(position)).name for position in pixels.first_constant)
    return [
        Finding(
            CHECK,
            "error" if share == 1 else "warning" if share >= MANY_FLAT else "note",
            f"{pixels.constant} of {pixels.count} calibration examples are one flat value: {named}"
            + (" …" if pixels.constant > len(pixels.first_constant) else "")
            + ".",
            "No activation ranges can be measured on them: int8 clips nearly everything that a real image causes."
            if share == 1
            else "They add nothing to the ranges: the calibration set is smaller than it looks.",
            "Look at the images and at what reads them; replace them by real ones.",
            {"constant": pixels.constant, "examples": pixels.count},
        )
    ]


def _flat_channels(pixels: Pixels, reference: Pixels | None) -> list[Finding]:
    flat = np.flatnonzero(pixels.low == pixels.high)
    if not len(flat):
        return []
    varies = reference is not None and bool((reference.low[flat] < reference.high[flat]).any())
    listed = ", ".join(str(channel) for channel in flat)
    return [
        Finding(
            CHECK,
            "error" if varies else "note",
            f"Channel {listed} of the inputs has one value in all calibration examples"
            + (", but not in the evaluation split." if varies else "."),
            "Its range is a point: what it contributes to the first layer is not in the ranges and is clipped."
            if varies
            else "The model sees nothing in it; if it did in training, the data lost it.",
            "Look at how the calibration images are stored and read (channels, grey files, an empty alpha).",
            {"channels": flat.tolist(), "values": pixels.low[flat].tolist()},
        )
    ]


def _ends(pixels: Pixels, reference: Pixels | None, split: str) -> list[Finding]:
    low, high = pixels.ends
    if pixels.at_low + pixels.at_high >= TWO_VALUED:
        return [
            Finding(
                CHECK,
                "note",
                f"{percent(pixels.at_low + pixels.at_high)} of the input values are either {low:.4g} or {high:.4g}.",
                "If the images are photographs, their greys were lost: activations in between are not measured.",
                "If they are not meant to be black and white, look at how they are stored and scaled.",
                {"at_low": pixels.at_low, "at_high": pixels.at_high},
            )
        ]
    if reference is None:
        return []
    found = []
    for end, value, share, usual in (
        ("smallest", low, pixels.at_low, reference.at_low),
        ("largest", high, pixels.at_high, reference.at_high),
    ):
        if share >= usual + MORE and share >= 1.5 * usual:
            found.append(
                Finding(
                    CHECK,
                    "warning",
                    f"{percent(share)} of the calibration's input values are the {end} one ({value:.4g}); in the "
                    f"{split} split {percent(usual)} are at that end.",
                    "Overexposed, underexposed or clipped images show less than real ones: ranges come out too narrow.",
                    "Look at the calibration images, and at what prepares them before the recipe does.",
                    {"end": end, "value": value, "share": share, "evaluation_share": usual},
                )
            )
    return found
