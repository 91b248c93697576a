"""Does the model join parts of very different ranges, boxes and scores, of which one int8 scale leaves nothing?"""

from __future__ import annotations

from collections.abc import Collection

from pipeline.diagnosis.measured_ranges import Measured
from pipeline.finding import Finding
from pipeline.quantization.mixed_ranges import mixed_ranges
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.few_steps import CHECK, Mixed, findings
from pipeline.tflite.joins import joins

__all__ = ["CHECK", "before_export", "in_int8", "joins_anything", "of_ranges"]


def before_export(content: bytes, measured: Measured) -> list[Finding]:
    """
    Args:
        content: A float .tflite file's content.
        measured: Its activations' ranges.
    """
    ends = zip(*(end.tolist() for end in measured.ends), strict=True)
    finite = zip(measured.names, ends, measured.finite, strict=True)
    found = of_ranges(content, Ranges({name: pair for name, pair, whole in finite if whole}))
    return findings(
        found,
        "warning",
        "`pipeline export` tries what helps on the calibration examples and keeps the best: by default the output's "
        "name, shape and values stay, the parts are joined in float and the output is float32 (quantize.mixed_ranges). "
        "Other converters' int8 files lose these values. quantize.mixed_ranges: split gives an output for each part, "
        "normalize divides the wide parts; the app must know of both.",
    )


def joins_anything(content: bytes) -> bool:
    """Whether there is a CONCATENATION or PACK to look at."""
    return bool(joins(flatbuffer.read(content)))


def of_ranges(content: bytes, ranges: Ranges, kept: Collection[str] = ()) -> list[Mixed]:
    """What of a float model one int8 scale would leave with too few steps; see `mixed_ranges`."""
    return [mixed for _, mixed in mixed_ranges(content, ranges, kept)]


def in_int8(mixed: list[Mixed]) -> list[Finding]:
    """Of an int8 model that was written so.

    Args:
        mixed: What joins parts of very different ranges in int8 there.
    """
    return findings(
        [one for one in mixed if one.outputs],
        "error",
        "Let the export choose what to do about it (quantize.mixed_ranges: auto, the default), or keep the joining in "
        "float: quantize.mixed_ranges: float.",
    )
