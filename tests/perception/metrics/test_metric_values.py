"""Average precision at ties and duplicates, and awareness at its limits, worked by hand."""

import numpy as np
import pytest

from v2xsim.perception.metrics.average_precision import (
    THRESHOLDS,
    Frame,
    ap,
    ap_opencood_local,
    curves,
    joined,
    matched,
    opencood_local,
)
from v2xsim.perception.metrics.awareness import Episodes, aware, awareness_ratio, conflicts, step
from v2xsim.records import Boxes, Detections

SECOND_US = 1_000_000


def cars(places) -> Boxes:
    """Return cars 4 m long and 2 m wide along a lane."""
    count = len(places)
    center = np.column_stack([np.array(places, float), np.zeros(count), np.zeros(count)])
    return Boxes(center, np.tile([4.0, 2.0, 1.5], (count, 1)), np.zeros(count))


def frame(found, objects) -> Frame:
    """Return a frame: detections by place and score, objects by place."""
    places, score = [place for place, _ in found], np.array([score for _, score in found], float)
    count = len(found)
    return Frame(Detections(cars(places), np.zeros((count, 2)), score, np.zeros(count, np.int64)), cars(objects))


def area(found, objects, threshold=0.3):
    (curve,) = ap([frame(found, objects)], [threshold])
    return curve.ap


def test_overlaps_of_3_5_and_7_tenths_are_asked_for():
    assert THRESHOLDS == (0.3, 0.5, 0.7)
    assert [curve.threshold for curve in ap([])] == [0.3, 0.5, 0.7]


@pytest.mark.parametrize(("shift_m", "threshold", "hit"), [(1.0, 0.6, True), (1.01, 0.6, False), (2.0, 1 / 3, True)])
def test_an_overlap_at_the_threshold_is_a_hit(shift_m, threshold, hit):
    # Shifted by s they overlap by (4 - s) / (4 + s): 0.6 at 1 m.
    assert area([(shift_m, 0.9)], [0.0], threshold) == float(hit)


def test_a_second_report_of_a_car_is_a_false_alarm():
    # Precision 1, 1/2, 2/3 at recalls 1/2, 1/2, 1.
    assert area([(0.0, 0.9), (0.1, 0.8), (10.0, 0.7)], [0.0, 10.0]) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


def test_a_second_report_with_the_higher_score_leaves_the_car_found_once():
    (curve,) = ap([frame([(0.0, 0.8), (0.5, 0.9)], [0.0])], [0.3])
    assert (curve.recall.tolist(), curve.precision.tolist(), curve.score.tolist()) == (
        [1.0, 1.0],
        [1.0, 0.5],
        [0.9, 0.8],
    )


def test_precision_is_interpolated_by_the_best_of_higher_recalls():
    # Miss, hit, hit, miss, hit: precision 0, 1/2, 2/3, 1/2, 3/5 at recalls 0, 1/3, 2/3, 2/3, 1.
    found = [(50.0, 0.9), (0.0, 0.8), (10.0, 0.7), (60.0, 0.6), (20.0, 0.5)]
    assert area(found, [0.0, 10.0, 20.0]) == pytest.approx((2 / 3 + 2 / 3 + 3 / 5) / 3)


def test_cars_never_found_pull_the_area_down():
    assert area([(0.0, 0.9)], [0.0, 20.0, 40.0, 60.0]) == 0.25


def test_a_hit_and_a_miss_of_equal_score_count_together():
    # One point at precision 1/2 and recall 1, whichever of them stands first.
    assert area([(0.0, 0.5), (50.0, 0.5)], [0.0]) == area([(50.0, 0.5), (0.0, 0.5)], [0.0]) == 0.5


def test_of_equal_scores_in_two_frames_neither_goes_first():
    one, other = frame([(0.0, 0.5)], [0.0]), frame([(50.0, 0.5)], [])
    assert ap([one, other])[0].ap == ap([other, one])[0].ap == 0.5


