"""The score of one ego frame against scenes small enough to check by hand."""

import numpy as np
from small_scenes import EGO, RANGE_M, confirmed_tracks, detections, scene

from v2xsim.evaluation.frame import score
from v2xsim.evaluation.scene import MODES
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import Detections

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


def test_a_frame_is_scored_in_each_mode_by_its_own_detections_and_tracks():
    around = scene(AGENTS, PLACES_M, own_points=[0, 9, 0, 9])
    alone = detections([(20, 0)], [NEAR]), confirmed_tracks([(20, 0)])
    fused = detections([(20, 0), (50, 0), (50.1, 0)], [NEAR, EDGE, FAR]), Tracks.none(0)
    (result,) = score([around], [{"ego": alone, "fused": fused}], RANGE_M)
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
    (result,) = score([scene(AGENTS, PLACES_M)], [{"ego": (detections(PLACES_M, AGENTS), Tracks.none(0))}], 30.0)
    assert result.near.tolist() == [False, True, False, False]
    assert result.modes["ego"].matched.objects == 1
    assert result.modes["ego"].detections.truth.tolist() == [NEAR]


def test_average_precision_of_a_frame_is_of_the_detections_that_count_at_the_thresholds_asked_for():
    # A quarter of a length off the body in range: an overlap of 0.6.
    perceived = detections([(21, 0), (50.1, 0)], [NEAR, FAR]), Tracks.none(0)
    (result,) = score([scene(AGENTS, PLACES_M)], [{"ego": perceived}], RANGE_M, (0.59, 0.61))
    assert result.modes["ego"].matched.hit.tolist() == [[True], [False]]


def test_an_empty_world_scores_nothing_and_raises_no_error():
    nothing = {mode: (Detections.none(), Tracks.none(0)) for mode in MODES}
    (result,) = score([scene([], [])], [nothing], RANGE_M)
    assert len(result.near) == 0
    assert result.modes["fused"].matched.objects == 0


# Knowledge


def known(tracks, around):
    """Return which road users an ego with these tracks knows of."""
    (result,) = score([around], [{"ego": (Detections.none(), tracks)}], RANGE_M)
    return result.modes["ego"].known


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


# Detections


def perceived_of(reported, around, thresholds=(0.3, 0.5, 0.7)):
    """Return the score of an ego with these detections."""
    (result,) = score([around], [{"ego": (reported, Tracks.none(0))}], RANGE_M, thresholds)
    return result.modes["ego"]


def test_detections_of_road_users_out_of_range_and_of_the_ego_do_not_count():
    reported = detections(PLACES_M, AGENTS)
    assert perceived_of(reported, scene(AGENTS, PLACES_M)).detections.truth.tolist() == [NEAR, EDGE]


def test_a_box_that_an_error_pushes_out_of_range_counts_with_its_road_user():
    reported = detections([(51.0, 0), (49.0, 0)], [EDGE, FAR])
    assert perceived_of(reported, scene(AGENTS, PLACES_M)).detections.truth.tolist() == [EDGE]


def test_false_detections_count_up_to_the_range_from_where_the_ego_believes_it_is():
    reported = detections([(0, -46), (0, 54), (0, 56)], [-1, -1, -1])
    around = scene(AGENTS, PLACES_M, error_m=(0.0, 5.0))
    assert perceived_of(reported, around).detections.boxes.center_m[:, 1].tolist() == [54.0]


def test_detections_hit_bodies_where_the_ego_would_place_them():
    around = scene(AGENTS, PLACES_M, error_m=(0.0, 5.0))
    assert perceived_of(detections([(20, 5)], [NEAR]), around).matched.hit.all()
    assert not perceived_of(detections([(20, 0)], [NEAR]), around).matched.hit.any()


def test_bodies_to_be_found_are_those_in_range():
    assert perceived_of(Detections.none(), scene(AGENTS, PLACES_M)).matched.objects == 2


def test_a_smaller_overlap_hits_at_lower_thresholds_only():
    # Moved along by a quarter of its length, a box shares 3 of 5 parts with the body.
    hits = perceived_of(detections([(21, 0)], [NEAR]), scene(AGENTS, PLACES_M), (0.59, 0.61)).matched
    assert hits.hit[:, 0].tolist() == [True, False]


def test_who_is_seen_is_in_range_and_has_a_detection():
    reported = detections(PLACES_M, [EGO, NEAR, -1, FAR])
    assert perceived_of(reported, scene(AGENTS, PLACES_M)).seen.tolist() == [False, True, False, False]


def test_false_detections_of_an_ego_away_from_the_origin_count_by_its_own_place():
    around = scene(AGENTS, PLACES_M, ego_m=(100.0, 30.0), error_m=(0.0, 5.0))
    reported = detections([(100, 84), (100, -14), (100, -16), (0, 0), (151, 35)], [-1] * 5)
    assert perceived_of(reported, around).detections.boxes.center_m[:, :2].tolist() == [[100.0, 84.0], [100.0, -14.0]]
