"""Hold the ladder to what the recipe promises: one sentence for each promise that is broken."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.recipe import RungPromise, Verify
from pipeline.verification.compare import Comparison
from pipeline.verification.ladder import Step


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
    whole = RungPromise(min_agreement=section.min_agreement, max_drop=section.max_drop)
    if whole != RungPromise():
        step = by_name.get(last)
        if step is None or step.overall is None:
            left_out.append("verify.min_agreement and max_drop: the ladder has no float .tflite to compare with")
        else:
            sentences += _of(step, step.overall, whole, "verify")
    for name, promise in section.rungs.items():
        step = by_name.get(name)
        if step is None:
            left_out.append(f"verify.rungs.{name}: the ladder does not have this rung here")
        elif step.above is None:
            left_out.append(f"verify.rungs.{name}: it is the first rung, there is nothing to compare it with")
        else:
            sentences += _of(step, step.above, promise, f"verify.rungs.{name}")
            if promise.max_lsb is not None and step.above.max_lsb is None:
                left_out.append(f"verify.rungs.{name}.max_lsb: it and {step.above.against} do not share a scale")
    return sentences, left_out


def _of(step: Step, found: Comparison, promise: RungPromise, key: str) -> list[str]:
    what = f"The rung {step.name} ({step.title})"
    sentences = []
    if promise.min_agreement is not None and found.agreement < promise.min_agreement:
        sentences.append(
            f"{what} agrees with {found.against} on {_percent(found.agreement)} of {step.n} examples; "
            f"{key}.min_agreement promises {_percent(promise.min_agreement)}."
        )
    if promise.max_drop is not None and -found.difference.value > promise.max_drop:
        sentences.append(
            f"{what} loses {-100 * found.difference.value:.1f} points of top-1 to {found.against} "
            f"(95 % interval {-100 * found.difference.high:+.1f} to {-100 * found.difference.low:+.1f}); "
            f"{key}.max_drop promises at most {100 * promise.max_drop:.1f}."
        )
    if promise.max_lsb is not None and found.max_lsb is not None and found.max_lsb > promise.max_lsb:
        sentences.append(
            f"{what} differs from {found.against} by up to {found.max_lsb} LSB; {key}.max_lsb promises at most "
            f"{promise.max_lsb}."
        )
    if promise.min_sqnr_db is not None and found.sqnr_db < promise.min_sqnr_db:
        sentences.append(
            f"{what} has a signal to noise ratio of {found.sqnr_db:.1f} dB against {found.against}; "
            f"{key}.min_sqnr_db promises {promise.min_sqnr_db:g} dB."
        )
    return sentences


def _percent(share: float) -> str:
    """With as many digits as tell apart what differs."""
    return f"{100 * share:.1f} %" if round(1000 * share, 6).is_integer() else f"{100 * share:.2f} %"
