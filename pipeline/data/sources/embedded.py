"""Examples that need no download: scikit-learn's small data sets, which the dependencies ship."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.columns import ArrayColumn
from pipeline.data.sources.arrays import Arrays, source_of_arrays
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.recipe import Data
from pipeline.tensors import INPUT, TARGET

DIGITS = {TARGET: KnownTarget("class", tuple("0123456789"))}

PATCH, NOISE = 32, 25.0
"""Pixels of a patch's side, and the standard deviation of its noise in grey levels."""


def digits(data: Data, names: tuple[str, ...] | None) -> Source:
    """1,797 handwritten digits as grey images, uint8 [8, 8, 1], ink 0..16 stretched to 0..255."""
    images, labels = _digits()
    return source_of_arrays({"train": ({INPUT: images}, {TARGET: labels})}, data, names, DIGITS)


def digits_halves(data: Data, names: tuple[str, ...] | None) -> Source:
    """The digits cut into two inputs, `left` and `right`, uint8 [8, 4, 1] each."""
    images, labels = _digits()
    halves = {"left": images[:, :, :4], "right": images[:, :, 4:]}
    return source_of_arrays({"train": (halves, {TARGET: labels})}, data, names, DIGITS)


def diabetes(data: Data, names: tuple[str, ...] | None) -> Source:
    """442 people with 10 numbers each in their own units; the value is the disease's progression after a year."""
    from sklearn.datasets import load_diabetes

    return _table(load_diabetes(scaled=False), "value", data, names)


def wine(data: Data, names: tuple[str, ...] | None) -> Source:
    """178 wines of three growers with 13 chemical measurements each."""
    from sklearn.datasets import load_wine

    return _table(load_wine(), "class", data, names)


def breast_cancer(data: Data, names: tuple[str, ...] | None) -> Source:
    """569 tumours, malignant or benign, with 30 measurements of their cells' nuclei each."""
    from sklearn.datasets import load_breast_cancer

    return _table(load_breast_cancer(), "class", data, names)


def photos(data: Data, names: tuple[str, ...] | None) -> Source:
    """520 patches of two photos, uint8 [32, 32, 3], none of which overlaps another: `x` with noise, `y` without."""
    from sklearn.datasets import load_sample_images

    clean = np.concatenate([_patches(photo) for photo in load_sample_images().images])
    noise = np.random.default_rng(0).normal(scale=NOISE, size=clean.shape)
    noisy = np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)
    return source_of_arrays({"train": ({INPUT: noisy}, {TARGET: clean})}, data, names, {TARGET: KnownTarget("value")})


def _digits() -> Any:
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images * (255 / 16)).astype(np.uint8), found.target


def _table(found: Any, kind: Any, data: Data, names: tuple[str, ...] | None) -> Source:
    table = ArrayColumn(
        found.data.astype(np.float32), "x_train", kind="table", names=[str(n) for n in found.feature_names]
    )
    y = found.target.astype(np.float32) if kind == "value" else found.target
    classes = tuple(str(name) for name in found.target_names) if kind == "class" else ()
    arrays: Arrays = {INPUT: table}, {TARGET: y}
    return source_of_arrays({"train": arrays}, data, names, {TARGET: KnownTarget(kind, classes)})


def _patches(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = photo.shape[0] // PATCH, photo.shape[1] // PATCH
    cut = photo[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3)
    return cut.swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3)
