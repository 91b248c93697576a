"""`python -m pipeline.data.sources.fetch_keras NAME FOLDER`: save one of Keras' data sets as .npy files.

A program of its own, because tf_keras brings TensorFlow along.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np


def main(name: str, folder: str) -> None:
    """Write x_train.npy, y_train.npy, x_test.npy and y_test.npy into the existing folder."""
    dataset = importlib.import_module(f"tf_keras.datasets.{name}")
    for split, (x, y) in zip(("train", "test"), dataset.load_data(), strict=True):
        np.save(Path(folder) / f"x_{split}.npy", x)
        np.save(Path(folder) / f"y_{split}.npy", y)


if __name__ == "__main__":
    main(*sys.argv[1:])
