"""The compiled step of the tracker gives the bits of the same step in plain numpy, for any stations, frames and late data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.perception.tracking.plain_tracker import COLUMNS
from tests.perception.tracking.plain_tracker import step as plain_step
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step, step_all
from v2xsim.records import Boxes, Detections

STEP_US = 100_000
PARAMS = TrackerParams()
SEEDS = st.integers(0, 2**32 - 1)


def around(rng, targets_m, spread_m):
    """Return detections of targets in random order, with some missing and some false ones."""
    there = rng.permutation(len(targets_m))[: rng.integers(0, len(targets_m) + 1)]
    false_m = rng.uniform(-20, 20, (rng.integers(0, 3), 2))
    position = np.concatenate([targets_m[there] + rng.normal(0, spread_m, (len(there), 2)), false_m])
    # Positions on a grid and equal headings give ties between assignments, and zeros in the covariance.
    if rng.random() < 0.3:
        position = np.round(position * 2) / 2
    n = len(position)
    yaw = rng.choice([0.0, np.pi / 2, -3.0], n) if rng.random() < 0.3 else rng.uniform(-np.pi, np.pi, n)
    velocity = np.where(rng.random((n, 1)) < 0.3, rng.normal(0, 10, (n, 2)), 0.0)
    boxes = Boxes(np.column_stack([position, rng.normal(0, 0.1, n)]), rng.uniform(1, 5, (n, 3)), yaw)
    return Detections(boxes, velocity, rng.random(n), np.full(n, -1, np.int64))


def bits(tracks):
    return [(name, getattr(tracks, name).dtype, getattr(tracks, name).tobytes()) for name in COLUMNS]


def state(tracks):
    return tracks.time_us, tracks.next_id, bits(tracks)


def a_few_frames(rng, stations, targets):
    targets_m = [rng.uniform(-15, 15, (rng.integers(1, targets + 1), 2)) for _ in range(stations)]
    speed_mps = [rng.normal(0, 8, place.shape) for place in targets_m]
    time_us = 0
    for number in range(rng.integers(2, 7)):
        time_us += STEP_US * int(rng.choice([1, 1, 1, 2, 6, -1]))
        yield (
            time_us,
            [around(rng, place + speed * number * 0.1, 0.3) for place, speed in zip(targets_m, speed_mps, strict=True)],
        )


@settings(max_examples=60)
@given(seed=SEEDS, stations=st.integers(1, 4), is_late=st.booleans())
def test_the_compiled_step_gives_the_bits_of_plain_numpy(seed, stations, is_late):
    rng = np.random.default_rng(seed)
    compiled = plain = [Tracks.none(0)] * stations
    for time_us, frames in a_few_frames(rng, stations, 6):
        captured = [time_us - rng.integers(0, 1_300_000, len(one)) for one in frames] if is_late else None
        compiled = step_all(compiled, frames, time_us, PARAMS, captured)
        plain = [
            plain_step(before, found, time_us, PARAMS, None if captured is None else captured[s])
            for s, (before, found) in enumerate(zip(plain, frames, strict=True))
        ]
        assert [state(tracks) for tracks in compiled] == [state(tracks) for tracks in plain]


@settings(max_examples=30)
@given(seed=SEEDS, stations=st.integers(1, 6))
def test_stations_computed_together_do_not_change_each_other(seed, stations):
    rng = np.random.default_rng(seed)
    together = alone = [Tracks.none(0)] * stations
    for time_us, frames in a_few_frames(rng, stations, 8):
        together = step_all(together, frames, time_us)
        alone = [step(before, found, time_us) for before, found in zip(alone, frames, strict=True)]
        assert [state(tracks) for tracks in together] == [state(tracks) for tracks in alone]


def test_many_tracks_give_the_bits_of_plain_numpy():
    rng = np.random.default_rng(3)
    places_m = rng.uniform(-300, 300, (150, 2))
    compiled = plain = Tracks.none(0)
    for number in range(3):
        found = around(rng, places_m, 0.3)
        compiled = step(compiled, found, number * STEP_US)
        plain = plain_step(plain, found, number * STEP_US, PARAMS)
    assert len(plain) > 100
    assert state(compiled) == state(plain)


def test_no_station_has_no_tracks():
    assert len(step_all([], [], 0)) == 0


@pytest.mark.parametrize("others", [0, 3])
def test_a_station_without_tracks_and_detections_stays_without(others):
    rng = np.random.default_rng(1)
    frames = [Detections.none(), *(around(rng, rng.uniform(-9, 9, (4, 2)), 0.3) for _ in range(others))]
    assert len(step_all([Tracks.none(0)] * len(frames), frames, STEP_US)[0]) == 0
