"""Do numbers of very different sizes share one scale, so that the small ones fall below its steps?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.diagnosis.input_statistics import InputStatistics, named
from pipeline.finding import Finding

CHECK = "one scale"
STEPS = 256
"""Of an int8 input over its whole range."""
FEWEST_STEPS = 8
"""What spans fewer steps of the input's scale has lost five bits of eight."""
_NAMED = 6


def one_scale(statistics: InputStatistics, names: Sequence[str] = (), inputs: int = 1) -> list[Finding]:
    """
    Args:
        statistics: The calibration split's of one input.
        names: Of its columns, where they have names.
        inputs: How many inputs there are.
    """
    low, high = statistics.low.astype(np.float64), statistics.high.astype(np.float64)
    whole = max(float(high.max()), 0.0) - min(float(low.min()), 0.0)  # TFLite's ranges hold 0
    spans = high - low
    if statistics.of.integer or len(spans) < 2 or whole <= 0:
        return []
    crushed = np.flatnonzero((spans > 0) & (spans < FEWEST_STEPS * whole / STEPS))
    if not len(crushed):
        return []
    widest = int(spans.argmax())
    what = statistics.of.channel

    def shown(column: int) -> str:
        name = f"'{names[column]}'" if column < len(names) else str(column)
        return f"{name} ({low[column]:.4g} to {high[column]:.4g})"

    listed = ", ".join(shown(int(column)) for column in crushed[:_NAMED]) + (" …" if len(crushed) > _NAMED else "")
    return [
        Finding(
            CHECK,
            "error",
            f"{what} {listed} of the inputs{named(statistics.of, inputs)} lie{'s' * (len(crushed) == 1)} beside "
            f"{what.lower()} {shown(widest)}: an int8 input has one scale for all, here steps of {whole / STEPS:.3g}.",
            "What is smaller than a step is lost before the first layer sees it.",
            "Bring the columns to like sizes before the model: standardize them in the recipe (data.inputs."
            f"{statistics.of.name}.standardize: true) and train with that; or put a Normalization layer in front and "
            "keep it in float, with float inputs: --io float32 --keep OPERATOR=float32.",
            {
                "columns": crushed.tolist(),
                "spans": spans[crushed].tolist(),
                "step": whole / STEPS,
                "widest": widest,
            },
        )
    ]
