"""The filter of a track: its algebra, what it believes at birth, how it moves on, what it smooths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.perception.tracking.scenes import FRAME_US, OUT_OF_SIGHT_M, PARAMS, at, born, driven, seen, straight
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, predict, step


@given(st.integers(0, 2_000_000), st.integers(0, 2_000_000))
@settings(max_examples=60, deadline=None)
def test_predicting_in_two_steps_is_predicting_once(first_us, second_us):
    tracks = driven(straight(12.0, 4))
    once, twice = predict(tracks, first_us + second_us), predict(predict(tracks, first_us), second_us)
    np.testing.assert_allclose(twice.mean, once.mean, rtol=1e-9)
    np.testing.assert_allclose(twice.covariance, once.covariance, rtol=1e-9, atol=1e-9)


def test_predicting_backwards_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        predict(Tracks.none(), -1)


def test_the_update_is_that_of_the_kalman_filter_written_out():
    before = driven(straight(10.0, 3))
    predicted, z = predict(before, FRAME_US), np.array([3.1, 0.2])
    h, p = np.eye(2, 4), predicted.covariance[0]
    gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + PARAMS.position_sigma_m**2 * np.eye(2))
    after = step(before, at([z]), before.time_us + FRAME_US)
    np.testing.assert_allclose(after.mean[0], predicted.mean[0] + gain @ (z - h @ predicted.mean[0]))
    np.testing.assert_allclose(after.covariance[0], (np.eye(4) - gain @ h) @ p, atol=1e-12)


@pytest.mark.parametrize("speed_mps", [0.0, 1.4, 14.0, 36.0])
def test_a_road_user_at_steady_speed_is_one_track_with_that_speed(speed_mps):
    tracks = driven(straight(speed_mps, 15))
    assert len(tracks) == 1
    np.testing.assert_allclose(tracks.velocity_mps[0], [speed_mps, 0.0], atol=0.02 * speed_mps + 1e-9)


def test_covariances_stay_symmetric_and_positive_over_a_long_ride():
    rng = np.random.default_rng(8)
    tracks = driven([[(k * 1.0 + rng.normal(0, 0.3), rng.normal(0, 0.3))] for k in range(300)])
    assert len(tracks) == 1
    np.testing.assert_array_equal(tracks.covariance[0], tracks.covariance[0].T)
    assert np.linalg.eigvalsh(tracks.covariance[0]).min() > 0


def test_errors_are_as_large_as_the_filter_says_when_the_world_is_as_it_assumes():
    # Normalised estimation error squared of 400 independent tracks: chi-square with 4 degrees of freedom, mean 4 and
    # standard error sqrt(8 / 400); five of those. Tracks stand 100 m apart, so none takes another's detections.
    rng = np.random.default_rng(9)
    n, steps = 400, 20
    q = PARAMS.acceleration_density_m2_s3
    transition = np.linalg.cholesky(q * np.array([[0.1**3 / 3, 0.1**2 / 2], [0.1**2 / 2, 0.1]]))
    lane = np.arange(n) * 100.0
    velocity = np.column_stack([rng.normal(0, PARAMS.along_sigma_mps, n), rng.normal(0, PARAMS.across_sigma_mps, n)])
    position = np.column_stack([np.zeros(n), lane])
    tracks = Tracks.none()
    wide = replace(PARAMS, gate_probability=1 - 1e-12)
    for k in range(steps):
        tracks = step(tracks, at(position + rng.normal(0, PARAMS.position_sigma_m, (n, 2))), k * FRAME_US, wide)
        error = tracks.mean - np.hstack([position, velocity])
        kick = rng.normal(size=(n, 2, 2)) @ transition.T
        position = position + 0.1 * velocity + kick[..., 0]
        velocity = velocity + kick[..., 1]
    nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(tracks.covariance), error)
    assert nees.mean() == pytest.approx(4.0, abs=5 * np.sqrt(8 / n))


def test_a_heading_turns_the_short_way_past_half_a_turn():
    tracks = step(Tracks.none(), at([(0, 0)], yaw=3.1), 0)
    after = step(tracks, at([(0, 0)], yaw=-3.1), FRAME_US)
    assert abs(after.yaw_rad[0]) > 3.1


def test_a_new_track_knows_its_place_to_40_cm():
    np.testing.assert_allclose(born().covariance[0, :2, :2], 0.16 * np.eye(2))


def test_the_unknown_speed_of_a_new_track_lies_along_its_heading():
    np.testing.assert_allclose(born(yaw=0.0).covariance[0, 2:, 2:], [[225.0, 0.0], [0.0, 4.0]])


def test_a_heading_north_turns_the_prior_speed_north():
    np.testing.assert_allclose(born(yaw=np.pi / 2).covariance[0, 2:, 2:], [[4.0, 0.0], [0.0, 225.0]], atol=1e-9)


def test_a_heading_north_east_couples_both_speeds():
    half = (225.0 - 4.0) / 2.0
    np.testing.assert_allclose(born(yaw=np.pi / 4).covariance[0, 2:, 2:], [[4.0 + half, half], [half, 4.0 + half]])


def test_a_velocity_that_came_with_a_detection_is_known_to_2_mps():
    np.testing.assert_allclose(born(velocity=(0.0, 7.0)).covariance[0, 2:, 2:], 4.0 * np.eye(2))


def test_a_new_track_starts_with_the_velocity_that_came_with_its_detection():
    np.testing.assert_allclose(born(velocity=(3.0, 7.0)).mean[0], [0.0, 0.0, 3.0, 7.0])


def test_a_new_track_has_one_hit_no_miss_and_the_time_of_its_detection():
    track = step(Tracks.none(700), seen((0.0, 0.0)), 900)
    assert (track.hits[0], track.misses[0], track.last_update_us[0], track.time_us) == (1, 0, 900, 900)


def test_a_second_ahead_the_velocity_has_wandered_by_2_mps_and_the_place_with_it():
    track = replace(born(), covariance=np.zeros((1, 4, 4)))
    ahead = predict(track, 1_000_000).covariance[0]
    np.testing.assert_allclose(ahead[0, [0, 2]], [4.0 / 3.0, 2.0])
    np.testing.assert_allclose(ahead[2, [0, 2]], [2.0, 4.0])
    assert ahead[0, 1] == ahead[0, 3] == ahead[2, 3] == 0.0


def test_two_seconds_ahead_a_place_wanders_eight_times_as_much_as_one():
    track = replace(born(), covariance=np.zeros((1, 4, 4)))
    ahead = predict(track, 2_000_000).covariance[0]
    np.testing.assert_allclose([ahead[1, 1], ahead[1, 3], ahead[3, 3]], [32.0 / 3.0, 8.0, 8.0])


def test_a_track_drives_on_with_its_velocity():
    ahead = predict(born(velocity=(3.0, -7.0)), 500_000)
    np.testing.assert_allclose(ahead.mean[0], [1.5, -3.5, 3.0, -7.0])
    assert ahead.time_us == 500_000


def test_a_detection_equally_likely_everywhere_moves_the_track_half_way():
    # Both are off by 0.4 m, so the gain is a half.
    np.testing.assert_allclose(step(born(), seen((0.6, -0.4)), 0).mean[0, :2], [0.3, -0.2])


def test_two_equal_measurements_halve_the_variance():
    np.testing.assert_allclose(step(born(), seen((0.6, -0.4)), 0).covariance[0, :2, :2], 0.08 * np.eye(2))


def test_size_moves_four_tenths_of_the_way_to_the_newest():
    after = step(born(size=(4.0, 2.0, 1.0)), seen((0.0, 0.0), size=(5.0, 1.5, 2.0)), 0)
    np.testing.assert_allclose(after.size_m[0], [4.4, 1.8, 1.4])


def test_height_of_the_bottom_moves_four_tenths_of_the_way_to_the_newest():
    assert step(born(bottom_m=1.0), seen((0.0, 0.0), bottom_m=2.0), 0).bottom_m[0] == pytest.approx(1.4)


def test_score_moves_four_tenths_of_the_way_to_the_newest():
    assert step(born(score=0.5), seen((0.0, 0.0), score=1.0), 0).score[0] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("old", "new", "smoothed"), [(0.0, 0.5, 0.2), (0.5, 0.0, 0.3), (3.0, -3.0, 3.0 + 0.4 * (2 * np.pi - 6))]
)
def test_heading_turns_four_tenths_of_the_short_way_to_the_newest(old, new, smoothed):
    assert step(born(yaw=old), seen((0.0, 0.0), yaw=new), 0).yaw_rad[0] == pytest.approx(smoothed)


def test_a_track_that_nothing_joined_keeps_size_heading_and_score():
    old = born(yaw=0.3, score=0.6)
    after = step(old, seen((OUT_OF_SIGHT_M, 0.0), size=(9.0, 9.0, 9.0), yaw=2.0), 0)
    np.testing.assert_array_equal(after.size_m[0], old.size_m[0])
    assert (after.yaw_rad[0], after.score[0]) == (old.yaw_rad[0], old.score[0])


def test_every_deviation_is_a_parameter_and_counts_squared():
    params = TrackerParams(position_sigma_m=0.5, along_sigma_mps=10.0, across_sigma_mps=3.0, known_sigma_mps=5.0)
    unknown = step(Tracks.none(), seen((0.0, 0.0)), 0, params).covariance[0]
    known = step(Tracks.none(), seen((0.0, 0.0), velocity=(1.0, 0.0)), 0, params).covariance[0]
    np.testing.assert_allclose(np.diag(unknown), [0.25, 0.25, 100.0, 9.0])
    np.testing.assert_allclose(np.diag(known), [0.25, 0.25, 25.0, 25.0])


def test_the_update_of_a_track_that_drives_north_east_is_the_kalman_filters():
    before = born(yaw=np.pi / 4)
    predicted, place = predict(before, FRAME_US), np.array([0.9, 0.4])
    h, p = np.eye(2, 4), predicted.covariance[0]
    gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + 0.16 * np.eye(2))
    after = step(before, seen(place, yaw=np.pi / 4), FRAME_US)
    np.testing.assert_allclose(after.mean[0], gain @ place)
    np.testing.assert_allclose(after.covariance[0], (np.eye(4) - gain @ h) @ p, atol=1e-12)
