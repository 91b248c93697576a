"""Estimators of an activation's range from streamed values, behind one interface.

    make_observer = make("percentile", percentile=99.9)
    observers = [make_observer() for _ in activations]

None is best for every model: min-max suits networks with bounded activations (ReLU6), the others clip rare values to
spend the steps on the common ones. Choose by measurement.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Literal

from pipeline.errors import InputError, did_you_mean
from pipeline.quantization.observers.entropy import Entropy
from pipeline.quantization.observers.min_max import MinMax
from pipeline.quantization.observers.moving_average import MovingAverage
from pipeline.quantization.observers.mse import MeanSquaredError
from pipeline.quantization.observers.observer import Observer
from pipeline.quantization.observers.percentile import Percentile

__all__ = ["ESTIMATORS", "Estimator", "Observer", "describe", "make"]

Estimator = Literal["min_max", "moving_average", "percentile", "entropy", "mse"]

ESTIMATORS: dict[Estimator, Callable[..., Observer]] = {
    "min_max": MinMax,
    "moving_average": MovingAverage,
    "percentile": Percentile,
    "entropy": Entropy,
    "mse": MeanSquaredError,
}


def make(estimator: Estimator, **settings: float) -> Callable[[], Observer]:
    """A maker of observers, one for each activation.

    Args:
        estimator: A name of `ESTIMATORS`.
        settings: `momentum` of moving_average, `percentile` of percentile, `bits` of mse; the class says more.

    Raises:
        InputError: no such estimator, a setting that it does not have, or a value out of bounds.
    """
    if estimator not in ESTIMATORS:
        raise InputError(f"There is no range estimator '{estimator}'.{did_you_mean(estimator, ESTIMATORS)}")
    kind = ESTIMATORS[estimator]
    known = inspect.signature(kind).parameters
    for name in settings:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no settings"
            raise InputError(f"The range estimator {estimator} {takes}, not '{name}'.")
    factory = partial(kind, **settings)
    factory()  # a bad value is told now, not at the first activation
    return factory


def describe(estimator: Estimator, **settings: float) -> str:
    """A short name for people, settings included: "percentile 99.99".

    Raises:
        InputError: as `make`.
    """
    return str(make(estimator, **settings)())
