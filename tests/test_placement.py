"""pipeline/placement.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.placement import Placement

SIDES = st.floats(1, 5000)
EDGES = st.floats(-1, 0.4), st.floats(0.6, 2)


@given(SIDES, SIDES, *EDGES, *EDGES)
def test_points_come_back_to_where_they_were(height, width, top, bottom, left, right):
    placement = Placement(height, width, top, left, bottom, right)
    points = np.array([[0.0, 0.0], [height / 3, width / 2], [height, width]])
    assert placement.to_image(placement.to_input(points)) == pytest.approx(points, abs=1e-6 * max(height, width))


def test_the_corners_of_a_letterboxed_image_lie_on_its_edges():
    placement = Placement(480, 640, top=0.125, left=0, bottom=0.875, right=1)
    assert placement.to_input(np.array([[0, 0], [480, 640]])).tolist() == [[0.125, 0], [0.875, 1]]


def test_a_row_holds_all_of_it():
    placement = Placement(480, 640, -0.5, 0.25, 1.5, 0.75)
    assert Placement.of_row(placement.row()) == placement
