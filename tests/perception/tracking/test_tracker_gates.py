"""Which detection joins which track: the gate, and the choice where several are inside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from tests.perception.tracking.scenes import FRAME_US, GATE, PARAMS, after_frames, at, born, driven, seen, straight
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step


def test_the_gate_is_the_chi_square_quantile():
    assert PARAMS.gate == pytest.approx(chi2.ppf(0.99, 2))


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
