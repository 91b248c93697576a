"""Is the pixels' scale what the model expects? Asked of the model: on which scale does it answer best?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.diagnosis.answers import Answers
from pipeline.diagnosis.input_statistics import InputStatistics
from pipeline.diagnosis.scalings import RAW, UNIT, Alternative, Scaling, of_recipe, stored_as, stored_ends
from pipeline.evaluation.statistics import Difference, paired_difference_of_counts, wilson_interval
from pipeline.finding import Finding, percent

CHECK = "normalisation"
EXAMPLES = 64
"""Calibration examples that the model is asked about."""
AS_IT_IS, REVERSED = "as it is", "channels reversed"

CLEARLY, SURELY = 0.10, 0.02
"""Another scale is better where its accuracy is this much higher, and the 95 % interval's lower end this much."""
SURELY_BY_RANK = 0.05
"""The same for the share of labels that rank higher: it finds what costs little accuracy, so it only warns."""
NO_ACCIDENT = 0.10
"""The labels are the model's own if the best accuracy is surely this far on the way from chance to 100 %."""
TELLING, MUTE = 0.7, 0.35
"""Without usable labels: a scale is right if answers tell at least this much of the example (`Answers.information`),
and wrong if they tell at most that. Untrained networks were seen to reach 0.63."""
DIVIDES, SCALED = 16, 3.1
"""A recipe that divides by at least the one expects pixels; values up to the other are scaled already."""
FEW = 16
"""With fewer examples than this, answers without labels are not judged."""

EFFECT = (
    "the ranges are measured on inputs that the model never saw in training: the int8 model answers one class, or "
    "little better than chance."
)


def by_answers(
    answers: Mapping[str, Answers],
    tried: Mapping[str, Alternative],
    recipe: Scaling,
    statistics: InputStatistics,
    named: int,
) -> list[Finding]:
    """Judge by how well the model answers.

    Args:
        answers: AS_IT_IS, perhaps REVERSED, and those of `tried`, to the same examples.
        tried: The alternatives by name.
        recipe: What the recipe does.
        statistics: The calibration split's, of the image.
        named: Classes that the data has. Where it is the model's number, labels are taken for the model's.
    """
    if knows_labels(answers):
        return _by_labels(answers, tried, recipe, statistics)
    if named != answers[AS_IT_IS].classes and len(answers[AS_IT_IS].right) >= FEW:
        return _without_labels(answers, tried, recipe, statistics)
    return []


def knows_labels(answers: Mapping[str, Answers]) -> bool:
    """Whether the model answers with the data's labels, on one scale or another, more often than by accident."""
    best = max(answers.values(), key=lambda answer: answer.accuracy)
    count = len(best.right)
    # Whoever always gives the most frequent label is right this often; the labels are not here, so by the answers.
    often = np.bincount(best.predicted[best.right]).max() / count if best.right.any() else 1.0
    chance = max(1 / best.classes, float(often))
    low, _ = wilson_interval(int(best.right.sum()), count)
    return low > chance + NO_ACCIDENT * (1 - chance)


def _by_labels(
    answers: Mapping[str, Answers], tried: Mapping[str, Alternative], recipe: Scaling, statistics: InputStatistics
) -> list[Finding]:
    now = answers[AS_IT_IS]
    others = {name: answer for name, answer in answers.items() if name != AS_IT_IS}
    if not others:
        return []
    name = _simplest(
        max(others, key=lambda name: (others[name].accuracy, -float(others[name].rank.mean()))), others, tried
    )
    best = others[name]
    gain, ranked = _gain(best, now), _ranked(best, now)
    evidence = {
        **_facts(recipe, statistics),
        "expected": name,
        "examples": len(now.right),
        "accuracy": {other: answer.accuracy for other, answer in answers.items()},
        "difference": gain.to_json(),
        "ranked_higher": ranked.to_json(),
    }
    measured = f"top-1 {percent(best.accuracy)} against {percent(now.accuracy)} on {len(now.right)} examples"
    if gain.value >= CLEARLY and gain.low > SURELY:
        if name == REVERSED:
            return [_reversed(measured, evidence)]
        return [
            Finding(
                CHECK,
                "error",
                f"{_upper(_wrong(recipe, tried[name], statistics))} ({measured}).",
                f"{_upper(EFFECT)} {_says(now)}",
                _remedy(tried[name]),
                evidence,
            )
        ]
    if ranked.low > SURELY_BY_RANK and gain.value >= 0 and name != REVERSED:
        return [
            Finding(
                CHECK,
                "warning",
                f"It seems that {_wrong(recipe, tried[name], statistics)} ({measured}; the right class ranks higher "
                f"for {percent(_share_higher(best, now))} of them, lower for {percent(_share_higher(now, best))}).",
                "Activation ranges are measured on another contrast or brightness than in training, and the app that "
                "prepares its images as in training meets other ranges: some points of accuracy.",
                f"Look up how the training prepared its images. If so: {tried[name].setting}",
                evidence,
            )
        ]
    return []


