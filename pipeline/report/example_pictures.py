"""Examples as a model is fed them, with several models' answers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import IGNORED
from pipeline.files import replacing
from pipeline.tasks.drawable import BoxesAnswer, ClassAnswer, Drawable, MaskAnswer, PointsAnswer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE = 3.2
"""Of a panel, in inches."""
_DPI = 100
_ABREAST = 4
"""Images beside each other where answers are words."""
_COLOURS = 20
_OPACITY = 0.55
_LONGEST = 34
_TEXT, _SHADE = "#222222", "#ffffffd0"


@dataclass(frozen=True, eq=False)
class Example:
    """One image and what is said of it."""

    image: NDArray[np.uint8]
    """[H, W, 1 or 3]."""
    answers: Mapping[str, Drawable]
    """By what the panel is called: the label first, where there is one, then the models."""
    caption: str


def draw(examples: Sequence[Example], class_names: Sequence[str], path: Path) -> None:
    """A row an example, a panel an answer; what is said in a word stands under one image.

    Args:
        examples: At least one; all with the same panels.
        class_names: Of class 0, 1, …; numbers stand in where there are none.
        path: Written whole or not at all; .png, .svg or .pdf.

    Raises:
        PipelineError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = list(examples[0].answers)
    words = all(isinstance(answer, ClassAnswer) for answer in examples[0].answers.values())
    columns = min(_ABREAST, len(examples)) if words else len(panels)
    rows = -(-len(examples) // columns) if words else len(examples)
    shape = examples[0].image.shape[:2]
    beside = 0.3 + 0.17 * len(panels) if words else 0.55
    height = min(2.0, max(0.4, shape[0] / shape[1])) * _SIDE + beside
    figure = Figure(figsize=(_SIDE * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    if words:
        _in_words(grid.reshape(-1), examples, class_names)
    else:
        for row, example in zip(grid, examples, strict=True):
            for axes, name in zip(row, panels, strict=True):
                _panel(axes, example.image, example.answers[name], class_names)
                _write(axes.set_title(_shortened(name), fontsize=8, color=_TEXT))
            _write(row[0].set_ylabel(example.caption, fontsize=8, color=_TEXT))
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=_DPI)


def as_pixels(image: NDArray[np.floating], preprocessing: Mapping[str, Any]) -> NDArray[np.uint8]:
    """What a model is fed as an image again.

    Args:
        image: [H, W, 1 or 3] after preprocessing.
        preprocessing: What was done, as `Preprocessor.describe` tells it. Where its scale does not lead back to 0..255
            (standardized, or of more bits), the image is stretched from its darkest to its brightest value.
    """
    mean, std = (np.asarray(preprocessing.get(key) or default) for key, default in (("mean", (0.0,)), ("std", (1.0,))))
    pixels = np.asarray(image, np.float64) * std + mean
    low, high = float(pixels.min()), float(pixels.max())
    if preprocessing.get("standardize") or low < -0.5 or high > 255.5 or high <= 1:
        pixels = (pixels - low) * (255 / (high - low or 1.0))
    return np.asarray(np.clip(np.round(pixels), 0, 255), np.uint8)


def _in_words(grid: NDArray[Any], examples: Sequence[Example], class_names: Sequence[str]) -> None:
    for axes in grid:
        axes.set_axis_off()
    for axes, example in zip(grid, examples, strict=False):
        axes.set_axis_on()
        _show(axes, example.image)
        lines = [
            f"{_shortened(name)}: {_said(answer, class_names)}"
            for name, answer in example.answers.items()
            if isinstance(answer, ClassAnswer)
        ]
        _write(axes.set_title(example.caption, fontsize=8, color=_TEXT))
        _write(axes.set_xlabel("\n".join(lines), fontsize=8, color=_TEXT))


def _said(answer: ClassAnswer, class_names: Sequence[str]) -> str:
    score = "" if answer.probability is None else f"  {100 * answer.probability:.0f} %"
    return _name(answer.index, class_names) + score


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    grey = image.shape[2] == 1
    axes.imshow(
        image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255, interpolation="nearest"
    )
    axes.set_xticks([])
    axes.set_yticks([])


def _panel(axes: Axes, image: NDArray[np.uint8], answer: Drawable, class_names: Sequence[str]) -> None:
    _show(axes, image)
    match answer:
        case ClassAnswer():
            _write(axes.set_xlabel(_said(answer, class_names), fontsize=9, color=_TEXT))
        case BoxesAnswer():
            _boxes(axes, image, answer, class_names)
        case MaskAnswer():
            _mask(axes, image, answer, class_names)
        case PointsAnswer():
            _points(axes, image, answer)


def _boxes(axes: Axes, image: NDArray[np.uint8], answer: BoxesAnswer, class_names: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    height, width = image.shape[:2]
    for number in range(len(answer.boxes) - 1, -1, -1):  # the surest, which come first, lie on top
        box, index = answer.boxes[number], answer.classes[number]
        top, left, bottom, right = box * (height, width, height, width)
        colour = _rgb(int(index))
        corner = left - 0.5, top - 0.5  # a pixel's centre is at a whole number
        axes.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.5))
        score = "" if answer.scores is None else f" {100 * answer.scores[number]:.0f}"
        text = axes.text(
            *corner,
            _name(int(index), class_names) + score,
            fontsize=6,
            color=_TEXT,
            va="bottom",
            bbox={"facecolor": _SHADE, "edgecolor": colour, "linewidth": 0.5, "pad": 0.8},
            clip_on=True,
        )
        text.set_parse_math(False)
    _write(axes.set_xlabel(f"{len(answer.boxes)} object{'s' * (len(answer.boxes) != 1)}", fontsize=7, color=_TEXT))


def _mask(axes: Axes, image: NDArray[np.uint8], answer: MaskAnswer, class_names: Sequence[str]) -> None:
    height, width = image.shape[:2]
    colours = np.zeros((*answer.classes.shape, 4))
    shown = [int(index) for index in np.unique(answer.classes) if index != IGNORED]
    for index in shown:
        if index:  # the first class is what there is most of: the image shows through
            colours[answer.classes == index] = (*_rgb(index), _OPACITY)
    colours[answer.classes == IGNORED] = (0.5, 0.5, 0.5, _OPACITY)
    axes.imshow(colours, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="nearest")
    listed = ", ".join(_name(index, class_names) for index in shown if index)
    _write(axes.set_xlabel(_shortened(listed), fontsize=7, color=_TEXT))


def _points(axes: Axes, image: NDArray[np.uint8], answer: PointsAnswer) -> None:
    height, width = image.shape[:2]
    for index, (point, visible) in enumerate(zip(answer.points, answer.visible, strict=True)):
        if visible:
            axes.plot(
                point[1] * width - 0.5, point[0] * height - 0.5, "o", color=_rgb(index), markersize=4, mec="white"
            )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _name(index: int, class_names: Sequence[str]) -> str:
    return _shortened(class_names[index]) if 0 <= index < len(class_names) else str(index)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _write(text: Any) -> None:
    text.set_parse_math(False)  # a name may hold dollars


def _rgb(index: int) -> tuple[float, float, float]:
    from matplotlib import colormaps

    red, green, blue, _ = colormaps["tab20"](index % _COLOURS)
    return red, green, blue
