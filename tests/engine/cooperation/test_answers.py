"""What a helper answers: the cells asked for, nearest first, as many as the allowance holds, in fragments."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity, box

from tests.engine.small_world import HELPER, detections, frame, obstacles, request
from v2xsim.engine.cooperation.answer_sizes import codes_bytes, predicted_bytes
from v2xsim.engine.cooperation.answers import answer, in_asked_cells
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, Detections

ALL_FREE = np.full((4, 4), FREE)
# Of 16 cells asked for: 37 bytes of a collective perception message and 4 of codes.
BOXES_HEAD_BYTES = 37 + 4
POINTS_HEAD_BYTES = 24 + 4


def boxes_of(asked, positions_m, *, code=ALL_FREE, lower=(0, 0), mtu_bytes=1400, by_body=False):
    """Return a helper's answer in boxes, from a frame with detections at these places."""
    captured = frame(HELPER, code=code, lower=lower)
    return answer(asked, captured, detections(positions_m), Share.BOXES, 0.3, mtu_bytes, obstacles(), by_body)


def points_of(asked, points_m, *, shares=Share.POINTS, voxel_m=0.3, mtu_bytes=1400, house_m=None, **about):
    """Return a helper's answer in points, from a frame with these points; `house_m` are two corners of a building on the map."""
    captured = frame(HELPER, points_m=points_m, code=ALL_FREE, **about)
    on_map = obstacles() if house_m is None else obstacles(house_m)
    return answer(asked, captured, Detections.none(), shares, voxel_m, mtu_bytes, on_map)


def only(*cells, shape=(4, 4)):
    """Return which cells are asked for."""
    asked = np.zeros(shape, bool)
    for cell in cells:
        asked[cell] = True
    return asked


# Predicted and actual sizes


def test_codes_take_two_bits_a_cell_rounded_up_to_bytes():
    assert [codes_bytes(cells) for cells in (0, 1, 4, 5, 9)] == [0, 1, 1, 2, 3]


def test_an_occupied_cell_is_predicted_to_hold_a_strip_of_points_as_long_as_the_cell_and_1_5_m_high():
    # 2 m by 1.5 m in cubes of 0.5 m: 4 x 3 points in each of 3 cells, of 6 bytes; 24 bytes of header; 10 codes.
    assert predicted_bytes(3, 10, Share.POINTS, 0.5, 2.0) == 24 + 3 + 6 * 36


def test_a_cell_smaller_than_a_cube_is_predicted_to_hold_one_point():
    assert predicted_bytes(3, 10, Share.POINTS, 4.0, 2.0) == 24 + 3 + 6 * 3


def test_a_body_is_predicted_to_cover_four_cells():
    assert predicted_bytes(8, 10, Share.BOXES, 0.5, 2.0) == pytest.approx(37 + 3 + 2 * 27.9)


def test_an_answer_of_boxes_has_the_size_of_a_collective_perception_message_and_of_the_codes():
    assert boxes_of(request(), [(1, 1), (3, 1)]).size_bytes == math.ceil(BOXES_HEAD_BYTES + 2 * 27.9)


def test_only_codes_of_cells_that_were_asked_for_count():
    assert boxes_of(request(only((0, 0), (1, 0), (2, 0), (3, 0), (0, 1))), [(1, 1)]).size_bytes == math.ceil(
        37 + 2 + 27.9
    )


def test_an_answer_of_points_has_six_bytes_a_point():
    assert points_of(request(), [(1, 1, 1), (3, 3, 1)]).size_bytes == POINTS_HEAD_BYTES + 12


# Which cells


def test_boxes_outside_the_cells_asked_for_are_not_sent():
    sent = boxes_of(request(only((0, 0))), [(3, 1), (1, 1), (1, 3), (-1, 1), (9, 1)]).detections
    assert sent.truth.tolist() == [1]


def test_a_box_of_which_only_a_part_lies_in_a_cell_asked_for_is_sent_by_its_body_alone():
    # A car of 4.5 m in cells of 2 m: from x = 2.75 to 7.25, so it reaches into the second and the fourth cell.
    for cell, is_reached in (((0, 0), False), ((1, 0), True), ((2, 0), True), ((3, 0), True), ((2, 1), False)):
        asked = request(only(cell))
        assert len(boxes_of(asked, [(5, 1)], by_body=True).detections) == is_reached
        assert len(boxes_of(asked, [(5, 1)]).detections) == (cell == (2, 0))


