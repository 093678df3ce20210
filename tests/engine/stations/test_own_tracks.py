"""Tracks from a station's own detections."""

import gc

import numpy as np

from tests.engine.small_world import detections, frame
from v2xsim.engine.stations.own_tracks import OwnTracks

STEP_US = 100_000


def seen(tick, *centers, agent=1):
    return frame(agent, tick * STEP_US, seen=detections(centers))


def test_detections_get_the_velocity_of_their_track():
    tracks = OwnTracks(STEP_US)
    for tick in range(20):
        last = seen(tick, (1.0 * tick, 0.0))
        tracks.follow([last])
    # One metre in a tenth of a second.
    np.testing.assert_allclose(tracks.with_velocities(last).velocity_mps, [[10.0, 0.0]], atol=0.5)


def test_positions_and_scores_stay_those_of_the_detections():
    tracks, mine = OwnTracks(STEP_US), seen(0, (3.0, 4.0))
    tracks.follow([mine])
    moving = tracks.with_velocities(mine)
    assert moving.boxes is mine.detections.boxes
    assert moving.score is mine.detections.score
    assert moving.truth is mine.detections.truth


def test_velocities_of_a_frame_are_computed_once():
    tracks, mine = OwnTracks(STEP_US), seen(0, (3.0, 4.0))
    tracks.follow([mine])
    assert tracks.with_velocities(mine) is tracks.with_velocities(mine)


def test_tracks_are_kept_as_long_as_their_frame():
    tracks, mine = OwnTracks(STEP_US), seen(0, (3.0, 4.0))
    tracks.follow([mine])
    tracks.with_velocities(mine)
    del mine
    gc.collect()
    assert (len(tracks._at), len(tracks._with_velocity)) == (0, 0)


def test_a_frame_that_nobody_followed_keeps_its_own_velocities():
    mine = seen(0, (3.0, 4.0))
    assert OwnTracks(STEP_US).with_velocities(mine) is mine.detections


def test_a_station_that_missed_a_frame_begins_new_tracks():
    tracks, missed = OwnTracks(STEP_US), OwnTracks(STEP_US)
    for tick in range(5):
        tracks.follow([seen(tick, (0.0, 0.0))])
        missed.follow([seen(tick, (0.0, 0.0))])
    next_one, after_a_gap = seen(5, (0.0, 0.0)), seen(6, (0.0, 0.0))
    tracks.follow([next_one])
    missed.follow([after_a_gap])
    assert tracks.of(next_one).track_id.tolist() == [0]
    # A new track has one hit and is not confirmed.
    assert tracks.of(next_one).confirmed.all()
    assert not missed.of(after_a_gap).confirmed.any()


def test_stations_keep_their_own_tracks():
    tracks = OwnTracks(STEP_US)
    for tick in range(3):
        tracks.follow([seen(tick, (0.0, 0.0), agent=1)])
    other = seen(3, (0.0, 0.0), agent=2)
    tracks.follow([other])
    assert not tracks.of(other).confirmed.any()
