"""Boxes that come late: carried forward, believed less, and dropped when they are too old."""

import numpy as np
import pytest

from tests.perception.tracking.scenes import FRAME_US, at, born, driven, seen, straight
from v2xsim.perception.tracking.tracker import Tracks, predict, step


def test_a_late_box_is_carried_forward_at_its_velocity():
    tracks = step(Tracks.none(), at([(0, 0)], velocity=(10.0, 0.0)), 300_000, captured_us=np.array([100_000]))
    np.testing.assert_allclose(tracks.mean[0], [2.0, 0.0, 10.0, 0.0])


def test_a_late_box_is_believed_less_than_a_fresh_one():
    tracks = driven(straight(10.0, 5))
    now = tracks.time_us + FRAME_US
    fresh = step(tracks, at([(5.5, 0)], velocity=(10.0, 0.0)), now)
    late = step(tracks, at([(3.5, 0)], velocity=(10.0, 0.0)), now, captured_us=np.array([now - 200_000]))
    moved_by = [after.mean[0, 0] - predict(tracks, FRAME_US).mean[0, 0] for after in (fresh, late)]
    assert 0 < moved_by[1] < moved_by[0]


def test_data_from_before_the_tracks_does_not_turn_time_back():
    tracks = driven(straight(10.0, 10))
    after = step(tracks, at([(8.0, 0.0)], velocity=(10.0, 0.0)), tracks.time_us - FRAME_US)
    assert (after.time_us, len(after)) == (tracks.time_us, 1)


def test_data_older_than_a_track_may_coast_is_dropped():
    tracks = driven(straight(0.0, 5))
    old = step(tracks, at([(50.0, 0.0)]), tracks.time_us, captured_us=np.array([tracks.time_us - 1_000_001]))
    assert len(old) == 1


def test_the_place_of_a_late_box_is_uncertain_by_its_age_times_the_error_of_its_velocity():
    # 0.3 s at 2 m/s: 0.36 m^2 on top of 0.16.
    track = step(Tracks.none(), seen((0.0, 0.0), velocity=(10.0, 0.0)), 300_000, captured_us=np.array([0]))
    np.testing.assert_allclose(track.covariance[0, :2, :2], 0.52 * np.eye(2))


def test_the_place_of_a_late_box_of_unknown_velocity_is_uncertain_along_its_heading():
    track = step(Tracks.none(), seen((0.0, 0.0)), 200_000, captured_us=np.array([0]))
    np.testing.assert_allclose(track.covariance[0, :2, :2], [[0.16 + 0.04 * 225, 0.0], [0.0, 0.16 + 0.04 * 4]])


def test_a_box_from_the_future_counts_as_fresh():
    track = step(Tracks.none(), seen((0.0, 0.0), velocity=(10.0, 0.0)), 0, captured_us=np.array([200_000]))
    np.testing.assert_allclose(track.mean[0, :2], [0.0, 0.0])
    np.testing.assert_allclose(track.covariance[0, :2, :2], 0.16 * np.eye(2))


def test_a_late_box_does_not_turn_the_time_of_the_last_detection_back():
    tracks = step(born(), seen((0.0, 0.0)), 500_000 - FRAME_US - 100_000)
    tracks = step(tracks, seen((0.0, 0.0)), 500_000)
    after = step(tracks, seen((0.0, 0.0)), 500_000, captured_us=np.array([400_000]))
    assert after.hits.tolist() == [4]
    assert after.last_update_us.tolist() == [500_000]


def test_a_fresh_box_moves_the_time_of_the_last_detection_on():
    after = step(born(), seen((0.0, 0.0)), FRAME_US, captured_us=np.array([90_000]))
    assert after.last_update_us.tolist() == [90_000]


@pytest.mark.parametrize(("age_us", "tracks"), [(1_000_000, 1), (1_000_001, 0)])
def test_a_box_a_second_old_is_used_and_an_older_one_is_not(age_us, tracks):
    after = step(Tracks.none(5_000_000), seen((0.0, 0.0)), 5_000_000, captured_us=np.array([5_000_000 - age_us]))
    assert len(after) == tracks


def test_only_the_old_ones_of_several_boxes_are_dropped():
    captured = np.array([2_000_000, 900_000, 1_500_000])
    after = step(Tracks.none(), seen((0.0, 0.0), (50.0, 0.0), (99.0, 0.0)), 2_000_000, captured_us=captured)
    np.testing.assert_allclose(after.mean[:, 0], [0.0, 99.0])
    assert after.last_update_us.tolist() == [2_000_000, 1_500_000]
