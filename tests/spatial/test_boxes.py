"""Overlap from above against shapely, and suppression."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.records import Boxes, Detections
from v2xsim.spatial.boxes import bev_iou, content_order, corners_m, suppressed

coordinate = st.floats(-6, 6)
side = st.floats(0.3, 15)
turn = st.floats(-7, 7)
box = st.tuples(coordinate, coordinate, side, side, turn)


def boxes_of(rows: list) -> Boxes:
    rows = np.array(rows, float).reshape(-1, 5)
    center_m = np.column_stack([rows[:, :2], np.zeros(len(rows))])
    return Boxes(center_m, np.column_stack([rows[:, 2:4], np.full(len(rows), 1.5)]), rows[:, 4])


def detections_of(boxes: Boxes, score: np.ndarray) -> Detections:
    return Detections(boxes, np.zeros((len(boxes), 2)), np.asarray(score, float), np.arange(len(boxes)))


def shapely_iou(a: Boxes, b: Boxes) -> np.ndarray:
    first, second = (shapely.polygons(corners_m(boxes)) for boxes in (a, b))
    shared = shapely.area(shapely.intersection(first[:, None], second[None, :]))
    return shared / (shapely.area(first)[:, None] + shapely.area(second)[None, :] - shared)


def test_the_overlap_of_a_thousand_random_pairs_is_what_shapely_says():
    rng = np.random.default_rng(5)
    rows = np.column_stack([rng.uniform(-5, 5, (64, 2)), rng.uniform(0.5, 12, (64, 2)), rng.uniform(-4, 4, 64)])
    a, b = boxes_of(rows[:32]), boxes_of(rows[32:])
    np.testing.assert_allclose(bev_iou(a, b), shapely_iou(a, b), atol=1e-12)


@given(box, box)
@settings(max_examples=150, deadline=None)
def test_the_overlap_of_any_two_boxes_is_what_shapely_says(first, second):
    a, b = boxes_of([first]), boxes_of([second])
    np.testing.assert_allclose(bev_iou(a, b), shapely_iou(a, b), atol=1e-9)


@given(box, box)
@settings(max_examples=100, deadline=None)
def test_overlap_is_mutual(first, second):
    a, b = boxes_of([first]), boxes_of([second])
    assert bev_iou(a, b)[0, 0] == pytest.approx(bev_iou(b, a)[0, 0], abs=1e-12)


@given(box, st.integers(0, 3), st.floats(-1e4, 1e4))
@settings(max_examples=100, deadline=None)
def test_a_box_overlaps_itself_fully_wherever_it_is_and_when_it_is_reversed(row, half_turns, shift):
    a = boxes_of([(row[0] + shift, row[1] - shift, *row[2:])])
    b = boxes_of([(row[0] + shift, row[1] - shift, row[2], row[3], row[4] + half_turns * np.pi)])
    assert bev_iou(a, b)[0, 0] == pytest.approx(1.0, abs=1e-9)


def test_boxes_that_only_share_a_side_do_not_overlap():
    a, b = boxes_of([(0, 0, 4, 2, 0)]), boxes_of([(4, 0, 4, 2, 0)])
    assert bev_iou(a, b)[0, 0] == 0.0


def test_a_square_turned_by_45_degrees_shares_an_octagon_with_itself():
    octagon = 2 * (np.sqrt(2) - 1)
    a, b = boxes_of([(0, 0, 1, 1, 0)]), boxes_of([(0, 0, 1, 1, np.pi / 4)])
    assert bev_iou(a, b)[0, 0] == pytest.approx(octagon / (2 - octagon))


def test_a_box_without_area_overlaps_nothing():
    assert bev_iou(boxes_of([(0, 0, 0, 0, 0)]), boxes_of([(0, 0, 0, 0, 0), (0, 0, 4, 2, 0)])).tolist() == [[0, 0]]


def test_no_boxes_make_an_empty_table():
    assert bev_iou(Boxes.none(), boxes_of([(0, 0, 4, 2, 0)])).shape == (0, 1)


def test_corners_start_at_the_front_left_and_go_counter_clockwise():
    corners = corners_m(boxes_of([(10, 0, 4, 2, np.pi / 2)]))[0]
    np.testing.assert_allclose(corners, [[9, 2], [9, -2], [11, -2], [11, 2]], atol=1e-12)


def test_of_two_reports_of_one_car_the_better_stays():
    boxes = boxes_of([(0, 0, 4, 2, 0), (0.3, 0, 4, 2, 0.1), (10, 0, 4, 2, 0)])
    assert suppressed(detections_of(boxes, [0.5, 0.9, 0.4])).tolist() == [1, 2]


def test_a_box_suppressed_by_a_better_one_suppresses_nothing_itself():
    boxes = boxes_of([(0, 0, 4, 2, 0), (2, 0, 4, 2, 0), (4, 0, 4, 2, 0)])
    assert suppressed(detections_of(boxes, [0.9, 0.8, 0.7])).tolist() == [0, 2]


@given(st.lists(st.tuples(box, st.sampled_from([0.2, 0.5, 0.9])), max_size=12), st.randoms())
@settings(max_examples=80, deadline=None)
def test_what_survives_suppression_does_not_depend_on_the_order_of_the_rows(rows, random):
    shuffled = rows.copy()
    random.shuffle(shuffled)
    kept = []
    for given_rows in (rows, shuffled):
        found = detections_of(boxes_of([r for r, _ in given_rows]), [s for _, s in given_rows])
        kept.append([given_rows[i] for i in suppressed(found)])
    assert kept[0] == kept[1]


@given(st.lists(st.tuples(box, st.floats(0, 1)), max_size=12))
@settings(max_examples=80, deadline=None)
def test_survivors_hardly_overlap_and_everything_else_overlaps_a_better_survivor(rows):
    found = detections_of(boxes_of([r for r, _ in rows]), [s for _, s in rows])
    kept = suppressed(found)
    overlap = bev_iou(found.boxes, found.boxes) > 0.15
    among = overlap[np.ix_(kept, kept)]
    lost = np.setdiff1d(np.arange(len(rows)), kept)
    better = found.score[kept][None, :] >= found.score[lost][:, None]
    assert not (among & ~np.eye(len(kept), dtype=bool)).any()
    assert (overlap.T[np.ix_(lost, kept)] & better).any(axis=1).all()


@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_boxes_are_ordered_by_score_then_position_heading_and_size(count, seed, is_scored):
    # Few different values, so that each number decides some comparisons.
    rng = np.random.default_rng(seed)
    boxes = Boxes(*(rng.integers(-1, 2, shape).astype(float) for shape in ((count, 3), (count, 3), count)))
    score = rng.integers(0, 3, count) * 0.25 if is_scored else None
    keys = (*boxes.size_m.T[::-1], boxes.yaw_rad, *boxes.center_m.T[::-1])
    expected = np.lexsort(keys if score is None else (*keys, -score)) if count else np.zeros(0)
    assert content_order(boxes, score).tolist() == expected.tolist()