def test_a_curve_has_a_point_for_each_distinct_score():
    (curve,) = ap([frame([(0.0, 0.5), (50.0, 0.5), (10.0, 0.7)], [0.0, 10.0])], [0.3])
    assert curve.score.tolist() == [0.7, 0.5]
    assert curve.recall.tolist() == [0.5, 1.0]
    assert curve.precision.tolist() == [1.0, pytest.approx(2 / 3)]


def test_matches_list_detections_by_falling_score_with_a_row_for_each_threshold():
    found = matched(frame([(2.0, 0.3), (0.5, 0.6)], [0.0, 2.5]))
    assert found.score.tolist() == [0.6, 0.3]
    # 0.5 m apart: 3.5 / 4.5 = 0.78, for either of them.
    assert found.hit.tolist() == [[True, True]] * 3
    assert found.objects == 2


def test_one_detection_is_a_hit_at_low_thresholds_only():
    # 1 m apart: 0.6.
    assert matched(frame([(1.0, 0.9)], [0.0])).hit[:, 0].tolist() == [True, True, False]


def test_objects_and_detections_of_all_frames_are_counted_together():
    parts = [matched(frame([(0.0, 0.9)], [0.0, 20.0])), matched(frame([(50.0, 0.8)], [0.0]))]
    whole = joined(parts)
    assert (whole.objects, whole.score.tolist(), whole.hit[0].tolist()) == (3, [0.9, 0.8], [True, False])


def test_nothing_joined_has_a_row_for_each_threshold_and_no_object():
    none = joined([], [0.4, 0.6])
    assert (none.threshold.tolist(), none.hit.shape, none.objects) == ([0.4, 0.6], (2, 0), 0)


def test_recall_without_objects_is_no_number():
    (curve,) = ap([frame([(0.0, 0.9)], [])], [0.3])
    assert np.isnan(curve.recall).all()
    assert curve.precision.tolist() == [0.0]


def test_opencoods_convention_does_not_rank_across_frames():
    low, high = frame([(0.0, 0.1)], [0.0]), frame([(50.0, 0.9)], [])
    assert ap_opencood_local([low, high], [0.3]).tolist() == [1.0]
    assert curves(joined([matched(low, [0.3]), matched(high, [0.3])]))[0].ap == 0.5


def test_opencoods_convention_has_an_area_for_each_threshold():
    assert opencood_local(matched(frame([(1.0, 0.9)], [0.0]))).tolist() == [1.0, 1.0, 0.0]


# Awareness.


@pytest.mark.parametrize(("away_m", "known"), [(2.0, True), (2.0001, False)])
def test_a_track_stands_for_a_road_user_up_to_two_metres_away(away_m, known):
    for direction in ([away_m, 0.0], [0.0, -away_m]):
        assert aware(np.zeros((1, 2)), np.array([direction])).tolist() == [known]


def test_another_limit_is_a_parameter():
    assert aware(np.zeros((1, 2)), np.array([[3.0, 0.0]]), within_m=3.0).tolist() == [True]


def test_of_two_road_users_the_nearer_one_has_the_track():
    assert aware(np.array([[1.5, 0.0], [0.0, 0.5]]), np.zeros((1, 2))).tolist() == [False, True]


def test_road_users_far_from_all_tracks_keep_their_rows():
    objects = np.array([[500.0, 0.0], [10.0, 0.0], [-500.0, 3.0], [20.0, 1.0]])
    assert aware(objects, np.array([[20.0, 0.0], [10.5, 0.0]])).tolist() == [False, True, False, True]


def test_without_tracks_nobody_is_known():
    assert aware(np.zeros((2, 2)), np.zeros((0, 2))).tolist() == [False, False]


@pytest.mark.parametrize(("range_m", "ratio"), [(50.0, 0.5), (49.9, 1.0)])
def test_a_road_user_at_the_range_counts(range_m, ratio):
    # One known 10 m away and one unknown 50 m away, from an ego at (100, 100).
    objects = np.array([[110.0, 100.0], [130.0, 140.0]])
    assert awareness_ratio(np.array([True, False]), objects, np.array([100.0, 100.0]), range_m) == ratio


