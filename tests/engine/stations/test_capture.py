"""The truth behind frames."""

import gc

import numpy as np
import pytest

from tests.engine.small_world import frame, snapshot
from v2xsim.engine.stations.capture import Capture, Captures, DetectorDraws
from v2xsim.spatial.poses import moved_boxes, pose_matrix
from v2xsim.streams import Streams

NONE = np.zeros(0, np.int64)


def capture(pose=(0, 0, 0, 0), believed=(0, 0, 0, 0), world=None):
    world = snapshot([], []) if world is None else world
    pose, believed = np.array(pose, float), np.array(believed, float)
    return Capture(pose, believed, world, NONE.astype(np.int32), NONE, DetectorDraws(Streams(1), 1, 0, world.agent))


def test_a_body_appears_moved_by_the_stations_own_error():
    # The station stands 1 m west of where it believes to be; heading and height are right.
    found = capture((4, 0, 0, 0), (5, 0, 0, 0), snapshot([0], [(10, 3)]))
    np.testing.assert_allclose(found.apparent.center_m, [[11.0, 3.0, 0.0]])


def test_a_body_appears_turned_about_the_station_by_its_error_of_heading():
    found = capture((0, 0, 0, 0), (0, 0, 0, np.pi / 2), snapshot([0], [(10, 0)]))
    np.testing.assert_allclose(found.apparent.center_m, [[0.0, 10.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(found.apparent.yaw_rad, [np.pi / 2])


def test_a_transform_moves_boxes_and_keeps_their_size():
    moved = moved_boxes(snapshot([0], [(1, 2)]).boxes, pose_matrix(5.0, 6.0, 7.0, 0.0))
    np.testing.assert_allclose(moved.center_m, [[6.0, 8.0, 7.0]])
    np.testing.assert_allclose(moved.size_m, [[4.0, 2.0, 1.5]])


def test_a_capture_is_kept_as_long_as_its_frame():
    captures, mine, truth = Captures(), frame(), capture()
    captures.put(mine, truth)
    assert captures[mine] is truth
    del mine
    gc.collect()
    assert len(captures._behind) == 0


def test_a_detector_meets_the_same_chance_twice():
    chance = DetectorDraws(Streams(1), 4, 1000, np.array([2, 9]))
    np.testing.assert_array_equal(chance.of_objects(3), chance.of_objects(3))
    np.testing.assert_array_equal(chance.of_frame(5, 2), chance.of_frame(5, 2))
    assert chance.of_objects(3) is chance.of_objects(3)
    assert chance.of_frame(5, 2) is chance.of_frame(5, 2)
    assert chance.of_objects(3).shape == (2, 3)
    assert chance.of_frame(5, 2).shape == (5, 2)


def test_the_chance_of_a_few_road_users_is_theirs_among_all():
    chance = DetectorDraws(Streams(1), 4, 1000, np.array([2, 5, 9]))
    rows = np.array([0, 2])
    np.testing.assert_array_equal(chance.of_rows(rows, 4), chance.of_objects(4)[rows])


def test_the_chance_of_a_road_user_depends_on_no_other():
    both, alone = (DetectorDraws(Streams(1), 4, 1000, np.array(a)).of_objects(1) for a in ([2, 9], [9]))
    np.testing.assert_array_equal(both[1], alone[0])


def test_each_row_of_clutter_has_a_chance_of_its_own_that_more_rows_leave_as_it_is():
    few, many = (DetectorDraws(Streams(1), 4, 1000, NONE).of_frame(rows, 2) for rows in (2, 5))
    np.testing.assert_array_equal(many[:2], few)
    assert len(np.unique(many)) == 10


@pytest.mark.parametrize(
    "draws", [lambda chance: chance.of_objects(1), lambda chance: chance.of_frame(1, 1)], ids=["objects", "clutter"]
)
def test_another_station_or_instant_has_another_chance(draws):
    first = draws(DetectorDraws(Streams(1), 4, 1000, np.array([2])))
    for station, time_us in ((5, 1000), (4, 2000)):
        assert draws(DetectorDraws(Streams(1), station, time_us, np.array([2]))) != first


def test_clutter_has_another_chance_than_road_users():
    chance = DetectorDraws(Streams(1), 4, 1000, np.array([0]))
    assert chance.of_frame(1, 1) != chance.of_objects(1)