def test_the_place_of_a_turned_body_is_where_it_really_reaches():
    # At 45 degrees, the car's box along the axes reaches into the cell (0, 3), its body does not.
    car = replace(detections([(4, 4)]).boxes, yaw_rad=np.array([np.pi / 4]))
    assert in_asked_cells(car, request(only((0, 3))))[0].tolist() == car.center_m[0].tolist()
    assert in_asked_cells(car, request(only((1, 1), (0, 0))))[0, :2].tolist() == [3.0, 3.0]


@settings(deadline=None)
@given(st.floats(0, 8), st.floats(0, 8), st.floats(-4, 4), st.integers(0, 2**16 - 1))
def test_a_box_is_placed_where_its_body_and_a_cell_asked_for_overlap(x_m, y_m, yaw_rad, bits):
    cells = np.array([(bits >> n) & 1 for n in range(16)], bool).reshape(4, 4)
    car = replace(detections([(x_m, y_m)]).boxes, yaw_rad=np.array([yaw_rad]))
    (place_m,) = in_asked_cells(car, request(cells))
    body = affinity.translate(
        affinity.rotate(box(*(-car.size_m[0, :2] / 2), *(car.size_m[0, :2] / 2)), yaw_rad, (0, 0), use_radians=True),
        x_m, y_m,
    )  # fmt: skip
    reached = [
        cell for cell in np.argwhere(cells) if body.intersection(box(*(2.0 * cell), *(2.0 * cell + 2.0))).area > 1e-6
    ]
    if place_m[:2].tolist() != [x_m, y_m]:
        cell = np.floor(place_m[:2] / 2.0).astype(int)
        assert cells[tuple(cell)]
        assert body.distance(box(*(2.0 * cell), *(2.0 * cell + 2.0))) < 1e-9
    elif reached:
        assert cells[tuple(np.clip(np.floor([x_m / 2.0, y_m / 2.0]).astype(int), 0, 3))]


def test_codes_of_cells_that_were_not_asked_for_are_not_sent():
    code = boxes_of(request(only((2, 1))), []).code
    assert np.argwhere(code != UNOBSERVED).tolist() == [[2, 1]]


def test_codes_are_those_of_the_helper_on_the_grid_of_the_ego():
    own = np.full((4, 4), UNOBSERVED)
    own[1, 2] = OCCUPIED
    # The helper's cell (1, 2) is the world's (6, 5), and the ego's (3, 1).
    sent = boxes_of(request(lower=(3, 4)), [], code=own, lower=(5, 3)).code
    assert np.argwhere(sent == OCCUPIED).tolist() == [[3, 1]]


def test_cells_without_a_body_are_answered_by_their_code_alone():
    sent = boxes_of(request(), [])
    assert (sent.code == FREE).all()
    assert sent.size_bytes == BOXES_HEAD_BYTES


# Which come first


