"""Which rungs of a ladder answer otherwise than the one above, the likeliest cause of a loss first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.evaluation.statistics import Difference
from pipeline.tasks.task import Metric
from pipeline.verification.ladder import Step


def loses(step: Step) -> bool:
    """Whether it is worse in the first metric than the rung above, beyond chance: the whole interval of the paired
    difference lies on the losing side. False without labels, which prove no loss."""
    worst = _loss(step)
    return worst is not None and min(worst) > 0


def suspects(steps: Sequence[Step]) -> list[Step]:
    """The rungs that answer otherwise than the one above.

    Those that lose come first, the largest loss before others; then by agreement, the lowest first, and where that is
    the same by the SQNR of the output that is worst off.
    """
    apart = [step for step in steps if loses(step) or (step.above is not None and step.above.agreement < 1)]

    def order(step: Step) -> tuple[float, float, float]:
        worst = _loss(step)
        if worst is not None and loses(step):
            return (0, -worst[0], 0)
        return (1, *_nearness(step))

    return sorted(apart, key=order)


def lost(steps: Sequence[Step]) -> Step | None:
    """The rung that loses most beyond chance; None where none does."""
    return next((step for step in suspects(steps) if loses(step)), None)


def weakest(steps: Sequence[Step]) -> Step | None:
    """The rung that agrees least with the one above; None where all agree on everything."""
    return min(suspects(steps), key=_nearness, default=None)


def loss(difference: Difference, metric: Metric) -> tuple[float, float, float]:
    """What a paired difference says is lost, in the metric's points: the value and its 95 % interval, low before high.

    Negative where it is better.
    """
    losses = [metric.drop(value, 0.0) for value in (difference.value, difference.low, difference.high)]
    return losses[0], min(losses[1:]), max(losses[1:])


def _loss(step: Step) -> tuple[float, float, float] | None:
    if step.above is None or step.above.difference is None or step.metric is None:
        return None
    return loss(step.above.difference, step.metric)


def _nearness(step: Step) -> tuple[float, float]:
    return (step.above.agreement, step.above.sqnr_db) if step.above else (1.0, math.inf)
