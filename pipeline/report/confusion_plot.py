"""A classifier's confusion matrix, beside the float model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.files import replacing

MOST_NAMED = 30
"""Classes whose names and counts can be read."""
_DPI, _TEXT = 120, "#222222"


def draw(matrices: Mapping[str, NDArray[np.int64]], class_names: Sequence[str], path: Path) -> None:
    """A matrix a model: what the examples are, by row, and what the model says, by column.

    Colours are shares of a row, so that rare classes are seen too; numbers are counts.

    Args:
        matrices: Counts [C, C] by model; at least one.
        class_names: Of class 0, 1, …; numbers stand in where there are none.
        path: Written whole or not at all; .png, .svg or .pdf.

    Raises:
        PipelineError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = len(next(iter(matrices.values())))
    named = classes <= MOST_NAMED
    side = 2.2 + (0.32 * classes if named else 5.0)
    figure = Figure(figsize=(side * len(matrices), side + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    [row] = figure.subplots(1, len(matrices), squeeze=False)
    for axes, (name, counts) in zip(row, matrices.items(), strict=True):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        right = int(np.trace(counts))
        title = axes.set_title(f"{name}: {right} of {int(counts.sum())} right", fontsize=9, color=_TEXT)
        title.set_parse_math(False)
        axes.set_xlabel("answer", fontsize=8)
        axes.set_ylabel("label", fontsize=8)
        if not named:
            continue
        names = [class_names[index] if index < len(class_names) else str(index) for index in range(classes)]
        axes.set_xticks(range(classes), names, rotation=90, fontsize=7)
        axes.set_yticks(range(classes), names, fontsize=7)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_parse_math(False)  # a name may hold dollars
        for true, said in np.argwhere(counts):
            colour = "white" if shares[true, said] > 0.5 else _TEXT
            axes.text(said, true, str(counts[true, said]), ha="center", va="center", fontsize=6, color=colour)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)