def _simplest(best: str, others: Mapping[str, Answers], tried: Mapping[str, Alternative]) -> str:
    """Of the scales that answer as well as the best, the one that is said most simply."""
    if best not in tried:
        return best
    as_good = [
        name
        for name in tried
        if others[name].accuracy >= others[best].accuracy and _ranked(others[best], others[name]).low <= 0
    ]
    return min(as_good, key=lambda name: tried[name].simplicity, default=best)


def _without_labels(
    answers: Mapping[str, Answers], tried: Mapping[str, Alternative], recipe: Scaling, statistics: InputStatistics
) -> list[Finding]:
    now = answers[AS_IT_IS]
    others = {name: answers[name] for name in tried}
    if not others:
        return []
    name = max(others, key=lambda name: others[name].information)
    best = others[name]
    (_, before), (_, after) = now.most_frequent, best.most_frequent
    if best.information < TELLING or now.information > MUTE or before < 2 * after:
        return []
    return [
        Finding(
            CHECK,
            "warning",
            f"It seems that {_wrong(recipe, tried[name], statistics)} ({percent(before)} of {len(now.right)} examples "
            f"get the same answer, on the other scale {percent(after)}; judged by the answers alone, as the labels are "
            "not this model's).",
            f"If so, {EFFECT}",
            f"Look up how the training prepared its images. If so: {tried[name].setting}",
            {
                **_facts(recipe, statistics),
                "expected": name,
                "examples": len(now.right),
                "information": {other: answer.information for other, answer in answers.items()},
                "most_frequent_answer": {other: answer.most_frequent[1] for other, answer in answers.items()},
            },
        )
    ]


def by_range(described: Mapping[str, Any], statistics: InputStatistics) -> list[Finding]:
    """Normalised twice, going by the numbers alone: stored values are small already and are made smaller again.

    Args:
        described: The preprocessor's description.
        statistics: The calibration split's, of the image.
    """
    recipe = of_recipe(described)
    low, high = statistics.ends
    stored = stored_ends(recipe, statistics.low, statistics.high)
    stored_low, stored_high = float(stored[0].min()), float(stored[1].max())
    if low == high or min(recipe.std) < DIVIDES or max(-stored_low, stored_high) > SCALED:
        return []
    there = next((scaling for scaling in stored_as(*stored) if scaling != RAW), UNIT)
    return [
        Finding(
            CHECK,
            "error",
            f"Normalised twice: stored values lie in {_span(stored_low, stored_high)}, no pixels but scaled already "
            f"(to {there.name}, it seems), and the recipe scales them again. Every input lies in {_span(low, high)}.",
            _upper(EFFECT),
            _remedy(Alternative(recipe, there, there)),
            {**_facts(recipe, statistics), "stored": [stored_low, stored_high]},
        )
    ]


def _reversed(measured: str, evidence: dict[str, Any]) -> Finding:
    return Finding(
        CHECK,
        "warning",
        f"The model seems to expect BGR, the recipe gives RGB: {measured}.",
        "Ranges of the first layers are measured on exchanged colours, and the accuracy measured is not the model's.",
        "Reverse the channels in a data function (module:function), or exchange them in the model's first weights.",
        evidence,
    )


def _wrong(recipe: Scaling, alternative: Alternative, statistics: InputStatistics) -> str:
    """What the recipe does and what the model wants, the usual mistakes by their names."""
    inputs = _span(*statistics.ends)
    if alternative.stored != RAW:
        scaled = f"the stored values are scaled already, to {alternative.stored.name}"
        if recipe == RAW:
            return f"{scaled}, and the recipe leaves them so; the model expects {alternative.expected.name}"
        return (
            f"normalised twice: {scaled}, and the recipe scales them again, into {inputs}; the model expects "
            f"{alternative.expected.name}"
        )
    if recipe == RAW:
        return f"not normalised: the inputs are pixels, {inputs}; the model expects {alternative.expected.name}"
    return f"the recipe gives {recipe.name}, here {inputs}; the model expects {alternative.expected.name}"


def _remedy(alternative: Alternative) -> str:
    swapped = " Reverse the channels too, in a data function (module:function)." if alternative.swaps_channels else ""
    return f"Prepare images as in training, in the recipe and in the app.{swapped} {alternative.setting}"


def _says(now: Answers) -> str:
    most_frequent, share = now.most_frequent
    return f"As it is, the float model answers class {most_frequent} for {percent(share)} of the examples."


def _gain(best: Answers, now: Answers) -> Difference:
    wins, losses = int((best.right & ~now.right).sum()), int((now.right & ~best.right).sum())
    return paired_difference_of_counts(wins, losses, len(now.right))


def _ranked(best: Answers, now: Answers) -> Difference:
    """A sign test: the share of labels that rank higher less the share that rank lower."""
    wins, losses = int((best.rank < now.rank).sum()), int((now.rank < best.rank).sum())
    return paired_difference_of_counts(wins, losses, len(now.right))


def _share_higher(first: Answers, second: Answers) -> float:
    return float((first.rank < second.rank).mean())


def _facts(recipe: Scaling, statistics: InputStatistics) -> dict[str, Any]:
    return {"recipe": recipe.name, "inputs": list(statistics.ends)}


def _span(low: float, high: float) -> str:
    return f"[{low:.4g}, {high:.4g}]"


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
