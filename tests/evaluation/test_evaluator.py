"""The evaluation of ego frames one tick after the other."""

from dataclasses import replace
from functools import partial

import numpy as np
from small_scenes import EGO, RANGE_M, detections, scene

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step
from v2xsim.records import DetectionGroups, Detections

NEAR, EDGE = 2, 3
STEP_US = 100_000
USUAL = tracker_at(STEP_US)


def ego_frame(time_us=0, own=(), fused=(), announced=(), announces=None, **about):
    """Return a frame with two cars, and what the ego detects of them or learns from announcements."""
    places_m = {NEAR: (20.0, 0.0), EDGE: (50.0, 0.0)}

    def seen(agents):
        return detections([places_m[agent] for agent in agents], list(agents)) if agents else Detections.none()

    around = scene([EGO, NEAR, EDGE], [(0, 0), *places_m.values()], time_us=time_us, **about)
    return EgoFrames.of(
        [around],
        [seen(own)],
        [seen(fused)],
        [seen(announced)],
        [Tracks.none(time_us)],
        [np.zeros(3, np.int64)],
        announces,
    )


def test_average_precision_is_over_all_frames():
    evaluator = Evaluator(RANGE_M, USUAL, (0.5,))
    evaluator.add(ego_frame(fused=(NEAR, EDGE)))
    evaluator.add(ego_frame(STEP_US, fused=(NEAR,)))
    # Three of four road users, without a false positive.
    assert evaluator.average_precision() == {
        "ego": [(0.5, 0.0)], "ego_unannounced": [(0.5, 0.0)], "fused": [(0.5, 0.75)], "fused_unannounced": [(0.5, 0.75)],
    }  # fmt: skip


def test_road_users_that_announce_themselves_are_left_out_with_their_detections():
    """Of the two, only NEAR has no radio. It is detected in one of two frames; EDGE is in both, and counts for nothing."""
    evaluator = Evaluator(RANGE_M, USUAL, (0.5,))
    announces = np.array([True, False, True])
    scores = [
        evaluator.add(ego_frame(fused=(NEAR, EDGE), announces=announces)),
        evaluator.add(ego_frame(STEP_US, fused=(EDGE,), announces=announces)),
    ]
    found = evaluator.average_precision()
    assert (found["fused"], found["fused_unannounced"]) == ([(0.5, 0.75)], [(0.5, 0.5)])
    assert [score.flat.unannounced.tolist() for score in scores] == [[1], [1]]


def test_a_false_positive_counts_without_those_that_announce_themselves_too():
    """A box without a road user has the highest score, so each precision is one half."""
    evaluator = Evaluator(RANGE_M, USUAL, (0.5,))
    frames = ego_frame(announces=np.array([True, False, True]))
    boxes = detections([(20.0, 0.0), (30.0, 30.0)], [NEAR, -1])
    wrong = Detections(boxes.boxes, boxes.velocity_mps, np.array([0.5, 0.9]), boxes.truth)
    evaluator.add(replace(frames, found=DetectionGroups.of([wrong, wrong])))
    assert evaluator.average_precision()["ego_unannounced"] == [(0.5, 0.5)]


def test_without_frames_the_average_precision_at_each_threshold_is_no_number():
    found = Evaluator(RANGE_M, USUAL, (0.25, 0.5)).average_precision()
    assert [threshold for threshold, _ in found["fused"]] == [0.25, 0.5]
    assert np.isnan([ap for _, ap in found["fused"]]).all()


def test_a_road_user_out_of_range_is_not_expected():
    evaluator = Evaluator(30.0, USUAL, (0.5,))
    assert evaluator.add(ego_frame(fused=(NEAR,)))[0].near.tolist() == [False, True, False]
    assert evaluator.average_precision()["fused"] == [(0.5, 1.0)]


def test_what_is_detected_or_announced_twice_is_known_after_fusion():
    evaluator = Evaluator(RANGE_M, USUAL)
    for time_us in (0, STEP_US):
        (score,) = evaluator.add(ego_frame(time_us, fused=(NEAR,), announced=(EDGE,)))
    assert score.modes["fused"].known.tolist() == [False, True, True]
    assert score.modes["fused"].tracks.confirmed.tolist() == [True, True]
    assert not score.modes["ego"].known.any()


def test_another_tracker_may_confirm_later():
    patient = partial(step, params=TrackerParams(confirm_hits=3, confirm_steps=3))
    evaluator = Evaluator(RANGE_M, patient)
    known = [evaluator.add(ego_frame(n * STEP_US, fused=(NEAR,)))[0].modes["fused"].known[1] for n in range(3)]
    assert known == [False, False, True]


def test_a_hidden_conflict_is_an_episode():
    evaluator = Evaluator(RANGE_M, USUAL)
    for time_us in (0, STEP_US, 2 * STEP_US):
        evaluator.add(ego_frame(time_us, fused=(NEAR,), own_points=[0, 0, 9]))
    (episode,) = evaluator.episodes()
    assert (episode.agent, episode.start_us, episode.aware_us) == (NEAR, 0, {"ego": -1, "fused": STEP_US})
