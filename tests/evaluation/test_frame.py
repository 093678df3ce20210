"""The score of one ego frame against scenes small enough to check by hand."""

import numpy as np
import pytest
from small_scenes import EGO, RANGE_M, confirmed_tracks, detections, scene

from v2xsim.evaluation.detections import average_precision, counted, matched_bodies, seen
from v2xsim.evaluation.frame import score
from v2xsim.evaluation.known_users import FusedTracks, known, without_detection
from v2xsim.evaluation.scene import MODES
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import Detections

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


def test_road_users_up_to_the_range_are_scored_and_the_ego_is_not():
    assert scene(AGENTS, PLACES_M).near(RANGE_M).tolist() == [False, True, True, False]


def test_an_ego_at_the_roadside_is_scored_on_everybody_in_range():
    assert scene(AGENTS, PLACES_M, ego=99).near(RANGE_M).tolist() == [True, True, True, False]


def test_range_is_measured_from_where_the_ego_is_and_not_from_where_it_believes_it_is():
    assert scene(AGENTS, PLACES_M, error_m=(5.0, 0.0)).near(RANGE_M).tolist() == [False, True, True, False]


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


def test_an_ego_does_not_know_of_itself_and_knows_of_tracked_road_users_at_any_distance():
    tracks = confirmed_tracks([(0, 0), (50.1, 0)])
    assert known(tracks, scene(AGENTS, [(0, 0), (20, 0), (48, 0), (50.1, 0)])).tolist() == [False, False, False, True]


def test_a_track_of_the_ego_itself_stands_for_nobody_else():
    beside = scene([EGO, NEAR], [(0, 0), (1.5, 0)])
    assert not known(confirmed_tracks([(0.2, 0)]), beside).any()


def test_tracks_are_compared_with_bodies_where_the_ego_would_place_them():
    around = scene([EGO, NEAR], [(0, 0), (20, 0)], error_m=(0.0, 5.0))
    assert known(confirmed_tracks([(20, 5)]), around).tolist() == [False, True]
    assert not known(confirmed_tracks([(20, 0)]), around).any()


def test_a_track_of_a_single_detection_is_no_knowledge_yet():
    unconfirmed = step(Tracks.none(0), detections([(20, 0)], [NEAR]), 0)
    assert not known(unconfirmed, scene(AGENTS, PLACES_M)).any()


def test_an_announcement_is_left_out_where_a_detection_stands_for_the_station():
    announced = detections([(10, 0), (30, 0)], [7, 8])
    assert without_detection(announced, detections([(11, 0)], [-1])).truth.tolist() == [8]


def test_without_detections_all_announcements_stay():
    announced = detections([(10, 0), (30, 0)], [7, 8])
    assert without_detection(announced, Detections.none()).truth.tolist() == [7, 8]


def test_a_station_that_only_announced_itself_becomes_a_confirmed_track_after_fusion():
    tracks = FusedTracks()
    for time_us in (0, 100_000):
        after = tracks.step(EGO, detections([(10, 0)], [NEAR]), detections([(10.5, 0), (30, 0)], [NEAR, 8]), time_us)
    assert after.confirmed.tolist() == [True, True]
    assert sorted(after.mean[:, 0].round(6).tolist()) == [10.0, 30.0]


def test_each_ego_has_tracks_of_its_own():
    tracks = FusedTracks()
    tracks.step(EGO, detections([(10, 0)], [NEAR]), Detections.none(), 0)
    assert tracks.step(99, detections([(10, 0)], [NEAR]), Detections.none(), 100_000).confirmed.tolist() == [False]


def test_a_frame_is_scored_in_each_mode_by_its_own_detections_and_tracks():
    around = scene(AGENTS, PLACES_M, own_points=[0, 9, 0, 9])
    alone = detections([(20, 0)], [NEAR]), confirmed_tracks([(20, 0)])
    fused = detections([(20, 0), (50, 0), (50.1, 0)], [NEAR, EDGE, FAR]), Tracks.none(0)
    result = score(around, {"ego": alone, "fused": fused}, RANGE_M)
    assert {mode: part.seen.tolist() for mode, part in result.modes.items()} == {
        "ego": [False, True, False, False],
        "fused": [False, True, True, False],
    }
    assert {mode: part.detections.truth.tolist() for mode, part in result.modes.items()} == {
        "ego": [NEAR],
        "fused": [NEAR, EDGE],
    }
    assert result.modes["ego"].known.tolist() == [False, True, False, False]
    assert not result.modes["fused"].known.any()
    assert result.hidden.tolist() == [True, False, True, False]
    np.testing.assert_allclose(result.distance_m, [0, 20, 50, 50.1])


def test_a_smaller_range_scores_fewer_road_users():
    result = score(scene(AGENTS, PLACES_M), {"ego": (detections(PLACES_M, AGENTS), Tracks.none(0))}, 30.0)
    assert result.near.tolist() == [False, True, False, False]
    assert result.modes["ego"].matched.objects == 1
    assert result.modes["ego"].detections.truth.tolist() == [NEAR]


def test_average_precision_of_a_frame_is_of_the_detections_that_count_at_the_thresholds_asked_for():
    # A quarter of a length off the body in range: an overlap of 0.6.
    perceived = detections([(21, 0), (50.1, 0)], [NEAR, FAR]), Tracks.none(0)
    result = score(scene(AGENTS, PLACES_M), {"ego": perceived}, RANGE_M, (0.59, 0.61))
    assert result.modes["ego"].matched.hit.tolist() == [[True], [False]]


def test_conflicts_are_with_road_users_ahead_and_not_with_the_ego_itself():
    # At 10 m/s, in five seconds: 20 m ahead is met, 20 m behind is not, 60 m ahead is too far.
    around = scene([EGO, 2, 3, 4], [(0, 0), (20, 0), (-20, 0), (60, 0)])
    assert around.conflict.tolist() == [False, True, False, False]


def test_a_road_user_that_drives_at_the_same_velocity_is_in_no_conflict():
    around = scene([EGO, NEAR], [(0, 0), (20, 0)], velocity_mps=[(10, 0), (10, 0)])
    assert not around.conflict.any()


def test_an_empty_world_scores_nothing_and_raises_no_error():
    result = score(scene([], []), {mode: (Detections.none(), Tracks.none(0)) for mode in MODES}, RANGE_M)
    assert len(result.near) == 0
    assert result.modes["fused"].matched.objects == 0


def test_average_precision_is_over_all_frames_of_a_mode():
    around = scene([EGO, NEAR], [(0, 0), (20, 0)])
    hit = matched_bodies(detections([(20, 0)], [NEAR]), around, RANGE_M)
    missed = matched_bodies(Detections.none(), around, RANGE_M)
    found = average_precision({"ego": [hit, missed], "fused": [hit, hit]})
    assert found == {
        "ego": [(t, pytest.approx(0.5)) for t in (0.3, 0.5, 0.7)],
        "fused": [(t, 1.0) for t in (0.3, 0.5, 0.7)],
    }


def test_without_frames_there_is_no_average_precision():
    assert [np.isnan(ap) for _, ap in average_precision({"ego": []})["ego"]] == [True, True, True]
