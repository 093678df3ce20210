"""Rules that look for bodies: what they ask for, and which cells egos leave out because they know who stands there."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity, box

from tests.engine.cooperation.test_matching import ALL_BLIND, agents_of, asked, columns, helper, seeing, shown
from tests.engine.small_world import EGO, HELPER, OTHER, detections, frame
from v2xsim.engine.cooperation.sought import sought_weight
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED


def bodies_at(*cells):
    """Return a helper's codes: bodies in these cells, free ground in all others."""
    return np.where(seeing(*cells) > UNOBSERVED, np.uint8(OCCUPIED), np.uint8(FREE))


def test_only_cells_that_a_helper_saw_occupied_are_asked_for():
    (only,) = asked(helper(HELPER, bodies_at((1, 2), (3, 0))), matching="hidden_bodies")
    assert np.argwhere(only.cells).tolist() == [[1, 2], [3, 0]]


def test_a_body_in_a_cell_that_the_ego_sees_is_not_asked_for():
    weight = ALL_BLIND.copy()
    weight[3, 0] = 0.0
    (only,) = asked(helper(HELPER, bodies_at((1, 2), (3, 0))), weight=weight, matching="hidden_bodies")
    assert np.argwhere(only.cells).tolist() == [[1, 2]]


def test_a_helper_that_saw_one_body_is_preferred_to_one_that_saw_much_free_ground():
    known = (helper(HELPER, columns(0, 4)), helper(OTHER, bodies_at((1, 2))))
    assert agents_of(asked(*known, matching="hidden_bodies")) == [OTHER]
    assert agents_of(asked(*known, matching="blind_cells", max_helpers=1)) == [HELPER]


def test_the_rest_of_the_budget_is_for_the_bodies_alone():
    view = shown(helper(HELPER, bodies_at((1, 2))))
    assert view.observed.sum() == 16
    few, many = (
        asked(helper(HELPER, bodies_at(*cells)), helper(OTHER, bodies_at((0, 0))), matching="hidden_bodies")
        for cells in ([(1, 2)], [(1, 2), (1, 3), (2, 2), (2, 3), (3, 3)])
    )
    assert {one.helper: one.allowance_bytes for one in few}[HELPER] < {one.helper: one.allowance_bytes for one in many}[
        HELPER
    ]


def left_of(place_m, yaw_rad=0.0):
    """Return the weight that is left of 4 x 4 blind cells of 2 m if a vehicle announced itself at a place."""
    car = detections([place_m])
    car.boxes.yaw_rad[:] = yaw_rad
    return sought_weight(ALL_BLIND[None], [frame(EGO)], [car])[0]


def test_cells_with_a_vehicle_that_announced_itself_have_no_weight_and_the_others_keep_theirs():
    # A car of 4.5 m x 1.8 m around (5, 1): from x = 2.75 to 7.25 and from y = 0.1 to 1.9.
    assert np.argwhere(left_of((5, 1)) == 0.0).tolist() == [[1, 0], [2, 0], [3, 0]]


@settings(deadline=None)
@given(st.floats(-3, 11), st.floats(-3, 11), st.floats(-4, 4))
def test_exactly_the_cells_that_the_body_reaches_lose_their_weight(x_m, y_m, yaw_rad):
    car = detections([(0, 0)]).boxes.size_m[0]
    body = affinity.rotate(box(*(-car[:2] / 2), *(car[:2] / 2)), yaw_rad, (0, 0), use_radians=True)
    body = affinity.translate(body, x_m, y_m)
    shared = np.array(
        [[body.intersection(box(2 * i, 2 * j, 2 * i + 2, 2 * j + 2)).area for j in range(4)] for i in range(4)]
    )
    left = left_of((x_m, y_m), yaw_rad)
    assert (left[shared > 1e-6] == 0.0).all()
    assert all(body.distance(box(2 * i, 2 * j, 2 * i + 2, 2 * j + 2)) < 1e-6 for i, j in np.argwhere(left == 0.0))


def test_the_weight_of_other_egos_and_the_given_one_stay_as_they_are():
    weight = np.stack([ALL_BLIND, ALL_BLIND])
    left = sought_weight(weight, [frame(EGO), frame(EGO + 50)], [detections([]), detections([(5, 1)])])
    assert (left[0] == 1.0).all()
    assert (left[1] == 0.0).sum() == 3
    assert (weight == 1.0).all()
