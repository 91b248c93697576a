"""What a model of one input and one output answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.tensors import Predictor, only


def answer(model: Predictor, x: ArrayLike) -> NDArray[Any]:
    """The one output's real values for the one input, [B, …]."""
    return only(model({"x": np.asarray(x)}).real)
