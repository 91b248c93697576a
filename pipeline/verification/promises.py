"""Hold the ladder to what the recipe promises: one sentence for each promise that is broken."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import InputError
from pipeline.evaluation.comparison import Comparison
from pipeline.recipe import RungPromise, Verify
from pipeline.tasks.task import Metric, Task
from pipeline.verification.ladder import Step
from pipeline.verification.suspects import loss

_FRACTION = 0.1
"""Nobody promises less than a tenth of a percentage point: below it, an old recipe's fraction is meant."""
_DIGITS = 9
"""Of points that are compared: 7.000000000000001 is not above 7."""


def check(section: Verify, task: Task) -> None:
    """Refuse promises that the task cannot be held to, before anything runs.

    Raises:
        InputError: `max_drop` where the task has no metric, or as a fraction, as it was before it counted in points.
    """
    promises = {"verify": RungPromise(max_drop=section.max_drop)}
    promises |= {f"verify.rungs.{name}": promise for name, promise in section.rungs.items()}
    for key, promise in promises.items():
        if promise.max_drop is None:
            continue
        if not task.metrics:
            raise InputError(
                f"{key}.max_drop promises something of a metric, and the task '{task.name}' has none. Promise "
                "min_agreement or min_sqnr_db, or say what the model is for with --set task=…."
            )
        if task.metrics[0].unit == "%" and 0 < promise.max_drop < _FRACTION:
            raise InputError(
                f"{key}.max_drop counts in percentage points of {task.metrics[0].label} now, and {promise.max_drop:g} "
                f"looks like a fraction: write {100 * promise.max_drop:g} for what {promise.max_drop:g} meant."
            )


def broken(section: Verify, steps: Sequence[Step], last: str) -> tuple[list[str], list[str]]:
    """
    Args:
        section: The recipe's.
        steps: All of the ladder.
        last: The rung that the recipe's own `min_agreement` and `max_drop` are about.

    Returns:
        A sentence for each promise that is broken, and one for each that could not be held to.
    """
    by_name = {step.name: step for step in steps}
    sentences: list[str] = []
    left_out: list[str] = []

    def hold(step: Step, found: Comparison, promise: RungPromise, key: str) -> None:
        sentences.extend(_of(step, found, promise, key))
        if promise.max_lsb is not None and found.max_lsb is None:
            left_out.append(f"{key}.max_lsb: it and {found.against} do not share a scale")
        if promise.max_drop is not None and found.difference is None:
            left_out.append(f"{key}.max_drop: the data has no labels")

    whole = RungPromise(min_agreement=section.min_agreement, max_drop=section.max_drop)
    if whole != RungPromise():
        step = by_name.get(last)
        if step is None or step.overall is None:
            left_out.append("verify.min_agreement and max_drop: the ladder has no float .tflite to compare with")
        else:
            hold(step, step.overall, whole, "verify")
    for name, promise in section.rungs.items():
        step = by_name.get(name)
        if step is None:
            left_out.append(f"verify.rungs.{name}: the ladder does not have this rung here")
        elif step.above is None:
            left_out.append(f"verify.rungs.{name}: it is the first rung, there is nothing to compare it with")
        else:
            hold(step, step.above, promise, f"verify.rungs.{name}")
    return sentences, left_out


def _of(step: Step, found: Comparison, promise: RungPromise, key: str) -> list[str]:
    what = f"The rung {step.name} ({step.title})"
    sentences = []
    if promise.min_agreement is not None and found.agreement < promise.min_agreement:
        sentences.append(
            f"{what} agrees with {found.against} on {_percent(found.agreement)} of {found.n} examples; "
            f"{key}.min_agreement promises {_percent(promise.min_agreement)}."
        )
    if promise.max_drop is not None and found.difference is not None and step.metric is not None:
        metric = step.metric
        value, low, high = loss(found.difference, metric)
        if round(value, _DIGITS) > promise.max_drop:
            sentences.append(
                f"{what} is {_amount(value, metric)} worse in {metric.label} than {found.against} (95 % interval "
                f"{_signed(low, metric)} to {_signed(high, metric)}); {key}.max_drop promises at most "
                f"{promise.max_drop:g}."
            )
    if promise.max_lsb is not None and found.max_lsb is not None and found.max_lsb > promise.max_lsb:
        sentences.append(
            f"{what} differs from {found.against} by up to {found.max_lsb} LSB; {key}.max_lsb promises at most "
            f"{promise.max_lsb}."
        )
    if promise.min_sqnr_db is not None and found.sqnr_db < promise.min_sqnr_db:
        worst = min(found.fidelity, key=lambda name: found.fidelity[name].sqnr_db)
        where = f" in '{worst}'" if len(found.fidelity) > 1 else ""
        sentences.append(
            f"{what} has a signal to noise ratio of {found.sqnr_db:.1f} dB against {found.against}{where}; "
            f"{key}.min_sqnr_db promises {promise.min_sqnr_db:g} dB."
        )
    return sentences


def _amount(value: float, metric: Metric) -> str:
    if metric.unit == "%":
        return f"{value:.1f} points"
    return f"{value:.3g} dB" if metric.unit == "dB" else f"{value:.3g}"


def _signed(value: float, metric: Metric) -> str:
    return f"{value:+.1f}" if metric.unit == "%" else f"{value:+.3g}"


def _percent(share: float) -> str:
    """With as many digits as tell apart what differs."""
    return f"{100 * share:.1f} %" if round(1000 * share, 6).is_integer() else f"{100 * share:.2f} %"
