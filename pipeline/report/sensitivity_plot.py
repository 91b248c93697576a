"""A picture of a sensitivity analysis: one bar an operator, the longer the worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.files import replacing

if TYPE_CHECKING:
    from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity

SUFFIXES = (".png", ".svg", ".pdf")
HIGHLIGHTED = 5
_WORST, _OTHER, _TEXT = "#c8442b", "#8fa9c4", "#333333"
_DPI = 150
_ROOM = 0.3
"""Share of the left axis that the longest note takes."""
_LONGEST_NAME = 44


def check(path: Path) -> None:
    """Refuse a path that :func:`plot` cannot write, before anything is measured.

    Raises:
        InputError: its suffix is none of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"A plot is written as {', '.join(SUFFIXES)}, not as '{path.name}': give it such a suffix.")


def plot(found: Sensitivity, path: Path, *, top: int | None = None) -> None:
    """Draw the operators in the graph's order, the worst highlighted.

    Left: what each does to the model's output when it alone is int8. Right: the noise in its own output.

    Args:
        found: At least one operator.
        path: Written whole or not at all; .png, .svg or .pdf.
        top: Only so many, the worst; they stay in the graph's order.

    Raises:
        InputError: another suffix.
        PipelineError: the file cannot be written.
    """
    check(path)
    ranked = found.worst_first()[:top]
    worst = {operator for operator in ranked[:HIGHLIGHTED] if operator.output_sqnr_db < math.inf}
    shown = sorted(ranked, key=lambda operator: operator.index)
    figure = _draw(found, shown, worst)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)


def _draw(found: Sensitivity, shown: Sequence[OperatorError], worst: set[OperatorError]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A figure of its own, without pyplot: no global state, no display.
    figure = Figure(figsize=(11, 1.7 + 0.21 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    colours = [_WORST if operator in worst else _OTHER for operator in shown]
    ends = _bars(left, [operator.output_sqnr_db for operator in shown], colours, room=_ROOM)
    _bars(right, [operator.sqnr_db for operator in shown], colours)
    left.set_title("in the model's output", fontsize=10, loc="left", color=_TEXT)
    right.set_title("in its own output", fontsize=10, loc="left", color=_TEXT)
    left.set_yticks(range(len(shown)), [_label(operator) for operator in shown], fontsize=8)
    for tick, operator in zip(left.get_yticklabels(), shown, strict=True):
        tick.set_parse_math(False)  # a name may hold dollars
        if operator in worst:
            tick.set(color=_WORST, fontweight="bold")
    left.set_ylim(len(shown) - 0.4, -0.6)  # the first operator on top
    for place, (end, operator) in enumerate(zip(ends, shown, strict=True)):
        left.annotate(
            _note(operator),
            (end, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=_TEXT,
        )
    figure.suptitle(
        f"Quantization noise where one operator alone is int8 ({found.examples} example{'s' * (found.examples != 1)})",
        fontsize=12,
        x=0.01,
        ha="left",
        color=_TEXT,
    )
    figure.supxlabel("signal to quantization noise, dB: the longer the bar, the more noise", fontsize=9, color=_TEXT)
    return figure


def _bars(axes: Any, decibels: Sequence[float], colours: Sequence[str], *, room: float = 0.0) -> list[float]:
    """Bars from the best end of a reversed axis to each ratio: none for +∞, the whole width for −∞.

    Returns:
        Where each ends, in decibels; `room` of the width is left free behind them.
    """
    finite = [value for value in decibels if math.isfinite(value)]
    best, worst = max(finite, default=0.0), min(finite, default=0.0)
    quiet, loud = 5 * math.ceil(best / 5 + 0.2), 5 * math.floor(worst / 5 - 0.2)
    ends = [min(max(value, loud), quiet) for value in decibels]
    axes.barh(range(len(ends)), [end - quiet for end in ends], left=quiet, color=colours, height=0.72)
    axes.set_xlim(quiet, quiet - (quiet - loud) / (1 - room))
    axes.set_xticks(range(quiet, loud - 1, -5 * math.ceil((quiet - loud) / 45)) if finite else [])
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", length=0, labelsize=8, labelcolor=_TEXT)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    return ends


def _note(operator: OperatorError) -> str:
    """The ratio, and the answers that change; one behind the logits has no ratio."""
    value, parts = operator.output_sqnr_db, []
    if math.isfinite(value) or value < 0:
        parts.append(f"{value:.1f}" if math.isfinite(value) else "lost")
    if operator.changed:
        parts.append(f"{100 * operator.changed:.0f} % other answers")
    return ", ".join(parts) or "no change"


def _label(operator: OperatorError) -> str:
    """The name; a long one without its middle, with its place in the graph so that no two look the same."""
    name = operator.short
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"#{operator.index} {name[: half - 6]}…{name[-half:]}"
