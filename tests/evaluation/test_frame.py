"""The score of one ego frame against scenes small enough to check by hand."""

import numpy as np
from small_scenes import EGO, RANGE_M, confirmed_tracks, detections, scene

from v2xsim.evaluation.frame import score
from v2xsim.evaluation.scene import MODES
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


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


def test_an_empty_world_scores_nothing_and_raises_no_error():
    result = score(scene([], []), {mode: (Detections.none(), Tracks.none(0)) for mode in MODES}, RANGE_M)
    assert len(result.near) == 0
    assert result.modes["fused"].matched.objects == 0
