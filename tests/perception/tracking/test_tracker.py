"""The tracker: its filter's algebra, its gates in time and space, its numbers worked by hand, and that it needs no true identity."""

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


# -2 ln(1 - 0.99), the edge of the gate in squared standard deviations.
GATE = 9.210340372
OUT_OF_SIGHT_M = 500.0


def seen(*places, yaw=0.0, velocity=(0.0, 0.0), score=0.9, size=(4.5, 1.8, 1.5), bottom_m=0.0) -> Detections:
    """Return detections at places on the ground."""
    count = len(places)
    center = np.column_stack([np.array(places, float).reshape(-1, 2), np.full(count, bottom_m)])
    boxes = Boxes(center, np.tile(np.array(size, float), (count, 1)), np.full(count, float(yaw)))
    return Detections(boxes, np.tile(np.array(velocity, float), (count, 1)), np.full(count, score), np.full(count, -1))


def born(**more) -> Tracks:
    """Return the one track that a detection at the origin starts at time 0."""
    return step(Tracks.none(), seen((0.0, 0.0), **more), 0)


def after_frames(hits) -> Tracks:
    """Return the tracks after frames 0.1 s apart with (1) and without (0) a detection at the origin."""
    tracks = Tracks.none()
    for number, hit in enumerate(hits):
        tracks = step(tracks, seen(*[(0.0, 0.0)] * hit), number * FRAME_US)
    return tracks


# What a new track believes.


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


@pytest.mark.parametrize(("score", "tracks"), [(0.2, 1), (0.1999, 0)])
def test_a_score_of_a_fifth_starts_a_track_and_a_lower_one_does_not(score, tracks):
    assert len(step(Tracks.none(), seen((0.0, 0.0), score=score), 0)) == tracks


def test_a_new_track_has_one_hit_no_miss_and_the_time_of_its_detection():
    track = step(Tracks.none(700), seen((0.0, 0.0)), 900)
    assert (track.hits[0], track.misses[0], track.last_update_us[0], track.time_us) == (1, 0, 900, 900)


def test_tracks_are_numbered_as_they_are_born_and_no_number_is_used_again():
    tracks = step(Tracks.none(), seen((0.0, 0.0), (50.0, 0.0)), 0)
    tracks = step(tracks, seen((100.0, 0.0)), 2_000_000)
    assert (tracks.track_id.tolist(), tracks.next_id) == ([2], 3)


# How it moves on.


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


# What joins it.


@pytest.mark.parametrize(("away_m", "tracks"), [(np.sqrt(GATE * 0.32) - 1e-4, 1), (np.sqrt(GATE * 0.32) + 1e-4, 2)])
def test_the_gate_closes_where_99_in_100_detections_are_inside(away_m, tracks):
    # Track and detection are off by 0.4 m each, so their difference has a variance of 0.32 m^2 per axis.
    assert len(step(born(), seen((0.0, away_m)), 0)) == tracks


@pytest.mark.parametrize(("heading", "variance_m2"), [(0.0, 2.25), (np.pi / 2, 0.04)])
def test_the_gate_is_longer_along_the_heading(heading, variance_m2):
    # A tenth of a second after birth the unknown speed adds 0.01 * 225 along and 0.01 * 4 across; accelerations 4 * 0.001 / 3.
    edge_m = np.sqrt(GATE * (0.32 + variance_m2 + 0.004 / 3))
    track = born(yaw=heading)
    for off_m, tracks in ((-1e-4, 1), (1e-4, 2)):
        assert len(step(track, seen((edge_m + off_m, 0.0), yaw=heading), FRAME_US)) == tracks


def test_a_detection_equally_likely_everywhere_moves_the_track_half_way():
    # Both are off by 0.4 m, so the gain is a half.
    np.testing.assert_allclose(step(born(), seen((0.6, -0.4)), 0).mean[0, :2], [0.3, -0.2])


def test_two_equal_measurements_halve_the_variance():
    np.testing.assert_allclose(step(born(), seen((0.6, -0.4)), 0).covariance[0, :2, :2], 0.08 * np.eye(2))


def test_of_two_detections_in_the_gate_the_nearer_joins_and_the_other_starts_a_track():
    after = step(born(), seen((0.5, 0.0), (0.2, 0.0)), 0)
    np.testing.assert_allclose(after.mean[:, 0], [0.1, 0.5])
    assert after.hits.tolist() == [2, 1]


