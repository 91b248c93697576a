"""Which rung is to blame: a loss beyond chance before everything else, then the one that agrees least."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.fidelity import OutputFidelity
from pipeline.evaluation.statistics import Difference
from pipeline.tasks import Metric
from pipeline.verification.ladder import Step, compare_rungs
from pipeline.verification.suspects import loses, loss, lost, suspects, weakest
from tests.verification.echo import Echo, Fidelity, Values, batches

TOP1 = Metric("top1", "top-1", "%")
RMSE = Metric("rmse", "RMSE", higher_is_better=False)


def step(
    name: str,
    difference: tuple[float, float, float] | None = None,
    *,
    agreement: float = 0.9,
    sqnr_db: float = 20.0,
    metric: Metric | None = TOP1,
) -> Step:
    above = Comparison(
        against="above",
        n=100,
        agreement=agreement,
        difference=Difference(*difference) if difference else None,
        fidelity={"y": OutputFidelity(sqnr_db, 1.0, None, 0.5)},
        agreed=np.ones(100),
    )
    return Step(name, name, name, 100, (metric,) if metric else (), {}, None, above, None)


def names(steps: list[Step]) -> list[str]:
    return [each.name for each in suspects(steps)]


@pytest.mark.parametrize(
    ("metric", "difference", "found"),
    [
        (TOP1, (-0.03, -0.05, -0.01), True),
        (TOP1, (-0.03, -0.06, 0.0), False),  # an interval that touches zero proves nothing
        (TOP1, (0.03, 0.01, 0.05), False),
        (RMSE, (0.3, 0.1, 0.5), True),
        (RMSE, (0.3, 0.0, 0.5), False),
        (RMSE, (-0.3, -0.5, -0.1), False),
    ],
)
def test_a_rung_loses_where_the_whole_interval_is_on_the_losing_side(
    metric: Metric, difference: tuple[float, float, float], found: bool
) -> None:
    assert loses(step("a", difference, metric=metric)) is found


def test_what_is_lost_counts_in_the_metrics_points() -> None:
    assert loss(Difference(-0.03, -0.05, -0.01), TOP1) == pytest.approx((3, 1, 5))
    assert loss(Difference(0.3, 0.1, 0.5), RMSE) == pytest.approx((0.3, 0.1, 0.5))


def test_the_largest_loss_comes_first_whatever_agrees_least() -> None:
    steps = [
        step("apart", (-0.02, -0.05, 0.01), agreement=0.3),
        step("small", (-0.02, -0.03, -0.01), agreement=0.4),
        step("large", (-0.06, -0.09, -0.03), agreement=0.8),
    ]
    assert names(steps) == ["large", "small", "apart"]
    found = lost(steps)
    assert found is not None
    assert found.name == "large"
    near = weakest(steps)
    assert near is not None
    assert near.name == "apart"


def test_without_a_loss_the_lowest_agreement_comes_first_then_the_lowest_sqnr() -> None:
    steps = [
        step("near", agreement=0.9, sqnr_db=10, metric=None),
        step("far", agreement=0.5, sqnr_db=30, metric=None),
        step("noisy", agreement=0.9, sqnr_db=5, metric=None),
    ]
    assert names(steps) == ["far", "noisy", "near"]
    assert lost(steps) is None


def test_who_gives_the_same_answers_is_no_suspect() -> None:
    assert names([step("same", agreement=1.0), step("other", agreement=0.99)]) == ["other"]
    assert weakest([step("same", agreement=1.0)]) is None


def test_a_loss_counts_even_where_all_answers_agree_by_name() -> None:
    assert names([step("a", (-0.03, -0.05, -0.01), agreement=1.0)]) == ["a"]


def ladder(task: Any, targets: dict[str, Any]) -> tuple[Step, ...]:
    """A rung that is worse on every example, under one that is a little off at random, as far in all."""
    rng = np.random.default_rng(0)
    y = rng.normal(5, 2, 60).astype(np.float32)
    x = y + rng.normal(0, 0.3, 60).astype(np.float32)
    rungs = [
        Echo("float", outputs={"values": "x"}),
        Echo("reference", {"values": 0.02}, outputs={"values": "x"}),
        Echo("xnnpack", {"values": 1.0}, outputs={"values": "x"}),
    ]
    return compare_rungs(rungs, batches(32, {"x": x[:, None]}, {"y": y} if targets else {}), task, reference="float")


def test_the_rung_at_which_a_regression_is_lost_is_named() -> None:
    found = lost(ladder(Values(), {"y": True}))
    assert found is not None
    assert (found.name, found.above and found.above.against) == ("xnnpack", "reference")


def test_without_labels_none_is_lost_and_the_weakest_is_named() -> None:
    steps = ladder(Fidelity(), {})
    assert lost(steps) is None
    found = weakest(steps)
    assert found is not None
    assert found.name == "xnnpack"
