"""A picture of a search for an accuracy budget: accuracy against latency, and the front that no model beats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import replacing
from pipeline.report.sensitivity_plot import SUFFIXES, check

if TYPE_CHECKING:
    from pipeline.quantization.search.search_result import Found

__all__ = ["SUFFIXES", "check", "plot"]
_CHOSEN, _OTHER, _TEXT, _FLOAT = "#c8442b", "#5b7691", "#333333", "#8a8a8a"
_MARKERS = {"int8": "o", "float16": "s", "float32": "D", "int16x8": "^"}
_DPI = 150
_TICKS = (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500)
_FAR = 4
"""From this ratio between the slowest and the fastest on, latency is drawn on a logarithmic axis."""


def plot(found: Found, path: Path) -> None:
    """Draw every model that was tried: its latency as a ratio to all int8, and its accuracy against float.

    Bars are the 95 % intervals of the paired differences; the line joins the front; a square is float16, a diamond
    float32, a triangle int16x8.

    Args:
        found: A search's outcome.
        path: Written whole or not at all; .png, .svg or .pdf.

    Raises:
        InputError: another suffix.
        PipelineError: the file cannot be written.
    """
    check(path)
    figure = _draw(found)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)


def _draw(found: Found) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    front = [found.steps[index] for index in found.front]
    axes.plot(
        [s.latency_ratio for s in front], [found.gain(s).value for s in front], color=_OTHER, linewidth=1, zorder=1
    )
    named = {0, *found.front, *([] if found.chosen is None else [found.chosen])}
    for index, step in enumerate(found.steps):
        colour = _CHOSEN if index == found.chosen else _OTHER
        gain = found.gain(step)
        value = gain.value
        if index not in named:
            axes.plot(step.latency_ratio, value, marker=_MARKERS[step.compute], color=colour, alpha=0.3, markersize=5)
            continue
        axes.errorbar(
            step.latency_ratio,
            value,
            [[value - gain.low], [gain.high - value]],
            marker=_MARKERS[step.compute],
            color=colour,
            elinewidth=0.8,
            capsize=2,
            markersize=7,
            zorder=3 if index == found.chosen else 2,
        )
    for index in named:
        step = found.steps[index]
        axes.annotate(
            f"{len(step.kept)} in {step.compute}" if step.kept else "all int8",
            (step.latency_ratio, found.gain(step).value),
            xytext=(8, 6),
            textcoords="offset points",
            fontsize=8,
            color=_CHOSEN if index == found.chosen else _TEXT,
        )
    axes.plot(found.float_latency_ratio, 0, marker="*", color=_FLOAT, markersize=11, linestyle="none")
    axes.annotate(
        "float",
        (found.float_latency_ratio, 0),
        xytext=(0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=_TEXT,
    )
    axes.axhline(-found.max_drop, color=_CHOSEN, linewidth=0.8, linestyle="--", zorder=0)
    axes.annotate(
        f"budget −{found.max_drop:g}",
        (1, -found.max_drop),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=_CHOSEN,
    )
    ratios = [found.float_latency_ratio, *(step.latency_ratio for step in found.steps)]
    if max(ratios) > _FAR * min(ratios):
        axes.set_xscale("log")
        axes.set_xticks([tick for tick in _TICKS if min(ratios) < 1.2 * tick and tick < 1.2 * max(ratios)])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.set_xlabel("latency on this host, ratio to all int8", fontsize=9, color=_TEXT)
    unit = found.metric.unit_of_points
    label = f"{found.metric.label} against float{f', {unit}' if unit else ''} (95 % interval)"
    axes.set_ylabel(label, fontsize=9, color=_TEXT)
    axes.set_title(
        f"Operators kept out of int8: accuracy and latency ({found.examples} {found.split} examples)",
        fontsize=11,
        loc="left",
        color=_TEXT,
    )
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=_TEXT)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure
