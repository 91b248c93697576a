"""The picture of a search: whole or not at all, whatever the search found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.quantization.search.search_result import Found
from pipeline.report.search_plot import plot
from pipeline.tasks.task import Metric
from tests.quantization.search.outcomes import found, step

OUTCOMES = {
    "int8 suffices": found(step(0, 0, 1.0), chosen=0),
    "some kept": found(step(0, -4, 1.0), step(4, 0, 1.4), step(2, -0.5, 1.2), step(2, -3, 20, "int16x8"), chosen=2),
    "none": found(step(0, -4, 1.0), step(9, -2, 1.6)),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_outcome_can_be_drawn(outcome: Found, tmp_path: Path) -> None:
    plot(outcome, tmp_path / "search.png")
    with Image.open(tmp_path / "search.png") as image:
        assert image.size[0] > image.size[1] > 300
    assert [file.name for file in tmp_path.iterdir()] == ["search.png"]


@pytest.mark.parametrize(
    ("name", "wanted"), [("int8 suffices", {"all int8"}), ("some kept", {"2 in float16", "budget −1"})]
)
def test_the_answer_and_the_budget_are_named(name: str, wanted: set[str], tmp_path: Path) -> None:
    plot(OUTCOMES[name], tmp_path / "search.svg")
    text = (tmp_path / "search.svg").read_text()
    assert all(f"<!-- {words} -->" in text for words in wanted)


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        (Metric("top1", "top-1", "%"), "top-1 against float, points (95 % interval)"),
        (Metric("psnr", "PSNR", "dB"), "PSNR against float, dB (95 % interval)"),
        (Metric("rmse", "RMSE", higher_is_better=False), "RMSE against float (95 % interval)"),
    ],
)
def test_the_axis_says_the_metrics_unit(metric: Metric, label: str, tmp_path: Path) -> None:
    plot(replace(OUTCOMES["some kept"], metric=metric), tmp_path / "search.svg")
    assert f"<!-- {label} -->" in (tmp_path / "search.svg").read_text()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png"):
        plot(OUTCOMES["none"], tmp_path / "search.jpg")
