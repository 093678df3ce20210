"""Bodies moved from where they are to where a station would place them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spatial.rounded import product
from v2xsim.records import Boxes
from v2xsim.spatial.poses import (
    believed_from_true,
    inverse,
    inverses,
    moved_boxes,
    moved_rows,
    pose_matrices,
    pose_matrix,
)

POSES = st.tuples(*(st.floats(-500, 500) for _ in range(3)), st.floats(-7, 7)).map(np.array)
RNG = np.random.default_rng(5)
SEVERAL = np.column_stack([RNG.uniform(-1e4, 1e4, (200, 3)), RNG.uniform(-7.0, 7.0, 200)])


def bodies(count, seed=0):
    rng = np.random.default_rng(seed)
    return Boxes(rng.uniform(-500, 500, (count, 3)), rng.uniform(1, 5, (count, 3)), rng.uniform(-3, 3, count))


@given(POSES, POSES, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_positions_are_those_of_a_matrix_product_that_rounds_each_step_once(believed, true, count, seed):
    boxes, moving = bodies(count, seed), believed_from_true(believed, true)
    expected = product(boxes.center_m, moving[:3, :3].T) + moving[:3, 3]
    assert moved_boxes(boxes, moving).center_m.tobytes() == expected.tobytes()


@given(POSES, POSES, st.integers(0, 2**32 - 1))
def test_a_single_body_moves_as_among_others(believed, true, seed):
    boxes, moving = bodies(3, seed), believed_from_true(believed, true)
    alone = moved_boxes(boxes[:1], moving)
    np.testing.assert_allclose(alone.center_m, moved_boxes(boxes, moving).center_m[:1], rtol=1e-12, atol=1e-9)


def test_a_station_that_believes_it_is_further_east_and_turned_places_bodies_so():
    moving = believed_from_true(np.array([3.0, 0, 0, np.pi / 2]), np.zeros(4))
    moved = moved_boxes(Boxes(np.array([[10.0, 0, 1]]), np.ones((1, 3)), np.array([0.5])), moving)
    np.testing.assert_allclose(moved.center_m, [[3, 10, 1]], atol=1e-12)
    assert moved.yaw_rad[0] == pytest.approx(0.5 + np.pi / 2)


def test_no_body_stays_no_body():
    assert len(moved_boxes(bodies(0), np.eye(4))) == 0


def test_the_transforms_of_several_bodies_are_those_of_each_to_the_last_bit():
    world_from_body = pose_matrices(SEVERAL)
    np.testing.assert_array_equal(world_from_body, [pose_matrix(*pose) for pose in SEVERAL])
    np.testing.assert_array_equal(inverses(world_from_body), [inverse(one) for one in world_from_body])


def test_no_bodies_have_no_transforms():
    assert inverses(pose_matrices(np.zeros((0, 4)))).shape == (0, 4, 4)


@pytest.mark.parametrize("count", [1, 70])
def test_boxes_moved_by_several_transforms_are_those_moved_by_each_to_the_last_bit(count):
    boxes = bodies(count)
    moves = pose_matrices(SEVERAL[:9]) @ inverses(pose_matrices(SEVERAL[9:18]))
    number, row = RNG.integers(0, 9, 40), RNG.integers(0, count, 40)
    moved = moved_rows(boxes, moves, number, row)
    for n in range(40):
        alone = moved_boxes(boxes, moves[number[n]])[row[n : n + 1]]
        np.testing.assert_array_equal(moved.center_m[n], alone.center_m[0])
        np.testing.assert_array_equal(moved.size_m[n], alone.size_m[0])
        assert moved.yaw_rad[n] == alone.yaw_rad[0]
