"""Which values of a large activation are counted.

An activation of a 224 × 224 image holds up to a million values, and counting them all takes longer than the inference
that made them. Neighbouring values tell much the same, so every s-th value of the stream of examples is taken.

The stride s shares no divisor with an example's number of values, so it shares none with any of its axes either.
That keeps the sample honest in two ways: no channel, row or column is favoured, as the channels would be by a stride
of 2 in a [height, width, 2] activation; and successive examples are entered at other offsets, all s of them before
one comes again. Which values are taken depends on the examples alone, not on how they were batched.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SAMPLES = 8192
"""Values taken from an example, at most."""


def stride(size: int) -> int:
    """The smallest stride that takes at most `SAMPLES` of an example's `size` values and shares no divisor with it."""
    step = -(-size // SAMPLES)
    while math.gcd(step, size) > 1:
        step += 1
    return step


def sample(values: NDArray[np.float32], seen: int) -> NDArray[np.float32]:
    """Every s-th value of a batch, s by :func:`stride`.

    Args:
        values: float32 [B, ...], not empty; a batch that is not contiguous is copied.
        seen: Values in all batches before this one: the stride goes on where it ended.

    Returns:
        float32 [n], 1 ≤ n ≤ B · SAMPLES; a view.
    """
    step = stride(values.size // (len(values) if values.ndim else 1))
    return values.reshape(-1)[-seen % step :: step]