@pytest.mark.parametrize(("near", "first"), [(4.9, 0), (5.1, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_nearer_cell_comes_first_by_its_centre(near, first, axis):
    """Cells 1 and 3 of an axis have their centres at 3 m and 7 m; the ego stands between them, in the row of both."""
    lower, near_m = [10, 10], [21.0, 21.0]
    lower[axis], near_m[axis] = 0, near
    positions_m = np.full((2, 2), 21.0)
    positions_m[:, axis] = [2.1, 7.9]
    sent = boxes_of(request(lower=lower, near_m=near_m), positions_m, lower=lower)
    assert sent.detections.truth.tolist() == [first, 1 - first]


def test_distance_counts_along_both_axes():
    # From (1, 1): 4 m and 4 m make 5.7 m, more than 5 m would, less than 6 m.
    sent = boxes_of(request(near_m=(1.0, 1.0)), [(7, 1), (5, 5)])
    assert sent.detections.truth.tolist() == [1, 0]


def test_bodies_of_one_cell_stay_together_in_the_order_of_their_detection():
    # The ego stands in the middle between both cells.
    sent = boxes_of(request(near_m=(2.0, 1.0)), [(3, 1), (1, 1), (3.1, 1), (1.1, 1)])
    assert sent.detections.truth.tolist() == [1, 3, 0, 2]


# What fits


def allowance(bodies):
    """Return the bytes of an answer to 16 cells with n boxes, none to spare."""
    return math.ceil(BOXES_HEAD_BYTES + bodies * 27.9)


NEAR_ONE_FAR_TWO = [(5, 1), (1, 1), (5.2, 1)]


def test_an_answer_that_fits_exactly_is_sent_whole():
    sent = boxes_of(request(allowance_bytes=allowance(3)), NEAR_ONE_FAR_TWO)
    assert len(sent.detections) == 3
    assert (sent.code == FREE).all()


def test_a_cell_whose_content_does_not_fit_is_left_out_whole():
    sent = boxes_of(request(allowance_bytes=allowance(2)), NEAR_ONE_FAR_TWO)
    assert sent.detections.truth.tolist() == [1]
    assert np.argwhere(sent.code == UNOBSERVED).tolist() == [[2, 0]]


def test_an_answer_one_byte_too_large_leaves_a_cell_out():
    sent = boxes_of(request(allowance_bytes=allowance(3) - 1), NEAR_ONE_FAR_TWO)
    assert sent.detections.truth.tolist() == [1]


def test_a_first_cell_that_does_not_fit_leaves_nothing():
    sent = boxes_of(request(allowance_bytes=allowance(2)), [(1, 1), (1.1, 1), (1.2, 1)])
    assert len(sent.detections) == 0
    assert sent.code[0, 0] == UNOBSERVED


def test_an_allowance_below_the_header_leaves_the_codes_of_empty_cells():
    sent = boxes_of(request(allowance_bytes=10), [(1, 1)])
    assert len(sent.detections) == 0
    assert np.argwhere(sent.code == UNOBSERVED).tolist() == [[0, 0]]
    assert sent.size_bytes == BOXES_HEAD_BYTES


def test_cells_behind_one_that_does_not_fit_are_left_out_too():
    # Of 2, 2 and 1 bodies, three fit: the second cell does not, and the third comes behind it.
    sent = boxes_of(request(allowance_bytes=allowance(3)), [(1, 1), (1.1, 1), (3, 1), (3.1, 1), (5, 1)])
    assert sent.detections.truth.tolist() == [0, 1]
    assert np.argwhere(sent.code == UNOBSERVED).tolist() == [[1, 0], [2, 0]]


def test_the_cells_left_out_are_right_on_a_grid_that_is_longer_than_wide():
    asked = request(np.ones((2, 5), bool), near_m=(1, 1), allowance_bytes=math.ceil(37 + 3 + 27.9))
    sent = boxes_of(asked, [(1, 1), (3, 7)], code=np.full((2, 5), FREE))
    assert np.argwhere(sent.code == UNOBSERVED).tolist() == [[1, 3]]


def test_points_that_do_not_fit_leave_out_whole_cells_too():
    asked = request(allowance_bytes=POINTS_HEAD_BYTES + 12)
    sent = points_of(asked, [(3, 1, 1), (1, 1, 1), (3.5, 1, 1)])
    assert sent.point_row.tolist() == [1]
    assert sent.code[1, 0] == UNOBSERVED


# In which fragment


def test_a_box_is_in_the_fragment_in_which_it_begins():
    # It begins after 41 bytes and as many boxes of 27.9 bytes: at 41, 68.9, 96.8 and 124.7 bytes.
    assert boxes_of(request(), [(1, 1), (3, 1), (5, 1), (7, 1)], mtu_bytes=100).box_part.tolist() == [0, 0, 0, 1]


def test_a_cell_is_complete_with_the_last_fragment_of_its_content():
    sent = boxes_of(request(), [(1, 1), (1, 1.1), (3, 1), (3, 1.1), (7, 7)], mtu_bytes=100)
    assert sent.box_part.tolist() == [0, 0, 0, 1, 1]
    assert {cell: sent.code_part[cell] for cell in [(0, 0), (1, 0), (3, 3)]} == {(0, 0): 0, (1, 0): 1, (3, 3): 1}
    assert sent.code_part.sum() == 2


def test_a_point_is_in_the_fragment_in_which_it_begins():
    # 28 bytes and 6 for each point before it: the 13th begins at 100.
    sent = points_of(request(), [(0.5 * n + 0.1, 1, 1) for n in range(14)], mtu_bytes=100)
    assert sent.point_part.tolist() == [0] * 12 + [1] * 2


# Which points


def test_points_on_the_road_are_not_sent():
    assert points_of(request(), [(1, 1, 0.25), (3, 1, 0.3), (5, 1, 0.2)]).point_row.tolist() == [1]


def test_points_on_buildings_of_the_map_are_not_sent():
    house_m = (-10, -10, 0.8, 10)
    assert points_of(request(), [(1, 1, 1), (3, 1, 1)], house_m=house_m).point_row.tolist() == [1]


def test_a_station_finds_buildings_on_the_map_from_where_it_believes_to_be():
    # The first return comes from the wall at 0.8 m. A station that believes to be 2 m farther east takes it for a road user.
    house_m, cloud_m = (-10, -10, 0.8, 10), [(1, 1, 1), (3, 1, 1)]
    sent = points_of(request(), cloud_m, house_m=house_m, pose=(2, 0, 0, 0))
    assert sent.points_m[:, 0].tolist() == pytest.approx([3, 5], abs=0.01)
    assert points_of(request(), cloud_m, house_m=house_m, pose=(-2.2, 0, 0, 0)).point_row.tolist() == []


def test_points_outside_the_cells_asked_for_are_not_sent():
    assert points_of(request(only((1, 0))), [(1, 1, 1), (3, 1, 1)]).point_row.tolist() == [1]


def test_points_are_thinned_to_the_first_of_each_cube():
    cloud = [(1.0, 1, 1), (1.1, 1, 1), (1.6, 1, 1)]
    assert points_of(request(), cloud, voxel_m=0.5).point_row.tolist() == [0, 2]


def test_points_are_rounded_to_centimetres_in_the_frame_of_the_helper():
    assert points_of(request(), [(1.0049, 1.006, 1)]).points_m.tolist() == [pytest.approx([1.0, 1.01, 1.0])]


def test_points_are_sent_in_the_world_as_the_helper_believes_it():
    # The helper stands at (5, 1) and looks north: 2 m ahead of it is (5, 3).
    sent = points_of(request(), [(2, 0, 1)], pose=(5, 1, 0, np.pi / 2))
    assert sent.points_m[0].tolist() == pytest.approx([5, 3, 1])


def test_an_answer_of_points_has_no_boxes():
    sent = points_of(request(), [(1, 1, 1)])
    assert (len(sent.detections), len(sent.box_part)) == (0, 0)


def test_an_answer_of_boxes_has_no_points():
    sent = boxes_of(request(), [(1, 1)])
    assert (sent.points_m.shape, len(sent.point_row), len(sent.point_part)) == ((0, 3), 0, 0)


# Whole frames


FRAME = [(0.5 * n + 0.1, 1, 1) for n in range(8)]


def whole(asked, points_m, **about):
    return points_of(asked, points_m, shares=Share.FRAMES, **about)


def test_a_whole_frame_has_16_bytes_for_each_of_its_returns_whatever_was_asked_and_allowed():
    asked = request(only((0, 0)), allowance_bytes=30)
    assert whole(asked, FRAME).size_bytes == 24 + 16 * 8


def test_an_ego_takes_of_a_whole_frame_the_cells_that_it_asked_for():
    assert whole(request(only((1, 0))), FRAME).point_row.tolist() == [4, 5, 6, 7]


def test_a_whole_frame_is_not_thinned():
    assert len(whole(request(), [(1, 1, 1), (1.05, 1, 1)]).points_m) == 2


def test_a_return_of_a_whole_frame_is_in_the_fragment_of_its_row():
    # Row 4 begins at 24 + 64 = 88 bytes, row 5 at 104.
    assert whole(request(), FRAME, mtu_bytes=100).point_part.tolist() == [0] * 5 + [1] * 3


def test_a_cell_of_a_whole_frame_is_complete_with_its_last_return():
    sent = whole(request(), [(1, 1, 1), *[(-9, 1, 1)] * 5, (1.5, 1, 1)], mtu_bytes=100)
    assert sent.code_part[0, 0] == 1
    assert sent.code_part.sum() == 1


def test_a_whole_frame_answers_the_codes_of_the_cells_asked_for():
    assert np.argwhere(whole(request(only((1, 2))), FRAME).code == FREE).tolist() == [[1, 2]]


def test_a_whole_frame_has_no_boxes():
    sent = whole(request(), FRAME)
    assert (len(sent.detections), len(sent.box_part)) == (0, 0)
