"""The tracker: its filter's algebra, its gates in time and space, and that it needs no true identity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, predict, step, velocity_of
from v2xsim.records import Boxes, Detections

FRAME_US = 100_000
PARAMS = TrackerParams()


def at(positions, yaw=0.0, velocity=None, score=0.9) -> Detections:
    position = np.array(positions, float).reshape(-1, 2)
    n = len(position)
    boxes = Boxes(
        np.column_stack([position, np.zeros(n)]),
        np.tile([4.5, 1.8, 1.5], (n, 1)),
        np.broadcast_to(yaw, n).astype(float),
    )
    speed = np.zeros((n, 2)) if velocity is None else np.broadcast_to(velocity, (n, 2)).astype(float)
    return Detections(boxes, speed, np.full(n, score), np.full(n, -1, np.int64))


def driven(frames, first_us=0, params=PARAMS) -> Tracks:
    """Return the tracks after frames of positions, one every 0.1 s."""
    tracks = Tracks.none(first_us)
    for number, positions in enumerate(frames):
        tracks = step(tracks, at(positions), first_us + number * FRAME_US, params)
    return tracks


def straight(speed_mps: float, frames: int, start=(0.0, 0.0)) -> list:
    return [[(start[0] + speed_mps * k * 0.1, start[1])] for k in range(frames)]


def test_the_gate_is_the_chi_square_quantile():
    assert PARAMS.gate == pytest.approx(chi2.ppf(0.99, 2))


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


def test_one_detection_confirms_nothing_and_two_of_three_do():
    assert not driven([[(0, 0)]]).confirmed.any()
    assert driven([[(0, 0)], [], [(0, 0)]]).confirmed.tolist() == [True]


def test_detections_too_far_apart_in_time_confirm_nothing():
    tracks = driven([[(0, 0)], [], [], [(0, 0)]])
    assert not tracks.confirmed.any()


def test_a_confirmed_track_outlives_missed_frames_and_keeps_moving():
    tracks = driven(straight(10.0, 10) + [[]] * 5)
    assert tracks.mean[0, 0] == pytest.approx(14.0, abs=0.1)


def test_a_track_is_forgotten_when_nothing_was_seen_for_long_enough():
    tracks = driven(straight(10.0, 10))
    assert len(step(tracks, at([]), tracks.time_us + PARAMS.coast_us)) == 1
    assert len(step(tracks, at([]), tracks.time_us + PARAMS.coast_us + 1)) == 0


def test_a_detection_after_a_long_silence_starts_a_new_track():
    tracks = driven(straight(0.0, 5))
    assert step(tracks, at([(0, 0)]), tracks.time_us + 5_000_000).track_id.tolist() == [1]


def test_a_false_positive_starts_a_track_that_dies_unconfirmed():
    tracks = driven([[(0, 0)], [], [], [], []])
    assert len(tracks) == 0


def test_a_doubtful_detection_starts_no_track_but_feeds_one():
    assert len(step(Tracks.none(), at([(0, 0)], score=0.1), 0)) == 0
    tracks = driven(straight(0.0, 2))
    assert step(tracks, at([(0, 0)], score=0.1), 200_000).hits.tolist() == [3]


def test_two_cars_that_pass_each_other_in_neighbouring_lanes_keep_their_tracks():
    frames = [[(-15 + 1.5 * k, 0.0), (15 - 1.5 * k, 3.5)] for k in range(21)]
    tracks = driven(frames)
    assert tracks.track_id.tolist() == [0, 1]
    np.testing.assert_allclose(tracks.velocity_mps, [[15, 0], [-15, 0]], atol=0.1)


def test_a_new_wide_track_does_not_take_the_detection_of_an_old_sharp_one():
    # At 0.9 m the old track is more standard deviations away than the new one, and yet the likelier origin.
    old = driven(straight(0.0, 20))
    both = step(old, at([(0, 0), (3.0, 0)]), old.time_us + FRAME_US)
    after = step(both, at([(0.9, 0)]), both.time_us + FRAME_US)
    assert after.misses.tolist() == [0, 1]


def test_of_two_pedestrians_side_by_side_each_gets_the_nearer_detection():
    tracks = driven([[(0, 0.0), (0, 1.0)]] * 5)
    after = step(tracks, at([(0, 1.1), (0, -0.1)]), tracks.time_us + FRAME_US)
    np.testing.assert_allclose(after.mean[:, 1], [0.0, 1.0], atol=0.1)


def test_a_detection_outside_the_gate_starts_another_track():
    tracks = driven(straight(0.0, 10))
    assert len(step(tracks, at([(5.0, 0.0)]), tracks.time_us + FRAME_US)) == 2


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=8, unique=True), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_detections_changes_no_track_but_its_number(cells, random):
    positions = [(12.0 * x, 12.0 * y) for x, y in cells]
    shuffled = positions.copy()
    random.shuffle(shuffled)
    same, mixed = driven([positions, positions, positions]), driven([positions, shuffled, shuffled])
    np.testing.assert_allclose(same.mean, mixed.mean)


@given(st.integers(0, 10**12))
@settings(max_examples=40, deadline=None)
def test_only_differences_of_time_matter(start_us):
    early, late = driven(straight(9.0, 4)), driven(straight(9.0, 4), start_us)
    np.testing.assert_array_equal(early.mean, late.mean)


def test_true_identities_are_not_read():
    found = at([(0, 0), (20, 5)])
    lies = replace(found, truth=np.array([7, 7]))
    np.testing.assert_array_equal(step(Tracks.none(), found, 0).mean, step(Tracks.none(), lies, 0).mean)


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


def test_a_shared_box_carries_the_velocity_of_its_track():
    tracks = driven(straight(10.0, 15))
    found = at([(60.0, 0.0), (14.0, 0.0)])
    np.testing.assert_allclose(velocity_of(tracks, found), [[0, 0], [10, 0]], atol=0.1)


def test_a_box_seen_once_has_no_velocity_yet():
    tracks = driven([[(0, 0)]])
    assert velocity_of(tracks, at([(0, 0)])).tolist() == [[0.0, 0.0]]


def test_a_heading_turns_the_short_way_past_half_a_turn():
    tracks = step(Tracks.none(), at([(0, 0)], yaw=3.1), 0)
    after = step(tracks, at([(0, 0)], yaw=-3.1), FRAME_US)
    assert abs(after.yaw_rad[0]) > 3.1


def test_tracks_offer_boxes_of_the_size_seen():
    boxes = driven(straight(0.0, 3)).boxes
    np.testing.assert_allclose(boxes.size_m, [[4.5, 1.8, 1.5]])
