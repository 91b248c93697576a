"""Does the quantized model still say different things: outputs that never change, or that stand at an end?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.finding import Finding, percent
from pipeline.tensors import Outputs

CHECK = "outputs"
MOSTLY = 0.5
"""Share of the values from which on an output counts as stuck."""
MORE = 0.25
"""By so much the share at an end must exceed the float model's."""


def lost_outputs(float_answers: Sequence[Outputs], answers: Sequence[Outputs]) -> list[Finding]:
    """
    Args:
        float_answers: The float model's, batch by batch.
        answers: The quantized model's to the same examples, under the same names.
    """
    found = []
    for name, spec in answers[0].specs.items():
        real = np.concatenate([one.real[name].reshape(len(one), -1) for one in float_answers]).astype(np.float64)
        own = np.concatenate([one.real[name].reshape(len(one), -1) for one in answers]).astype(np.float64)
        stored = np.concatenate([one.stored[name].reshape(len(one), -1) for one in answers])
        if not np.isfinite(own).all():
            found.append(_finding(f"The output '{name}' holds NaN or infinity.", {"output": name}))
            continue
        varies = np.ptp(real, axis=0) > 1e-6 * max(1.0, float(np.abs(real).max()))
        dead = varies & (np.ptp(own, axis=0) == 0)
        if len(own) > 1 and dead.sum() >= MOSTLY * max(int(varies.sum()), 1) and varies.any():
            share = float(dead.sum() / varies.sum())
            found.append(
                _finding(
                    f"{percent(share)} of the values of the output '{name}' that change with the example in float are "
                    "the same for all examples.",
                    {"output": name, "dead": share},
                )
            )
        elif spec.scale is not None:
            limits = np.iinfo(spec.dtype)
            ends = (np.array([limits.min, limits.max]) - spec.zero_point) * spec.scale
            beyond = float(((real < ends[0] - spec.scale) | (real > ends[1] + spec.scale)).mean())
            stuck = float(((stored == limits.min) | (stored == limits.max)).mean())
            if beyond >= MORE and stuck >= MOSTLY:
                found.append(
                    _finding(
                        f"{percent(stuck)} of the values of the output '{name}' stand at an end of its range, "
                        f"{ends[0]:.4g} to {ends[1]:.4g}; the float model goes beyond it in {percent(beyond)}.",
                        {"output": name, "stuck": stuck, "beyond": beyond},
                    )
                )
    return found


def _finding(message: str, evidence: dict[str, object]) -> Finding:
    return Finding(
        CHECK,
        "error",
        message,
        "The model answers the same whatever it is shown.",
        "Look where the error begins, `pipeline verify RUN` and `pipeline sensitivity RUN`, and keep that operator out "
        "of int8: --keep OPERATOR=float32.",
        evidence,
    )
