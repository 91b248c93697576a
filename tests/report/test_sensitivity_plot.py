"""The picture is written whole, in the format that its name says, or not at all."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from pipeline.errors import InputError, PipelineError
from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity
from pipeline.report.sensitivity_plot import check, plot

STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def found(*output_db: float, name: str = "layer_{}", changed: float | None = None) -> Sensitivity:
    return Sensitivity(
        tuple(
            OperatorError(index, name.format(index), name.format(index), "CONV_2D", value + 5, 0.9, value, changed)
            for index, value in enumerate(output_db)
        ),
        7,
        ("y",),
    )


def texts(of: Sensitivity, folder: Path, top: int | None = None) -> list[str]:
    """The words of the SVG, from its comments: the letters themselves are shapes."""
    plot(of, folder / "plot.svg", top=top)
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    tree = ElementTree.parse(folder / "plot.svg", parser)
    return [str(element.text).strip() for element in tree.iter() if element.tag is ElementTree.Comment]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_the_suffix_is_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / f"plot{suffix}"
    plot(found(10, 20), path)
    assert path.read_bytes().startswith(STARTS[suffix.lower()])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["plot.txt", "plot", "plot.jpg", "png"])
def test_another_suffix_is_refused_with_those_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf, not as '"):
        check(Path(name))
    with pytest.raises(InputError, match=r"\.png"):
        plot(found(10, 20), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "plot.png").mkdir()
    with pytest.raises(PipelineError, match=r"plot\.png"):
        plot(found(10, 20), tmp_path / "plot.png")
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]


def test_the_operators_are_in_the_graphs_order_with_their_ratios(tmp_path: Path) -> None:
    words = texts(found(30, 10.04, 20, changed=0.25), tmp_path)
    assert [word for word in words if word.startswith("layer_")] == ["layer_0", "layer_1", "layer_2"]
    assert "10.0, 25 % other answers" in words
    assert any("7 examples" in word for word in words)


def test_only_the_worst_are_drawn_where_that_is_asked(tmp_path: Path) -> None:
    words = texts(found(30, 10, 20, 5), tmp_path, top=2)
    assert [word for word in words if word.startswith("layer_")] == ["layer_1", "layer_3"]


@pytest.mark.parametrize(
    ("decibels", "note"),
    [((math.inf, 20), "no change"), ((-math.inf, 20), "lost"), ((math.inf, math.inf), "no change"), ((0,), "0.0")],
)
def test_infinite_ratios_are_told_in_words(decibels: tuple[float, ...], note: str, tmp_path: Path) -> None:
    assert note in texts(found(*decibels), tmp_path)


def test_changed_answers_behind_the_logits_are_not_called_no_change(tmp_path: Path) -> None:
    words = texts(found(math.inf, changed=0.5), tmp_path)
    assert "50 % other answers" in words
    assert "no change" not in words


def test_many_operators_make_it_higher_not_smaller(tmp_path: Path) -> None:
    plot(found(*range(80)), tmp_path / "many.png")
    plot(found(*range(8)), tmp_path / "few.png")
    many, few = (Image.open(tmp_path / name).size for name in ("many.png", "few.png"))
    assert many[0] == few[0]
    assert many[1] > 5 * few[1]


def test_long_names_are_cut_and_stay_different(tmp_path: Path) -> None:
    words = texts(found(1, 2, 3, name="network/" + "block/" * 10 + "{}/convolution/with/a/long/name/Conv2D"), tmp_path)
    names = [word for word in words if "network" in word]
    assert len(set(names)) == 3
    assert max(map(len, names)) < 50


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    plot(found(1, name="a$x_1$"), tmp_path / "plot.svg")
    assert "Oblique" not in (tmp_path / "plot.svg").read_text()  # as formulas are set
