"""Which bodies overlap: worked by hand, and compared with the exact intersection of rectangles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.records import Boxes
from v2xsim.spatial.boxes import bev_iou
from v2xsim.world.overlaps import DEPTH_M, overlapping


def boxes(*rows):
    """Return boxes of rows x, y, yaw, length, width."""
    table = np.array(rows, float).reshape(-1, 5)
    n = len(table)
    return Boxes(np.c_[table[:, :2], np.zeros(n)], np.c_[table[:, 3:], np.full(n, 1.5)], table[:, 2])


def pairs(*rows):
    return overlapping(boxes(*rows)).tolist()


def test_one_body_and_no_body_overlap_with_nothing():
    assert pairs() == []
    assert pairs((0, 0, 0, 5, 2)) == []


@pytest.mark.parametrize(("gap_m", "expected"), [(0.5, []), (0.0, []), (-0.1, []), (-0.3, [[0, 1]])])
def test_bodies_in_a_row_overlap_only_if_they_do_so_by_more_than_rounding(gap_m, expected):
    assert pairs((0, 0, 0, 5, 2), (5 + gap_m, 0, 0, 5, 2)) == expected


def test_a_crossing_body_overlaps_although_no_corner_is_inside_the_other():
    assert pairs((0, 0, 0, 12, 2), (1, 0, np.pi / 2, 12, 2)) == [[0, 1]]


def test_bodies_side_by_side_on_two_lanes_do_not_overlap():
    assert pairs((0, 0, 0, 5, 2), (0, 3.2, np.pi, 5, 2)) == []


def test_the_pairs_are_in_rising_order():
    assert pairs((50, 0, 0, 5, 2), (0, 0, 0, 5, 2), (51, 0, 0, 5, 2), (1, 0, 0, 5, 2)) == [[0, 2], [1, 3]]


def test_a_long_body_reaches_a_short_one_that_is_far_from_its_centre():
    assert pairs((0, 0, 0, 30, 2), (14, 0, 0, 4, 2), (40, 0, 0, 4, 2)) == [[0, 1]]


PLACE = st.floats(-12, 12)
BODY = st.tuples(PLACE, PLACE, st.floats(-3.2, 3.2), st.floats(0.5, 15), st.floats(0.5, 3))


@given(st.lists(BODY, min_size=2, max_size=8))
def test_bodies_that_overlap_share_an_area_and_bodies_that_do_not_share_at_most_a_seam(rows):
    bodies = boxes(*rows)
    iou = bev_iou(bodies, bodies)
    found = {tuple(pair) for pair in overlapping(bodies).tolist()}
    for first in range(len(rows)):
        for second in range(first + 1, len(rows)):
            if (first, second) in found:
                assert iou[first, second] > 0
            else:
                # A seam is narrower than the depth and shorter than the diagonal of the smaller body.
                area = bodies.size_m[[first, second], 0] * bodies.size_m[[first, second], 1]
                shared = iou[first, second] * area.sum() / (1 + iou[first, second])
                diagonal = np.hypot(*bodies.size_m[[first, second], :2].T).min()
                assert shared <= 2 * DEPTH_M * diagonal
