"""The front holds what nothing beats, and an outcome is JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline.evaluation.statistics import Difference
from pipeline.quantization.search.search_result import gain, show_points
from pipeline.tasks.classification import TOP1
from pipeline.tasks.regression import R2, RMSE
from tests.quantization.search.outcomes import found, step


def test_the_front_gets_more_accurate_as_it_gets_slower() -> None:
    outcome = found(step(0, -4, 1.0), step(1, -5, 1.1), step(2, -2, 1.2), step(3, -2, 1.3), step(4, 0, 1.5))
    assert outcome.front == (0, 2, 4)


def test_of_the_same_latency_the_more_accurate_is_on_it() -> None:
    assert found(step(0, -4, 1.0), step(1, -3, 1.0)).front == (1,)


def test_json() -> None:
    content = json.loads(json.dumps(found(step(0, -4, 1.0), step(1, 0, 1.2), chosen=1).to_json()))
    assert content["chosen"] == 1
    assert content["keep"] == [{"match": "layer_0", "as": "float32"}]
    assert [entry["within"] for entry in content["steps"]] == [False, True]
    assert content["steps"][1]["kept"] == ["layer_0"]
    assert content["float"] == {"top1": 0.8, "value": 0.8, "size_bytes": 4000, "latency_ratio": 2.0}


def test_of_a_metric_that_shall_be_low_the_lower_is_on_the_front_and_a_gain() -> None:
    steps = [replace(step(0, 0, ratio), value=value) for ratio, value in ((1.0, 3.0), (1.1, 3.5), (1.2, 2.0))]
    outcome = replace(found(*steps), metric=RMSE, float_value=2.5)
    assert outcome.front == (0, 2)
    assert [outcome.drop(one) for one in outcome.steps] == [0.5, 1.0, -0.5]
    assert gain(RMSE, Difference(0.5, 0.2, 0.9)) == Difference(-0.5, -0.9, -0.2)


def test_points_are_percentage_points_of_a_share_and_the_metrics_own_otherwise() -> None:
    assert gain(TOP1, Difference(-0.01, -0.03, 0.02)) == Difference(-1, -3, 2)
    assert gain(R2, Difference(-0.01, -0.03, 0.02)) == Difference(-0.01, -0.03, 0.02)
    assert show_points(TOP1, -1) == "-1.00 points"
    assert show_points(R2, 0.01234567) == "+0.01235 R²"


def test_values_go_by_the_metrics_name_too() -> None:
    content = replace(found(step(0, -4, 1.0)), metric=RMSE, float_value=2.5).to_json()
    assert (content["metric"], content["float"]["rmse"], content["float"]["value"]) == ("rmse", 2.5, 2.5)
    assert content["steps"][0]["rmse"] == content["steps"][0]["value"]
    assert found(step(0, -4, 1.0)).to_json()["steps"][0]["top1"] == 0.76