def test_one_detection_joins_only_one_of_two_tracks():
    tracks = step(Tracks.none(), seen((0.0, 0.0), (1.0, 0.0)), 0)
    after = step(tracks, seen((0.4, 0.0)), 0)
    assert (after.hits.tolist(), after.misses.tolist()) == ([2, 1], [0, 1])


def test_as_many_pairs_join_as_can():
    # The first track could take either detection, the second only the one that is nearest to both.
    tracks = step(Tracks.none(), seen((0.0, 0.0), (2.0, 0.0)), 0)
    after = step(tracks, seen((0.9, 0.0), (-1.5, 0.0)), 0)
    assert after.hits.tolist() == [2, 2]


def test_a_doubtful_detection_that_joins_none_is_forgotten():
    after = step(born(), seen((50.0, 0.0), score=0.19), 0)
    assert after.track_id.tolist() == [0]


# What is smoothed: six tenths of the old, four tenths of the new.


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


# What comes late.


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


# Confirmation and death.


@pytest.mark.parametrize(
    ("hits", "confirmed"),
    [([1], False), ([1, 1], True), ([1, 0, 1], True), ([1, 0, 0, 1], False), ([1, 0, 0, 1, 1], True)],
)
def test_two_of_the_last_three_steps_with_a_detection_confirm_a_track(hits, confirmed):
    assert after_frames(hits).confirmed.tolist() == [confirmed]


def test_a_confirmed_track_stays_confirmed_when_it_is_missed():
    assert after_frames([1, 1, 0, 0, 0, 0]).confirmed.tolist() == [True]


def test_hits_and_misses_are_counted():
    tracks = after_frames([1, 1, 0, 1, 0, 0])
    assert (tracks.hits.tolist(), tracks.misses.tolist()) == ([3], [2])


def test_the_latest_steps_are_kept_as_bits_the_latest_lowest():
    assert after_frames([1, 1, 0, 1]).recent.tolist() == [0b101]


@pytest.mark.parametrize(("silence_us", "tracks"), [(350_000, 1), (350_001, 0)])
def test_an_unconfirmed_track_dies_350_ms_after_its_last_detection(silence_us, tracks):
    assert len(step(born(), seen(), silence_us)) == tracks


@pytest.mark.parametrize(("silence_us", "tracks"), [(1_000_000, 1), (1_000_001, 0)])
def test_a_confirmed_track_dies_a_second_after_its_last_detection(silence_us, tracks):
    confirmed = after_frames([1, 1])
    assert len(step(confirmed, seen(), FRAME_US + silence_us)) == tracks


def test_a_track_that_has_died_takes_no_detection_of_that_step():
    after = step(born(), seen((0.0, 0.0)), 350_001)
    assert (after.track_id.tolist(), after.hits.tolist()) == ([1], [1])


def test_only_the_dead_among_several_tracks_go():
    tracks = step(after_frames([1, 1]), seen((50.0, 0.0)), FRAME_US)
    after = step(tracks, seen(), FRAME_US + 350_001)
    assert after.track_id.tolist() == [0]


@pytest.mark.parametrize(
    ("hits", "steps", "frames", "confirmed"), [(1, 1, [1], True), (3, 4, [1, 1, 0, 1], True), (3, 4, [1, 0, 1], False)]
)
def test_m_of_n_are_parameters(hits, steps, frames, confirmed):
    params, tracks = TrackerParams(confirm_hits=hits, confirm_steps=steps), Tracks.none()
    for number, hit in enumerate(frames):
        tracks = step(tracks, seen(*[(0.0, 0.0)] * hit), number * FRAME_US, params)
    assert tracks.confirmed.tolist() == [confirmed]


# What others read of it.


def test_the_box_of_a_track_stands_where_the_track_is():
    track = predict(born(yaw=0.2, velocity=(4.0, 2.0), bottom_m=0.7), 500_000)
    np.testing.assert_allclose(track.boxes.center_m[0], [2.0, 1.0, 0.7])
    np.testing.assert_allclose(track.boxes.size_m[0], [4.5, 1.8, 1.5])
    assert track.boxes.yaw_rad[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("away_m", "speed_mps"), [(np.sqrt(GATE * 0.32) - 1e-4, 7.0), (np.sqrt(GATE * 0.32) + 1e-4, 0.0)]
)
def test_a_detection_has_the_velocity_of_the_track_whose_gate_it_is_in(away_m, speed_mps):
    assert velocity_of(born(velocity=(7.0, 0.0)), seen((0.0, away_m))).tolist() == [[speed_mps, 0.0]]


