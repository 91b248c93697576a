"""A detector's precision over its recall, beside the float model's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.files import replacing

COLOURS = ("#8fa9c4", "#c8442b", "#e08a2e", "#4c78a8")
_DPI, _TEXT = 120, "#222222"


def draw(curves: Mapping[str, Mapping[str, NDArray[np.float64]]], path: Path) -> None:
    """A panel a class, a curve a model.

    Args:
        curves: By class, then by model: precision at the recalls 0, 0.01, … 1, [101].
        path: Written whole or not at all; .png, .svg or .pdf.

    Raises:
        PipelineError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(2.8 * columns, 2.7 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes, (name, models) in zip(grid, curves.items(), strict=False):
        for colour, (model, precision) in zip(COLOURS, models.items(), strict=False):
            recall = np.linspace(0, 1, len(precision))
            axes.plot(recall, precision, color=colour, linewidth=1.4, label=f"{model} {100 * precision.mean():.1f}")
        axes.set_title(name, fontsize=8, color=_TEXT).set_parse_math(False)
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.02)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.3)
        for label in axes.legend(fontsize=6, loc="lower left").get_texts():
            label.set_parse_math(False)
    for axes in grid[len(curves) :]:
        axes.set_axis_off()
    figure.supxlabel("recall", fontsize=8)
    figure.supylabel("precision", fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)
