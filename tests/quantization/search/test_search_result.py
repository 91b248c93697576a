"""The front holds what nothing beats, and an outcome is JSON."""

from __future__ import annotations

import json

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
