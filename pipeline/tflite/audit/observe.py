"""How often integer activations stand at the ends of what they can store, on real examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.progress import Track, quiet
from pipeline.tensors import Tensors
from pipeline.tflite.activations import Activations

EXAMPLES = 64
"""Enough to see what saturates often."""


@dataclass(frozen=True)
class Observed:
    """One activation's values. Shares are fractions, 0..1."""

    at_low: float
    """Share at the smallest value that it can store."""
    at_high: float
    values: int
    """How many were seen."""
    used: int
    """Steps between the smallest and the largest value seen, both counted."""


def observe(content: bytes, examples: Iterable[Tensors], track: Track = quiet) -> tuple[dict[str, Observed], int]:
    """Run a model and count, for each integer activation.

    Args:
        content: A .tflite file's content.
        examples: By input name, [...] without the batch, in the units that the model was trained on.
        track: Follows them.

    Returns:
        By the activation's name, and how many examples were run.

    Raises:
        InputError: the model cannot be run, or takes other examples.
        PipelineError: it fails while it runs.
    """
    run = Activations(content, "xnnpack")
    integer = [place for place, spec in enumerate(run.specs) if spec.dtype.kind in "iu" and spec.scale is not None]
    limits = {place: np.iinfo(run.specs[place].dtype) for place in integer}
    low, high = dict.fromkeys(integer, 0), dict.fromkeys(integer, 0)
    least, most = {p: limits[p].max for p in integer}, {p: limits[p].min for p in integer}
    values = dict.fromkeys(integer, 0)
    count = 0
    for example in track(examples, "observing activations"):
        stored = run(example)
        for place in integer:
            own = stored[place]
            low[place] += int(np.count_nonzero(own == limits[place].min))
            high[place] += int(np.count_nonzero(own == limits[place].max))
            least[place], most[place] = min(least[place], int(own.min())), max(most[place], int(own.max()))
            values[place] += own.size
        count += 1
    return {
        run.listed[p].name: Observed(
            low[p] / max(values[p], 1), high[p] / max(values[p], 1), values[p], max(0, most[p] - least[p] + 1)
        )
        for p in integer
    }, count
