"""The tracks of egos after fusion."""

from small_scenes import EGO, detections

from v2xsim.evaluation.known_users import FusedTracks, with_announced
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections

NEAR = 2


def test_an_announcement_is_left_out_where_a_detection_stands_for_the_station():
    announced = detections([(10, 0), (30, 0)], [7, 8])
    assert with_announced([detections([(11, 0)], [-1])], [announced])[0].truth.tolist() == [-1, 8]


def test_a_detection_two_metres_away_still_stands_for_the_station():
    announced = detections([(10, 0), (10, 30)], [7, 8])
    seen = detections([(12, 0), (10, 32.01)], [-1, -1])
    assert with_announced([seen], [announced])[0].truth.tolist() == [-1, -1, 8]


def test_without_detections_all_announcements_stay():
    announced = detections([(10, 0), (30, 0)], [7, 8])
    assert with_announced([Detections.none()], [announced])[0].truth.tolist() == [7, 8]


def test_a_station_that_only_announced_itself_becomes_a_confirmed_track_after_fusion():
    tracks = FusedTracks(tracker_at(100_000))
    for time_us in (0, 100_000):
        seen, told = detections([(10, 0)], [NEAR]), detections([(10.5, 0), (30, 0)], [NEAR, 8])
        (after,) = tracks.step([EGO], [seen], [told], time_us)
    assert after.confirmed.tolist() == [True, True]
    assert sorted(after.mean[:, 0].round(6).tolist()) == [10.0, 30.0]


def test_each_ego_has_tracks_of_its_own():
    tracks = FusedTracks(tracker_at(100_000))
    seen = detections([(10, 0)], [NEAR])
    tracks.step([EGO], [seen], [Detections.none()], 0)
    assert tracks.step([99], [seen], [Detections.none()], 100_000)[0].confirmed.tolist() == [False]


def test_the_tracks_of_an_ego_that_has_left_are_kept_until_they_would_all_be_dropped():
    tracker = tracker_at(100_000)
    tracks = FusedTracks(tracker)
    seen = detections([(10, 0)], [NEAR])
    tracks.step([EGO, 99], [seen, seen], [Detections.none()] * 2, 0)
    for time_us in (tracker.memory_us, tracker.memory_us + 1):
        tracks.step([EGO], [seen], [Detections.none()], time_us)
        assert (99 in tracks._latest) == (time_us == tracker.memory_us)


def test_another_tracker_keeps_its_tracks_of_egos_that_have_left():
    tracks = FusedTracks(lambda before, found, time_us: Tracks.none(time_us))
    for time_us in (0, 99_000_000):
        tracks.step([99 if time_us == 0 else EGO], [Detections.none()], [Detections.none()], time_us)
    assert 99 in tracks._latest
