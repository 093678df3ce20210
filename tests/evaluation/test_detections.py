"""Which detections count, which hit a body, and who is seen."""

from small_scenes import EGO, RANGE_M, detections, scene

from v2xsim.evaluation.detections import counted, matched_bodies, seen
from v2xsim.records import Detections

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


def test_detections_of_road_users_out_of_range_and_of_the_ego_do_not_count():
    reported = detections(PLACES_M, AGENTS)
    assert counted(reported, scene(AGENTS, PLACES_M), RANGE_M).truth.tolist() == [NEAR, EDGE]


def test_a_box_that_an_error_pushes_out_of_range_counts_with_its_road_user():
    reported = detections([(51.0, 0), (49.0, 0)], [EDGE, FAR])
    assert counted(reported, scene(AGENTS, PLACES_M), RANGE_M).truth.tolist() == [EDGE]


def test_false_detections_count_up_to_the_range_from_where_the_ego_believes_it_is():
    reported = detections([(0, -46), (0, 54), (0, 56)], [-1, -1, -1])
    around = scene(AGENTS, PLACES_M, error_m=(0.0, 5.0))
    assert counted(reported, around, RANGE_M).boxes.center_m[:, 1].tolist() == [54.0]


def test_detections_hit_bodies_where_the_ego_would_place_them():
    around = scene(AGENTS, PLACES_M, error_m=(0.0, 5.0))
    assert matched_bodies(detections([(20, 5)], [NEAR]), around, RANGE_M).hit.all()
    assert not matched_bodies(detections([(20, 0)], [NEAR]), around, RANGE_M).hit.any()


def test_bodies_to_be_found_are_those_in_range():
    assert matched_bodies(Detections.none(), scene(AGENTS, PLACES_M), RANGE_M).objects == 2


def test_a_smaller_overlap_hits_at_lower_thresholds_only():
    # Moved along by a quarter of its length, a box shares 3 of 5 parts with the body.
    hits = matched_bodies(detections([(21, 0)], [NEAR]), scene(AGENTS, PLACES_M), RANGE_M, (0.59, 0.61))
    assert hits.hit[:, 0].tolist() == [True, False]


def test_who_is_seen_is_in_range_and_has_a_detection():
    reported = detections(PLACES_M, [EGO, NEAR, -1, FAR])
    assert seen(reported, scene(AGENTS, PLACES_M), RANGE_M).tolist() == [False, True, False, False]


def test_false_detections_of_an_ego_away_from_the_origin_count_by_its_own_place():
    around = scene(AGENTS, PLACES_M, ego_m=(100.0, 30.0), error_m=(0.0, 5.0))
    reported = detections([(100, 84), (100, -14), (100, -16), (0, 0), (151, 35)], [-1] * 5)
    assert counted(reported, around, RANGE_M).boxes.center_m[:, :2].tolist() == [[100.0, 84.0], [100.0, -14.0]]
