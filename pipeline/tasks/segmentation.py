"""A class for each pixel: mean intersection over union, and the share of pixels that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.boxes import IGNORED
from pipeline.errors import InputError
from pipeline.tasks.class_scores import Scores
from pipeline.tasks.map_resize import bilinear, nearest
from pipeline.tasks.single_output import SingleOutputTask, check_count, check_numbers
from pipeline.tasks.task import LossName, Metric
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

MIOU = Metric("miou", "mIoU", "%")
ACCURACY = Metric("pixel_accuracy", "pixels right", "%")
_BOTH, _WANTED, _SAID = range(3)


@dataclass(frozen=True, kw_only=True)
class Segmentation(SingleOutputTask):
    """Scores [B, h, w, C], one channel [B, h, w, 1] of two classes, or class numbers [B, h, w]; masks [B, H, W].

    Scores of another size than the mask are resized to it bilinearly before the highest is taken, class numbers by the
    nearest. Of one channel, class 1 is what lies above `threshold`. Pixels of 255 count for nothing.

    - `miou`: of each class the pixels that are rightly its, by those that are its or are said to be, over all examples;
      the mean over the classes that the masks have.
    - `pixel_accuracy`: the share of pixels that are right.

    Example:
        >>> task = Segmentation(output=TensorSpec("y", (-1, 1, 2, 2), np.dtype(np.float32)), target="mask")
        >>> scores, mask = np.array([[[[0.9, 0.1], [0.8, 0.2]]]]), np.array([[[0, 1]]])
        >>> task.reduce(task.statistics({"y": scores}, {"mask": mask}))["miou"]
        0.25
    """

    name = "segmentation"
    scores: Scores = "logits"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A probability, of one channel."""
    class_names: tuple[str, ...] = ()
    """Of the data."""

    losses_known = ("categorical_crossentropy", "dice_crossentropy", "dice", "binary_crossentropy", "focal")

    def _metrics(self) -> tuple[Metric, ...]:
        return MIOU, ACCURACY

    @property
    def _numbers(self) -> bool:
        """Whether the model gives class numbers itself."""
        return self.output.dtype.kind in "iu" and self.output.scale is None

    @property
    def classes(self) -> int:
        """How many the output tells apart; `OPEN` where it gives numbers and nothing says how many there are."""
        if self._numbers:
            return len(self.class_names) or OPEN
        return 2 if self.output.shape[-1] == 1 else self.output.shape[-1]

    def _check_output(self, output: TensorSpec) -> None:
        maps = len(output.shape) == 4 and not (self._numbers and output.shape[-1] != 1)
        if not maps and not (self._numbers and len(output.shape) == 3):
            raise InputError(
                f"Segmentation reads scores [batch, height, width, classes] or class numbers [batch, height, width], "
                f"and the model's output '{output.name}' is {output.dtype} {show_shape(output.shape)}. Name the output "
                "that holds them, or another task."
            )

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if len(target.shape) != 3 or target.dtype.kind not in "iu":
            raise InputError(
                f"Segmentation is judged by masks of class numbers [batch, height, width], and the target "
                f"'{target.name}' is {target.dtype} {show_shape(target.shape)}. Name the target that holds masks, and "
                f"say what it is: data.targets.{target.name}.kind=mask."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.int64]:
        """[B, 3, C]: of each class the pixels that are rightly its, that are its, and that are said to be its."""
        values = self._read_as_map(outputs)
        check_numbers(values, self.output.name)
        masks = self._masks(targets)
        check_count(masks, len(values), "the masks")
        classes = self.classes if self.classes != OPEN else IGNORED
        found = np.zeros((len(masks), 3, classes), np.int64)
        for index, mask in enumerate(masks):
            said = self.answer(values[index], mask.shape)
            counted = mask != IGNORED
            wanted, said = mask[counted].astype(np.int64), said[counted]
            self._check_classes(wanted, said, classes)
            for row, numbers in ((_BOTH, wanted[wanted == said]), (_WANTED, wanted), (_SAID, said)):
                found[index, row] = np.bincount(numbers, minlength=classes)
        return found

    def _masks(self, targets: Tensors) -> NDArray[Any]:
        masks = self._read_target(targets)
        if masks.ndim != 3 or masks.dtype.kind not in "iu":
            raise InputError(
                f"The target '{self.target}' holds {masks.dtype} {show_shape(masks.shape)}; segmentation is judged by "
                "class numbers [batch, height, width]."
            )
        return masks

    def _check_classes(self, wanted: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> None:
        if wanted.size and (wanted.min() < 0 or wanted.max() >= classes):
            raise InputError(
                f"The output '{self.output.name}' tells the classes 0 to {classes - 1} apart; a mask holds "
                f"{wanted.min()} to {wanted.max()}. The data's classes must be the model's; pixels that are to count "
                f"for nothing are {IGNORED}."
            )
        if said.size and (said.min() < 0 or said.max() >= classes):
            raise InputError(
                f"The output '{self.output.name}' gives the class {said.max() if said.max() >= classes else said.min()}"
                f", and the data has the classes 0 to {classes - 1}. The data's classes must be the model's."
            )

    def answer(self, values: NDArray[Any], size: tuple[int, ...] | None = None) -> NDArray[np.int64]:
        """The class of each pixel of one example, [H, W].

        Args:
            values: The output, real, [h, w, C] or [h, w].
            size: Height and width that are wanted; those of the output by default.
        """
        wanted = (size[0], size[1]) if size is not None else values.shape[:2]
        if self._numbers:
            return nearest(values.reshape(values.shape[:2]), wanted).astype(np.int64)
        scores = bilinear(values.astype(np.float32), wanted)
        if scores.shape[-1] == 1:
            return (scores[..., 0] > np.float32(self._limit)).astype(np.int64)
        found: NDArray[np.int64] = scores.argmax(axis=-1)
        return found

    @property
    def _limit(self) -> float:
        """The threshold in the output's own terms."""
        return float(np.log(self.threshold / (1 - self.threshold))) if self.scores == "logits" else self.threshold

    def finalize(self, statistics: NDArray[Any]) -> NDArray[Any]:
        """
        Raises:
            InputError: no pixel of any mask counts.
        """
        if not statistics[:, _WANTED].any():
            raise InputError(
                f"No pixel of the {len(statistics)} masks has a class: all are {IGNORED}, which counts for nothing. "
                "Look at the masks and the data's splits."
            )
        return statistics

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        """The metrics, and the intersection over union of each class that the masks have."""
        sums = statistics.sum(axis=0)
        shares = _shares(sums)
        found = {"miou": _mean(shares), "pixel_accuracy": _accuracy(sums)}
        for number in np.flatnonzero(~np.isnan(shares)):
            named = self.class_names[number] if number < len(self.class_names) else str(number)
            found[f"iou_of.{named}"] = float(shares[number])
        return found

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        flat = statistics.reshape(len(statistics), -1).astype(np.float64)  # exact, and a product of BLAS
        metric = _accuracy if self.metrics[0] == ACCURACY else lambda sums: _mean(_shares(sums))
        return lambda counts: metric((counts @ flat).reshape(statistics.shape[1:]))

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """The share of pixels to which both give the same class."""
        one, two = self._read_as_map(reference), self._read_as_map(other)
        same = [np.mean(self.answer(a) == self.answer(b)) for a, b in zip(one, two, strict=True)]
        broken = np.isnan(one).reshape(len(one), -1).any(axis=1) | np.isnan(two).reshape(len(two), -1).any(axis=1)
        return np.where(broken, 0.0, same)

    def before_activation(self) -> Segmentation:
        return replace(self, scores="logits")

    @property
    def losses(self) -> dict[str, LossName]:
        if self._numbers or self.loss == "distillation":
            return {}
        own: LossName = "binary_crossentropy" if self.output.shape[-1] == 1 else "categorical_crossentropy"
        return {self.output.name: self.loss or own}

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        """One-hot masks of the output's size, [B, h, w, C]; zeros throughout where a pixel counts for nothing. Of one
        channel class 1 itself, [B, h, w, 1]."""
        masks = self._masks(targets)
        height, width = self.output.shape[1:3]
        size = (masks.shape[1] if height == OPEN else height, masks.shape[2] if width == OPEN else width)
        small = np.stack([nearest(mask, size) for mask in masks]) if len(masks) else masks
        known = small[small != IGNORED].astype(np.int64)
        self._check_classes(known, known[:0], self.classes)
        first = 1 if self.output.shape[-1] == 1 else 0
        return {self.output.name: (small[..., None] == np.arange(first, self.classes)).astype(np.float32)}


def _shares(sums: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of each class, [C]; NaN of one that no mask has."""
    union = sums[_WANTED] + sums[_SAID] - sums[_BOTH]
    return np.where(sums[_WANTED] > 0, sums[_BOTH] / np.maximum(union, 1), np.nan)


def _mean(shares: NDArray[np.float64]) -> float:
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if len(known) else float("nan")


def _accuracy(sums: NDArray[Any]) -> float:
    wanted = sums[_WANTED].sum()
    return float(sums[_BOTH].sum() / wanted) if wanted else float("nan")
