"""Anchors are those of the frameworks that models come from: by their counts, and by numbers of their own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.detection.anchors import grid_anchors, read_anchors

FACE_MASKS: dict[str, Any] = {
    "rule": "multibox",
    "grids": [33, 17, 9, 5, 3],
    "sizes": [[0.04, 0.056], [0.08, 0.11], [0.16, 0.22], [0.32, 0.45], [0.64, 0.72]],
    "ratios": [1, 0.62, 0.42],
}
"""Of AIZOO's FaceMaskDetection, 260×260."""


def test_row_by_row_and_the_boxes_of_a_cell_side_by_side() -> None:
    made = grid_anchors((64, 32), strides=(16, 32), scales=(1.0, 2.0), ratios=(1.0, 4.0))
    assert made.shape == ((4 * 2 + 2 * 1) * 4, 4)
    np.testing.assert_allclose(made[0], [0.125, 0.25, 0.25, 0.5])
    np.testing.assert_allclose(made[1], [0.125, 0.25, 0.125, 1.0])  # four times as wide as high, of the same area
    np.testing.assert_allclose(made[2], [0.125, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(made[4, :2], [0.125, 0.75])
    np.testing.assert_allclose(made[8, :2], [0.375, 0.25])
    np.testing.assert_allclose(made[32], [0.25, 0.5, 0.5, 1.0])


def test_a_side_that_no_stride_divides_has_a_cell_more() -> None:
    assert len(grid_anchors((50, 50), strides=(16,), scales=(1.0,), ratios=(1.0,))) == 16


def test_face_mask_detection_has_5972() -> None:
    made = read_anchors(FACE_MASKS, (260, 260))
    assert made.shape == (5972, 4)
    np.testing.assert_allclose(made[0], [0.5 / 33, 0.5 / 33, 0.04, 0.04], rtol=1e-6)
    np.testing.assert_allclose(made[1, 2:], [0.056, 0.056], rtol=1e-6)
    np.testing.assert_allclose(made[2, 2:], [0.04 / 0.62**0.5, 0.04 * 0.62**0.5], rtol=1e-6)


def test_blazeface_has_896() -> None:
    made = read_anchors({"rule": "mediapipe"}, (128, 128))
    assert made.shape == (896, 4)
    np.testing.assert_allclose(made[:3], [[1 / 32, 1 / 32, 1, 1]] * 2 + [[1 / 32, 3 / 32, 1, 1]])
    np.testing.assert_allclose(made[512], [1 / 16, 1 / 16, 1, 1])


def test_ssd_mobilenet_of_the_object_detection_api_has_1917() -> None:
    grids = [19, 10, 5, 3, 2, 1]
    made = read_anchors({"rule": "tf_od", "grids": grids}, (300, 300))
    assert made.shape == (1917, 4)
    # multiple_grid_anchor_generator_test.py: min_scale 0.2, max_scale 0.95, six layers.
    np.testing.assert_allclose(made[0, 2:], [0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(made[1, 2:], [0.2 / 2**0.5, 0.2 * 2**0.5], rtol=1e-6)
    first = made[19 * 19 * 3]
    np.testing.assert_allclose(first, [0.05, 0.05, 0.35, 0.35], rtol=1e-6)
    np.testing.assert_allclose(made[19 * 19 * 3 + 5, 2:], [(0.35 * 0.5) ** 0.5] * 2, rtol=1e-6)
    np.testing.assert_allclose(made[-1, 2:], [0.95**0.5] * 2, rtol=1e-6)


def test_a_wide_input_keeps_squares_square() -> None:
    made = read_anchors({"rule": "tf_od", "grids": [4]}, (100, 200))
    height, width = made[0, 2] * 100, made[0, 3] * 200
    assert height == pytest.approx(width)


def test_sizes_one_by_one_and_files(tmp_path: Path) -> None:
    section = {"sizes": [[[0.1, 0.2]], [[0.3, 0.4], [0.5, 0.5]]], "grids": [[2, 1], 1]}
    made = read_anchors(section, (8, 8))
    np.testing.assert_allclose(made[:, 2:], [[0.1, 0.2], [0.1, 0.2], [0.3, 0.4], [0.5, 0.5]])
    np.save(tmp_path / "a.npy", made)
    np.savetxt(tmp_path / "a.csv", made, delimiter=",")
    for name in ("a.npy", "a.csv"):
        np.testing.assert_allclose(read_anchors(str(tmp_path / name), (8, 8)), made, rtol=1e-6)


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("a,b,c,d\n")
    np.save(tmp_path / "flat.npy", np.ones((3, 4, 1)))
    np.save(tmp_path / "zero.npy", np.zeros((3, 4)))
    for section, match in (
        ({"rule": "yolo"}, r"anchors\.rule is one of grid, sizes"),
        ({"stride": [8]}, "no option 'stride'. Did you mean 'strides'"),
        ({"strides": []}, r"task\.anchors\.strides: .* at least 1 item"),
        ({"strides": [0]}, "greater than or equal to 1"),
        ({"scales": [-1]}, "greater than 0"),
        ({"rule": "multibox", "sizes": [[0.1]], "ratios": [[1], [2]], "grids": [1]}, "2 levels and anchors.sizes 1"),
        ({"sizes": [[[0.1, 0.1]]]}, "needs the strides of the levels"),
        ({"sizes": [[[0.1, 0.1]]], "strides": [8, 16]}, "2 strides or grids, and boxes for 1 levels"),
        (str(tmp_path / "none.npy"), "cannot be read"),
        (str(tmp_path / "text.csv"), "cannot be read"),
        (str(tmp_path / "flat.npy"), r"holds \[3, 4, 1\] values"),
        (str(tmp_path / "zero.npy"), "the last two above 0"),
    ):
        with pytest.raises(InputError, match=match):
            read_anchors(section, (64, 64))
