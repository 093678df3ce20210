"""The tracks of several stations over time."""

import numpy as np

from v2xsim.perception.tracking.station_tracks import StationTracks, tracker_at
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, Detections

STEP_US = 100_000
CAR = Detections(
    Boxes(np.zeros((1, 3)), np.array([[4.0, 2.0, 1.5]]), np.zeros(1)),
    np.zeros((1, 2)),
    np.ones(1),
    np.zeros(1, np.int64),
)


def test_a_car_seen_in_two_frames_in_a_row_is_confirmed():
    tracks = StationTracks(STEP_US, tracker_at(STEP_US))
    tracks.follow([7], [CAR], 0)
    assert tracks.follow([7], [CAR], STEP_US)[0].confirmed.tolist() == [True]


def test_after_a_missing_frame_a_station_starts_with_new_tracks():
    tracks = StationTracks(STEP_US, tracker_at(STEP_US))
    tracks.follow([7], [CAR], 0)
    assert tracks.follow([7], [CAR], 2 * STEP_US)[0].confirmed.tolist() == [False]


def test_stations_have_tracks_of_their_own():
    tracks = StationTracks(STEP_US, tracker_at(STEP_US))
    tracks.follow([7], [CAR], 0)
    assert tracks.follow([8], [CAR], STEP_US)[0].confirmed.tolist() == [False]


def test_another_tracker_may_be_given():
    def forgetful(before, detections, time_us):
        return Tracks.none(time_us)

    assert len(StationTracks(STEP_US, forgetful).follow([7], [CAR], 0)[0]) == 0


def test_the_tracks_of_a_station_that_has_left_are_forgotten():
    tracks = StationTracks(STEP_US, tracker_at(STEP_US))
    tracks.follow([7, 8], [CAR, CAR], 0)
    tracks.follow([8], [CAR], STEP_US)
    assert [station in tracks._latest for station in (7, 8)] == [True, True]
    tracks.follow([8], [CAR], 2 * STEP_US)
    assert [station in tracks._latest for station in (7, 8)] == [False, True]