def test_no_track_gives_no_velocity():
    assert velocity_of(Tracks.none(), seen((0.0, 0.0))).tolist() == [[0.0, 0.0]]


def test_no_detection_has_no_velocity():
    assert velocity_of(born(), seen()).shape == (0, 2)


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


def test_the_likelier_of_two_tracks_takes_a_detection_that_north_easterly_spreads_favour():
    # Two metres on along the diagonal is likely for a track that heads there, and unlikely for one that heads across it.
    tracks = step(Tracks.none(), seen((0.0, 0.0), yaw=np.pi / 4), 0)
    tracks = step(tracks, seen((2.8, 0.0), yaw=-np.pi / 4), 0)
    after = step(tracks, seen((1.4, 1.3), yaw=np.pi / 4), FRAME_US)
    assert after.hits.tolist() == [2, 1]


def test_a_track_takes_an_unlikely_detection_in_its_gate_rather_than_none():
    # Beside a sharp old track; the young one's detection lies 2.9 standard deviations ahead, and a third belongs to nobody.
    tracks = step(after_frames([1] * 10), seen((0.0, 0.0), (100.0, 0.0)), 1_000_000)
    ahead_m = np.sqrt(8.5 * (0.32 + 2.25 + 0.004 / 3))
    after = step(tracks, seen((0.0, 0.0), (100.0 + ahead_m, 0.0), (300.0, 0.0)), 1_000_000 + FRAME_US)
    assert after.hits.tolist() == [12, 2, 1]


def test_a_detection_on_the_edge_of_the_gate_is_inside():
    class ByHand(TrackerParams):
        gate = 2.0

    # Both are off by half a metre, so a metre apart is 1 / (0.25 + 0.25) squared standard deviations.
    params = ByHand(position_sigma_m=0.5)
    track = step(Tracks.none(), seen((0.0, 0.0)), 0, params)
    assert len(step(track, seen((0.0, 1.0)), 0, params)) == 1


@pytest.mark.parametrize(("off_m", "tracks"), [(-1e-4, 1), (1e-4, 2)])
def test_the_gate_of_a_track_that_heads_north_east_is_long_to_the_north_east(off_m, tracks):
    # The variance along the heading, as for a track that heads east.
    edge_m = np.sqrt(GATE * (0.32 + 2.25 + 0.004 / 3))
    place = (edge_m + off_m) * np.array([1.0, 1.0]) / np.sqrt(2.0)
    assert len(step(born(yaw=np.pi / 4), seen(place, yaw=np.pi / 4), FRAME_US)) == tracks


# ---- the time between two frames ----

STEPS_US = [10_000, 50_000, 100_000, 300_000, 400_000, 500_000, 1_000_000]


def driven_at(step_us, seen, speed_mps=10.0):
    """Return the tracks after frames `step_us` apart, in which a car that drives is detected or not."""
    params, tracks = TrackerParams.at_step(step_us), Tracks.none(0)
    for number, is_seen in enumerate(seen):
        position = [(speed_mps * number * step_us * 1e-6, 0.0)] if is_seen else []
        tracks = step(tracks, at(position), number * step_us, params)
    return tracks


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_second_detection_confirms_a_track_whatever_the_time_between_frames(step_us):
    assert driven_at(step_us, [True, True]).confirmed.tolist() == [True]
    assert driven_at(step_us, [True, False, True]).confirmed.tolist() == [True]


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_confirmed_track_survives_one_missed_frame_whatever_the_time_between_frames(step_us):
    tracks = driven_at(step_us, [True, True, True, False, True])
    assert tracks.track_id.tolist() == [0]
    assert tracks.hits.tolist() == [4]


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_false_alarm_is_dropped_within_five_frames_or_the_usual_time(step_us):
    frames = 5 + PARAMS.tentative_us // step_us
    assert len(driven_at(step_us, [True] + [False] * frames)) == 0


@pytest.mark.parametrize("step_us", [step_us for step_us in STEPS_US if step_us <= FRAME_US])
def test_up_to_the_usual_step_the_parameters_are_the_usual_ones(step_us):
    assert TrackerParams.at_step(step_us) == PARAMS