def conflict(offset, velocity, ego_velocity=(0.0, 0.0), **more):
    ego = np.array([7.0, -3.0])
    return bool(
        conflicts(ego, np.array(ego_velocity), ego + np.array([offset]), np.array([velocity], float), **more)[0]
    )


@pytest.mark.parametrize(("miss_m", "expected"), [(2.99, True), (3.0, False)])
def test_passing_closer_than_three_metres_is_a_conflict(miss_m, expected):
    assert conflict((20.0, miss_m), (-10.0, 0.0)) == expected
    assert conflict((miss_m, -20.0), (0.0, 10.0)) == expected


@pytest.mark.parametrize(("ahead_m", "expected"), [(52.9, True), (53.1, False)])
def test_who_comes_within_three_metres_after_more_than_five_seconds_is_not_in_conflict_yet(ahead_m, expected):
    assert conflict((ahead_m, 0.0), (-10.0, 0.0)) == expected


def test_only_motion_against_the_ego_counts():
    assert not conflict((20.0, 0.0), (10.0, 0.0), ego_velocity=(10.0, 0.0))
    assert conflict((20.0, 0.0), (0.0, 0.0), ego_velocity=(10.0, 0.0))


@pytest.mark.parametrize(("away_m", "expected"), [(2.9, True), (3.1, False)])
def test_who_stands_still_beside_an_ego_that_stands_is_in_conflict_only_within_the_miss_distance(away_m, expected):
    assert conflict((away_m, 0.0), (0.0, 0.0)) == expected


# Episodes of road user 7.


def told(going, time_us, conflicted=True, hidden=True, known=False, agent=7, **more):
    flags = [np.array([flag]) for flag in (conflicted, hidden, known)]
    return step(going, *flags, np.array([agent]), time_us, **more)


@pytest.mark.parametrize(("pause_us", "over"), [(SECOND_US, 0), (SECOND_US + 1, 1)])
def test_an_episode_ends_when_its_conflict_has_paused_for_more_than_a_second(pause_us, over):
    going, _ = told(Episodes.none(), 0)
    going, ended = told(going, pause_us, conflicted=False)
    assert (len(ended), len(going)) == (over, 1 - over)


def test_an_episode_remembers_the_last_instant_of_its_conflict():
    going, _ = told(Episodes.none(), 100)
    going, _ = told(going, 200, hidden=False)
    going, _ = told(going, 300, conflicted=False)
    assert (going.start_us.tolist(), going.conflict_us.tolist()) == ([100], [200])


def test_awareness_counts_from_the_first_instant_and_after_the_conflict_too():
    going, _ = told(Episodes.none(), 100)
    going, _ = told(going, 200, conflicted=False, known=True)
    going, _ = told(going, 300, known=True)
    assert going.aware_us.tolist() == [200]


def test_awareness_before_the_conflict_is_hidden_starts_no_episode():
    going, ended = told(Episodes.none(), 100, hidden=False, known=True)
    assert len(going) == len(ended) == 0


def test_a_second_road_user_joins_in_the_order_of_identities():
    going, _ = told(Episodes.none(), 100, agent=9)
    going, _ = told(going, 200, agent=4)
    assert (going.agent.tolist(), going.start_us.tolist()) == ([4, 9], [200, 100])


def test_a_conflict_after_the_end_of_an_episode_is_a_new_one():
    going, _ = told(Episodes.none(), 0)
    going, ended = told(going, 1_000_001, conflicted=False)
    going, _ = told(going, 1_500_000)
    assert (ended.start_us.tolist(), going.start_us.tolist()) == ([0], [1_500_000])


def test_another_pause_is_a_parameter():
    going, _ = told(Episodes.none(), 0)
    _, ended = told(going, 201, conflicted=False, gap_us=200)
    assert len(ended) == 1
