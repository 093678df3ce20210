"""Which road users an ego knows of by its tracks, and the tracks that it has after fusion."""

from small_scenes import EGO, confirmed_tracks, detections, scene

from v2xsim.evaluation.known_users import FusedTracks, known, without_detection
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import Detections

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


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


def test_a_detection_two_metres_away_still_stands_for_the_station():
    announced = detections([(10, 0), (10, 30)], [7, 8])
    assert without_detection(announced, detections([(12, 0), (10, 32.01)], [-1, -1])).truth.tolist() == [8]


def test_without_detections_all_announcements_stay():
    announced = detections([(10, 0), (30, 0)], [7, 8])
    assert without_detection(announced, Detections.none()).truth.tolist() == [7, 8]


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
