from __future__ import annotations

import numpy as np

from pipeline.quantization.observers.min_max import MinMax


def test_the_range_is_all_examples_extremes() -> None:
    observer = MinMax()
    observer.observe(np.array([[-1, 2], [0.5, 3]], np.float32))
    observer.observe(np.array([[-4, -3]], np.float32))
    assert observer.range() == (-4, 3)


def test_a_range_need_not_hold_zero() -> None:
    observer = MinMax()
    observer.observe(np.array([[1, 2]], np.float32))
    assert observer.range() == (1, 2)
