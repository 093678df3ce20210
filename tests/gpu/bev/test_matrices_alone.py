"""Boxes from groups of cells that announced matrices show as occupied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from v2xsim.gpu.bev.cell_groups import unexplained_groups
from v2xsim.gpu.bev.fusion.matrices import AnnouncedMatricesAlone
from v2xsim.gpu.bev.fusion.scheme import FusionView, Told
from v2xsim.records import BY_PLACE, FREE, OCCUPIED, Boxes, Detections

CELL_M = 2.0
# World cell index of the first cell: the window begins at (20, -40) m.
LOWER = np.array([10, -20])
NOBODY_M = np.zeros((0, 2))


def occupied(*cells, shape=(8, 8)):
    code = np.zeros(shape, np.uint8)
    for cell in cells:
        code[cell] = OCCUPIED
    return code


def groups(code, known_m=NOBODY_M, within_m=3.0):
    return unexplained_groups(code == OCCUPIED, LOWER, CELL_M, np.array(known_m, float).reshape(-1, 2), within_m)


def cars(*places_m, score=0.9):
    count = len(places_m)
    boxes = Boxes(
        np.array([(*place, 0.0) for place in places_m]).reshape(-1, 3),
        np.tile([4.0, 2, 1.5], (count, 1)),
        np.zeros(count),
    )
    return Detections(boxes, np.zeros((count, 2)), np.full(count, score), np.arange(count))


def view(code, *, own=(), announced=(), is_open=None, road_rad=np.nan, pose=(-100.0, 0.0, 0.5, 0.0)):
    told = Told(
        code,
        np.ones(code.shape, bool) if is_open is None else is_open,
        cars(*announced),
        lambda place_m: np.full(len(place_m), road_rad),
    )
    return FusionView(
        7, np.array(pose), np.ones(3), Boxes.none(), np.zeros(0, np.int64), np.zeros(0, np.int64), cars(*own), code, LOWER, CELL_M, (),
        lambda objects, points, added_m=None: Detections.none(), lambda: np.zeros((0, 3)), told,
    )  # fmt: skip


def made(code, **about):
    """Return the boxes that the scheme makes of cells."""
    detections = AnnouncedMatricesAlone().fuse(view(code, **about)).detections
    return detections[np.flatnonzero(detections.truth == BY_PLACE)]


def test_cells_that_touch_along_a_side_are_one_group_at_their_mean_and_corners_do_not_touch():
    center_m, extent_m = groups(occupied((1, 1), (2, 1), (3, 1), (4, 2)))
    # Cells 1 to 3 of the east are (11 + 13) / 2 + 0.5 cells of 2 m from the origin of the world.
    assert center_m.tolist() == [[25.0, -37.0], [29.0, -35.0]]
    assert extent_m.tolist() == [[6.0, 2.0], [2.0, 2.0]]


def test_a_group_is_explained_by_whoever_is_near_one_of_its_cells():
    code = occupied((1, 1), (2, 1), (3, 1), (6, 6))
    # 3 m north of the centre of the eastern cell, and a little more.
    assert groups(code, [(27.0, -34.0)])[0].tolist() == [[33.0, -27.0]]
    assert len(groups(code, [(27.0, -33.99)])[0]) == 2


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_groups_are_those_of_scipy(nx, ny, share, seed):
    is_occupied = np.random.default_rng(seed).random((nx, ny)) < share
    label, count = ndimage.label(is_occupied)
    expected = [(np.argwhere(label == n + 1).mean(axis=0) + LOWER + 0.5) * CELL_M for n in range(count)]
    center_m, _ = unexplained_groups(is_occupied, LOWER, CELL_M, NOBODY_M, 3.0)
    np.testing.assert_allclose(center_m, np.array(expected).reshape(-1, 2), atol=1e-9)


def test_a_group_of_occupied_cells_becomes_a_standing_car_on_the_ground_of_the_ego_with_a_low_score():
    box = made(occupied((1, 1), (2, 1)))
    assert box.boxes.center_m.tolist() == [[24.0, -37.0, 0.5]]
    assert box.boxes.size_m.tolist() == [[5.0, 2.0, 1.6]]
    assert (box.score.tolist(), box.velocity_mps.tolist()) == ([0.3], [[0.0, 0.0]])


def test_a_box_lies_along_the_road_or_without_one_along_the_longer_side_of_its_group():
    north, east = occupied((1, 1), (1, 2)), occupied((1, 1), (2, 1))
    assert [float(made(code).boxes.yaw_rad[0]) for code in (north, east)] == [pytest.approx(np.pi / 2), 0.0]
    assert made(north, road_rad=0.3).boxes.yaw_rad.tolist() == [0.3]


@pytest.mark.parametrize("known", ["own", "announced"])
def test_whom_the_ego_detects_or_heard_gets_no_second_box(known):
    assert len(made(occupied((1, 1)), **{known: [(23.0, -37.0)]})) == 0
    assert len(made(occupied((1, 1)), **{known: [(40.0, -37.0)]})) == 1


def test_the_ego_itself_gets_no_box():
    assert len(made(occupied((1, 1)), pose=(24.0, -37.0, 0.0, 0.0))) == 0


def test_free_cells_and_cells_at_buildings_make_no_box():
    code = occupied((1, 1))
    code[5, 5] = FREE
    is_open = np.ones(code.shape, bool)
    is_open[1, 1] = False
    assert len(made(code)) == 1
    assert len(made(code, is_open=is_open)) == 0


def test_the_ego_keeps_its_own_detections():
    detections = AnnouncedMatricesAlone().fuse(view(occupied((1, 1)), own=[(60.0, 0.0)])).detections
    assert sorted(detections.score.tolist()) == [0.3, 0.9]
