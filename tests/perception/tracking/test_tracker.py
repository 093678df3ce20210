"""The tracker as others read it: boxes, velocities, and that it needs no true identity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.perception.tracking.scenes import GATE, at, born, driven, seen, straight
from v2xsim.perception.tracking.tracker import Tracks, predict, step, velocity_of


@given(st.integers(0, 10**12))
@settings(max_examples=40, deadline=None)
def test_only_differences_of_time_matter(start_us):
    early, late = driven(straight(9.0, 4)), driven(straight(9.0, 4), start_us)
    np.testing.assert_array_equal(early.mean, late.mean)


def test_true_identities_are_not_read():
    found = at([(0, 0), (20, 5)])
    lies = replace(found, truth=np.array([7, 7]))
    np.testing.assert_array_equal(step(Tracks.none(), found, 0).mean, step(Tracks.none(), lies, 0).mean)


def test_a_shared_box_carries_the_velocity_of_its_track():
    tracks = driven(straight(10.0, 15))
    found = at([(60.0, 0.0), (14.0, 0.0)])
    np.testing.assert_allclose(velocity_of(tracks, found), [[0, 0], [10, 0]], atol=0.1)


def test_a_box_seen_once_has_no_velocity_yet():
    tracks = driven([[(0, 0)]])
    assert velocity_of(tracks, at([(0, 0)])).tolist() == [[0.0, 0.0]]


def test_tracks_offer_boxes_of_the_size_seen():
    boxes = driven(straight(0.0, 3)).boxes
    np.testing.assert_allclose(boxes.size_m, [[4.5, 1.8, 1.5]])


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
