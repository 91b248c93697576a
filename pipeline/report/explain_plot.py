"""A picture of where an int8 model's time goes: its operators beside the float model's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import replacing
from pipeline.report.sensitivity_plot import check

if TYPE_CHECKING:
    from pipeline.benchmarking.profile.explain import Explanation, OperatorTime

SHOWN = 40
_INT8, _SLOW, _OUTSIDE, _FLOAT, _TEXT = "#4c78a8", "#e08a2e", "#c8442b", "#cfd6de", "#333333"
_DPI = 150
_LONGEST_NAME = 40
_LONGEST_NOTE = 84


def plot(found: Explanation, path: Path, *, top: int = SHOWN) -> None:
    """Draw the longest operators in the graph's order: a bar for int8, a pale one for float, and the first reason.

    Args:
        found: At least one operator.
        path: Written whole or not at all; .png, .svg or .pdf.
        top: So many of them.

    Raises:
        InputError: another suffix.
        PipelineError: the file cannot be written.
    """
    check(path)
    shown = sorted(found.worst_first()[:top], key=lambda op: op.index)
    figure = _draw(found, shown)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)


def _draw(found: Explanation, shown: Sequence[OperatorTime]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    # A figure of its own, without pyplot: no global state, no display.
    figure = Figure(figsize=(11, 2.0 + 0.27 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(shown))
    colours = [_OUTSIDE if not op.delegated else _SLOW if op.reasons else _INT8 for op in shown]
    if found.reference:
        axes.barh([p + 0.22 for p in places], [op.float_us or 0.0 for op in shown], color=_FLOAT, height=0.4)
    axes.barh(
        [p - (0.18 if found.reference else 0) for p in places], [op.us for op in shown], color=colours, height=0.4
    )
    longest = max(max(op.us, op.float_us or 0.0) for op in shown) or 1.0
    for place, op in enumerate(shown):
        note = "; ".join(op.reasons)
        note = note if len(note) <= _LONGEST_NOTE else note[: _LONGEST_NOTE - 1] + "…"
        text = axes.annotate(
            f"{op.us:.0f} µs" + (f"  {note}" if note else ""),
            (max(op.us, op.float_us or 0.0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=_TEXT,
        )
        text.set_parse_math(False)
    axes.set_yticks(places, [_label(op) for op in shown], fontsize=8)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)  # a name may hold dollars
    axes.set_ylim(len(shown) - 0.4, -0.6)  # the first operator on top
    noted = any(op.reasons for op in shown)
    axes.set_xlim(0, longest * (1.9 if noted else 1.15))
    axes.set_xlabel(f"microseconds an inference on this host ({found.host.cpu}), 1 thread", fontsize=9, color=_TEXT)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", length=0, labelsize=8, labelcolor=_TEXT)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    handles = [Patch(color=_INT8, label="int8"), Patch(color=_SLOW, label="int8, with a reason to be slow")]
    handles.append(Patch(color=_OUTSIDE, label="not delegated"))
    if found.reference:
        handles.append(Patch(color=_FLOAT, label="float"))
    axes.legend(handles=handles, fontsize=8, frameon=False, loc="lower right")
    figure.suptitle(_title(found), fontsize=12, x=0.01, ha="left", color=_TEXT)
    return figure


def _title(found: Explanation) -> str:
    title = f"{found.model.name}: {found.total_us / 1000:.2f} ms"
    if found.reference_us:
        title += f", float {found.reference_us / 1000:.2f} ms"
    return f"{title}; XNNPACK runs {100 * found.delegated:.0f} % of the operators"


def _label(operator: OperatorTime) -> str:
    name = operator.short.split(";")[0]
    if len(name) > _LONGEST_NAME:
        half = _LONGEST_NAME // 2
        name = f"{name[: half - 1]}…{name[-half:]}"
    return f"{operator.index} {name}"
