"""Are there inputs without content: flat examples, flat channels, values stuck at an end of the range?"""

from __future__ import annotations

from pathlib import PurePath

import numpy as np

from pipeline.data import Examples
from pipeline.diagnosis.input_statistics import InputStatistics, named
from pipeline.finding import Finding, percent

CHECK = "saturation"
MANY_FLAT = 0.05
"""Share of flat examples from which on they are a warning."""
MORE = 0.10
"""By so much a share at an end must exceed the evaluation split's, and be half as much again."""
TWO_VALUED = 0.98
"""Share at either end from which on inputs are no photographs."""


def saturation(
    statistics: InputStatistics, examples: Examples, reference: InputStatistics | None, split: str, inputs: int = 1
) -> list[Finding]:
    """
    Args:
        statistics: The calibration split's of one input.
        examples: The calibration split, for its examples' names.
        reference: The evaluation split's; None where there is none.
        split: The evaluation split's name.
        inputs: How many inputs there are.
    """
    where = named(statistics.of, inputs)
    flat = _flat_examples(statistics, examples, where)
    if statistics.constant == statistics.count:
        return flat
    return [*flat, *_flat_channels(statistics, reference, where), *_ends(statistics, reference, split, where)]


def without_content(statistics: InputStatistics, inputs: int = 1) -> list[Finding]:
    """Whether all examples are the same, or each is one flat value: there is nothing to measure ranges on.

    Args:
        statistics: The calibration split's of one input.
        inputs: How many inputs there are.
    """
    same = bool((statistics.low == statistics.high).all())
    if not statistics.count or not (same or statistics.constant == statistics.count):
        return []
    what = f"all {statistics.low[0]:.4g}" if same and len(set(statistics.low.tolist())) == 1 else "the same everywhere"
    each = "hold the same values" if same else "are one flat value each"
    return [
        Finding(
            CHECK,
            "error",
            f"The {statistics.count} calibration examples{named(statistics.of, inputs)} {each}"
            + (f" ({what})." if same else "."),
            "No activation ranges can be measured on them: int8 clips nearly everything that a real one causes.",
            f"Look at the {statistics.of.nouns} and at what reads them; replace them by real ones.",
            {"constant": statistics.constant, "examples": statistics.count},
        )
    ]


def _flat_examples(statistics: InputStatistics, examples: Examples, where: str) -> list[Finding]:
    if not statistics.constant:
        return []
    share = statistics.constant / statistics.count
    listed = ", ".join(PurePath(examples.where(position)).name for position in statistics.first_constant)
    return [
        Finding(
            CHECK,
            "error" if share == 1 else "warning" if share >= MANY_FLAT else "note",
            f"{statistics.constant} of {statistics.count} calibration examples{where} are one flat value: {listed}"
            + (" …" if statistics.constant > len(statistics.first_constant) else "")
            + ".",
            "No activation ranges can be measured on them: int8 clips nearly everything that a real one causes."
            if share == 1
            else "They add nothing to the ranges: the calibration set is smaller than it looks.",
            f"Look at the {statistics.of.nouns} and at what reads them; replace them by real ones.",
            {"constant": statistics.constant, "examples": statistics.count},
        )
    ]


def _flat_channels(statistics: InputStatistics, reference: InputStatistics | None, where: str) -> list[Finding]:
    flat = np.flatnonzero(statistics.low == statistics.high)
    if not len(flat):
        return []
    varies = reference is not None and bool((reference.low[flat] < reference.high[flat]).any())
    listed = ", ".join(str(channel) for channel in flat)
    return [
        Finding(
            CHECK,
            "error" if varies else "note",
            f"{statistics.of.channel} {listed} of the inputs{where} has one value in all calibration examples"
            + (", but not in the evaluation split." if varies else "."),
            "Its range is a point: what it contributes to the first layer is not in the ranges and is clipped."
            if varies
            else "The model sees nothing in it; if it did in training, the data lost it.",
            "Look at how the calibration images are stored and read (channels, grey files, an empty alpha)."
            if statistics.of.kind == "image"
            else f"Look at how the calibration {statistics.of.nouns} are stored and read.",
            {"channels": flat.tolist(), "values": statistics.low[flat].tolist()},
        )
    ]


def _ends(statistics: InputStatistics, reference: InputStatistics | None, split: str, where: str) -> list[Finding]:
    image = statistics.of.kind == "image"
    low, high = statistics.ends
    if statistics.at_low + statistics.at_high >= TWO_VALUED:
        return [
            Finding(
                CHECK,
                "note",
                f"{percent(statistics.at_low + statistics.at_high)} of the input values{where} are either {low:.4g} or "
                f"{high:.4g}.",
                "If the images are photographs, their greys were lost: activations in between are not measured."
                if image
                else "If there should be values in between, they were lost, and are not measured.",
                "If they are not meant to be black and white, look at how they are stored and scaled."
                if image
                else f"Look at how the {statistics.of.nouns} are stored and scaled.",
                {"at_low": statistics.at_low, "at_high": statistics.at_high},
            )
        ]
    if reference is None:
        return []
    found = []
    for end, value, share, usual in (
        ("smallest", low, statistics.at_low, reference.at_low),
        ("largest", high, statistics.at_high, reference.at_high),
    ):
        if share >= usual + MORE and share >= 1.5 * usual:
            found.append(
                Finding(
                    CHECK,
                    "warning",
                    f"{percent(share)} of the calibration's input values{where} are the {end} one ({value:.4g}); in "
                    f"the {split} split {percent(usual)} are at that end.",
                    "Overexposed, underexposed or clipped images show less than real ones: ranges come out too narrow."
                    if image
                    else "What is clipped shows less than what is not: ranges come out too narrow.",
                    f"Look at the calibration {statistics.of.nouns}, and at what prepares them before the recipe does.",
                    {"end": end, "value": value, "share": share, "evaluation_share": usual},
                )
            )
    return found
