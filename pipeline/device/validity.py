"""What makes a measured time not what it seems."""

from __future__ import annotations

from pipeline.device.facts import Condition, Described
from pipeline.device.results import Delegation

FEWEST_RUNS = 10
"""Below it, a median says little."""


def why_not_valid(
    described: Described, before: Condition, after: Condition, delegate: Delegation, runs: int
) -> list[str]:
    """Reasons not to believe a result; none for a good one.

    Args:
        described: The device.
        before: Its condition before the run.
        after: And after it.
        delegate: What was asked for and what ran.
        runs: How many inferences were timed.
    """
    reasons = [] if described.not_a_phone is None else [described.not_a_phone]
    for reason in (*before.why_not_valid(), *after.why_not_valid()):
        if reason not in reasons:
            reasons.append(reason)
    if delegate.got not in (delegate.asked, "unknown", None):
        reasons.append(f"{delegate.asked} was asked for and {delegate.got} ran")
    return [*reasons, *too_few(runs)]


def too_few(runs: int) -> list[str]:
    """The reason why so many timed inferences are too few; none where they are enough."""
    if runs >= FEWEST_RUNS:
        return []
    return [f"only {runs} inference{'s' * (runs != 1)} timed, at least {FEWEST_RUNS} are needed"]
