"""`digits`: scikit-learn's 1,797 handwritten digits, which need no download."""

from __future__ import annotations

import numpy as np

from pipeline.data.sources.arrays import source_of_arrays
from pipeline.data.sources.source import Source
from pipeline.recipe import Data


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The digits as grey images, uint8 [8, 8, 1], ink 0..16 stretched to 0..255, all in "train"."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return source_of_arrays({"train": (images, digits.target)}, names, tuple("0123456789"))
