"""Precision over recall, a panel a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.report.precision_recall_plot import draw

FLAT, FALLING = np.ones(101), np.linspace(1, 0, 101)


def test_classes_and_models_are_named_with_their_average_precision(tmp_path: Path) -> None:
    draw({"cell": {"float": FLAT, "int8": FALLING}, "wall": {"float": FLAT, "int8": FLAT}}, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for said in ("cell", "wall", "float 100.0", "int8 50.0", "recall", "precision"):
        assert f"<!-- {said} -->" in text
    assert "int8 49" not in text


def test_more_classes_than_a_row_holds(tmp_path: Path) -> None:
    draw({str(index): {"int8": FALLING} for index in range(6)}, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
