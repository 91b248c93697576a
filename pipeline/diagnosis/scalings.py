"""The usual ways to scale pixels, and what an input would have been under another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

LEAST_SPREAD = 64.0
"""Pixels 0 to 255 that span less than this over a whole split are no pixels, or on another scale."""
DARKEST = 100.0
"""A whole split of pixels without one darker than this was shifted."""
SLACK = 3.0
"""Pixels may leave 0 to 255 by this: bicubic resizing overshoots a little."""


@dataclass(frozen=True)
class Scaling:
    """(pixel − mean)/std, pixel in 0..255; one value for all channels or one each, RGB. Then perhaps BGR."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False

    def undo(self, values: NDArray[Any]) -> NDArray[Any]:
        """Pixels [..., C] of scaled values [..., C]."""
        pixels: NDArray[Any] = _reversed(values, self.bgr) * np.array(self.std) + np.array(self.mean)
        return pixels

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Scaled values [..., C] of pixels [..., C]."""
        return _reversed((pixels - np.array(self.mean)) / np.array(self.std), self.bgr)

    def takes(self, channels: int) -> bool:
        """Whether it means anything for so many channels."""
        return len(self.mean) in (1, channels) and (channels == 3 or not self.bgr)


RAW = Scaling("0..255", (0.0,), (1.0,))
UNIT = Scaling("0..1", (0.0,), (255.0,))
SIGNED = Scaling("-1..1", (127.5,), (127.5,))
IMAGENET = Scaling("ImageNet's mean and std", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CAFFE = Scaling("BGR less ImageNet's mean", (123.68, 116.779, 103.939), (1.0, 1.0, 1.0), bgr=True)
USUAL = (RAW, UNIT, SIGNED, IMAGENET, CAFFE)

_RECIPE_NAMES = {RAW: "raw", UNIT: "0..1", SIGNED: "-1..1"}


@dataclass(frozen=True)
class Alternative:
    """What the model might expect instead: the stored examples are on one scale, the model wants another."""

    recipe: Scaling
    """What the recipe does to stored values."""
    stored: Scaling
    """What the stored values are, going by their range."""
    expected: Scaling

    def __call__(self, x: Values) -> Values:
        """The inputs [B, ..., C] as they would be, of what the recipe makes, [B, ..., C]."""
        pixels = self.stored.undo(self.recipe.undo(x.astype(np.float64)))
        return self.expected.apply(pixels).astype(np.float32)

    @property
    def setting(self) -> str:
        """The `--set` options that make the recipe give this."""
        reached = self._affine()
        for scaling, name in _RECIPE_NAMES.items():
            if _close(reached, (scaling.mean, scaling.std)):
                return f"--set data.preprocess.scale={name}"
        mean, std = ("[" + ",".join(f"{value:.4g}" for value in values) + "]" for values in reached)
        return f"--set data.preprocess.scale=mean_std --set data.preprocess.mean={mean} --set data.preprocess.std={std}"

    @property
    def simplicity(self) -> int:
        """Where it stands among the ways to say a scale: raw first, mean and std last, exchanged channels behind."""
        reached = self._affine()
        usual = [place for place, scaling in enumerate(_RECIPE_NAMES) if _close(reached, (scaling.mean, scaling.std))]
        return (usual[0] if usual else len(_RECIPE_NAMES)) + len(USUAL) * self.swaps_channels

    @property
    def swaps_channels(self) -> bool:
        """Whether the channels come out in another order, which no setting of a recipe does."""
        return self.stored.bgr != self.expected.bgr

    def _affine(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std in stored units, the channels in the stored order."""
        channels = max(len(self.stored.mean), len(self.expected.mean))
        ends = np.array([[0.0] * channels, [1.0] * channels])
        at_0, at_1 = self.expected.apply(self.stored.undo(ends))
        if self.swaps_channels:
            at_0, at_1 = at_0[::-1], at_1[::-1]
        std = 1 / (at_1 - at_0)
        mean = -at_0 * std
        if len(set(mean.round(9))) == len(set(std.round(9))) == 1:
            mean, std = mean[:1], std[:1]
        return tuple(mean.tolist()), tuple(std.tolist())


def of_recipe(described: Mapping[str, Any]) -> Scaling:
    """The scaling in a preprocessor's description (`mean` and `std` in stored units, `scale` its name)."""
    named = {name: scaling for scaling, name in _RECIPE_NAMES.items()}.get(described["scale"])
    return named or Scaling("(x − mean)/std", tuple(described["mean"]), tuple(described["std"]))


def stored_ends(recipe: Scaling, low: Values, high: Values) -> tuple[Values, Values]:
    """The smallest and largest stored value of each channel, [C], of those that the recipe gives, [C]."""
    return recipe.undo(low), recipe.undo(high)


def stored_as(low: Values, high: Values) -> list[Scaling]:
    """The usual scalings that stored values may have gone through already; RAW: none.

    Args:
        low: The smallest value of each channel, [C].
        high: The largest one, [C].
    """
    found = []
    for scaling in USUAL:
        if not scaling.takes(len(low)):
            continue
        darkest, brightest = float(scaling.undo(low).min()), float(scaling.undo(high).max())
        inside = -SLACK <= darkest <= DARKEST and brightest <= 255 + SLACK
        if inside and brightest - darkest >= LEAST_SPREAD:
            found.append(scaling)
    return found


def alternatives(recipe: Scaling, low: Values, high: Values) -> dict[str, Alternative]:
    """The other inputs that a model might expect, by name; none of them is what the recipe gives.

    Args:
        recipe: What the recipe does to stored values.
        low: The smallest value that the recipe gives over the split, of each channel, [C].
        high: The largest one, [C].
    """
    # Of another colour in every channel, so that an exchange of channels shows.
    steps = np.linspace(0, 1, 5)[:, None] * np.linspace(0.8, 1, len(low))
    probe = (low + (high - low) * steps).astype(np.float32)
    seen = [probe]
    found: dict[str, Alternative] = {}
    for stored in stored_as(*stored_ends(recipe, low, high)):
        for expected in (*USUAL, *_recipes_own(recipe)):
            if not expected.takes(len(low)):
                continue
            alternative = Alternative(recipe, stored, expected)
            outcome = alternative(probe)
            if not any(np.allclose(outcome, other, rtol=1e-3, atol=1e-3 * np.ptp(other)) for other in seen):
                seen.append(outcome)
                name = expected.name if expected.name not in found else f"{expected.name}, stored as {stored.name}"
                found[name] = alternative
    return found


def reverse_channels(x: Values) -> Values:
    """RGB as BGR and back, [..., 3]."""
    return np.ascontiguousarray(x[..., ::-1])


def _recipes_own(recipe: Scaling) -> list[Scaling]:
    """The recipe's mean and std, for pixels; and as they were meant if they are for pixels in 0..1."""
    if recipe in _RECIPE_NAMES:
        return []
    meant = []
    if max(abs(value) for value in (*recipe.mean, *recipe.std)) <= 1:
        mean, std = (tuple(255 * value for value in values) for values in (recipe.mean, recipe.std))
        meant = [Scaling("the recipe's mean and std, times 255", mean, std)]
    return [recipe, *meant]


def _reversed(values: NDArray[Any], reverse: bool) -> NDArray[Any]:
    return values[..., ::-1] if reverse else values


def _close(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> bool:
    return all(len(a) == len(b) and np.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(first, second, strict=True))
