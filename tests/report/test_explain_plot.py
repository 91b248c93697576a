"""The picture of where an int8 model's time goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.benchmarking.host import describe_host
from pipeline.benchmarking.profile.explain import Explanation, OperatorTime
from pipeline.errors import InputError
from pipeline.report.explain_plot import plot

OPERATOR = OperatorTime(
    0, "a/conv$1", "conv$1", "CONV_2D", 120.0, 0.9, 100.0, True, ("x",), 9, {"dotprod": 4.0}, ("slow",)
)
FOUND = Explanation(
    model=Path("int8.tflite"),
    reference=Path("float.tflite"),
    text="full int8",
    runs=3,
    operators=(OPERATOR, replace(OPERATOR, index=1, us=9.0, float_us=None, delegated=False, reasons=("y" * 300,))),
    total_us=129.0,
    reference_us=100.0,
    inference_us=140.0,
    gains={"dotprod": 4.0},
    host=describe_host(),
)


def test_it_is_written_as_the_suffix_says(tmp_path: Path) -> None:
    plot(FOUND, tmp_path / "a.png")
    plot(FOUND, tmp_path / "a.svg")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1000
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<svg" in text


def test_more_operators_make_it_taller_up_to_those_shown(tmp_path: Path) -> None:
    many = replace(FOUND, operators=tuple(replace(OPERATOR, index=place, us=place + 1.0) for place in range(60)))
    for name, top in (("a", 10), ("b", 40)):
        plot(many, tmp_path / f"{name}.png", top=top)
    with Image.open(tmp_path / "a.png") as low, Image.open(tmp_path / "b.png") as high:
        assert high.height > 1.5 * low.height


def test_without_a_float_model_and_without_time(tmp_path: Path) -> None:
    still = replace(OPERATOR, us=0.0, float_us=None, reasons=())
    plot(replace(FOUND, reference=None, reference_us=None, operators=(still,)), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
        plot(FOUND, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
