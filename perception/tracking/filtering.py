"""One step of the tracker for many stations at once, as a compiled function that holds no lock.

`v2xsim.perception.tracking.tracker` explains the method. Tracks and detections of all stations lie one after the other in
flat arrays; those of one station are a range of rows.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.perception.tracking.params import Limits
from v2xsim.spatial.assignment import assigned_columns
from v2xsim.spatial.products import fused_multiply_add

SMOOTHING = 0.4  # Weight of the newest detection in size, bottom height, heading and score; our choice.


class States(NamedTuple):
    """Tracks of all stations; the columns are those of `Tracks`."""

    track_id: Int64[np.ndarray, " tracks"]
    mean: Float[np.ndarray, "tracks 4"]
    covariance: Float[np.ndarray, "tracks 4 4"]
    bottom_m: Float[np.ndarray, " tracks"]
    size_m: Float[np.ndarray, "tracks 3"]
    yaw_rad: Float[np.ndarray, " tracks"]
    score: Float[np.ndarray, " tracks"]
    hits: Int64[np.ndarray, " tracks"]
    misses: Int64[np.ndarray, " tracks"]
    recent: Int64[np.ndarray, " tracks"]
    confirmed: Bool[np.ndarray, " tracks"]
    last_update_us: Int64[np.ndarray, " tracks"]


class Sightings(NamedTuple):
    """Detections of all stations, with the capture time of each."""

    center_m: Float[np.ndarray, "detections 3"]
    size_m: Float[np.ndarray, "detections 3"]
    yaw_rad: Float[np.ndarray, " detections"]
    velocity_mps: Float[np.ndarray, "detections 2"]
    score: Float[np.ndarray, " detections"]
    captured_us: Int64[np.ndarray, " detections"]


class Stations(NamedTuple):
    """What differs from station to station.

    Attributes:
        track_begin: Row of the first track of each station.
        track_end: Row behind the last track of each station.
        sighting_begin: Row of the first detection of each station.
        sighting_end: Row behind the last detection of each station.
        next_id: Number of the next new track of each station.
        now_us: Instant of the new state of each station.
        dt_s: Time from the tracks before to that instant.
        growth: What the motion adds to the covariance of a track until then.
    """

    track_begin: Int64[np.ndarray, " stations"]
    track_end: Int64[np.ndarray, " stations"]
    sighting_begin: Int64[np.ndarray, " stations"]
    sighting_end: Int64[np.ndarray, " stations"]
    next_id: Int64[np.ndarray, " stations"]
    now_us: Int64[np.ndarray, " stations"]
    dt_s: Float[np.ndarray, " stations"]
    growth: Float[np.ndarray, "stations 4 4"]


class _Room(NamedTuple):
    """Room for the matrices of one update."""

    spread: Float[np.ndarray, "2 2"]
    inverse: Float[np.ndarray, "2 2"]
    gain: Float[np.ndarray, "4 2"]
    weighted: Float[np.ndarray, "4 2"]
    removed: Float[np.ndarray, "4 4"]


class _Placed(NamedTuple):
    """The detections of one station that are not too old, extrapolated to the present instant.

    Attributes:
        row: Row of each among the detections of all stations.
        position_m: Its position.
        noise_m2: Covariance of the error of this position.
        prior_m2_s2: Covariance of the velocity of a track that it starts.
    """

    row: Int64[np.ndarray, " detections"]
    position_m: Float[np.ndarray, "detections 2"]
    noise_m2: Float[np.ndarray, "detections 2 2"]
    prior_m2_s2: Float[np.ndarray, "detections 2 2"]


@njit(cache=True, nogil=True, error_model="numpy")
def stepped(
    states: States, sightings: Sightings, stations: Stations, limits: Limits
) -> tuple[States, Int64[np.ndarray, " stations_plus_1"], Int64[np.ndarray, " stations"]]:
    """Return the tracks of all stations after one step, the first row of each station, and the number of its next new track."""
    most = len(states.track_id) + len(sightings.score)
    new = _empty_states(most)
    room = _Room(np.empty((2, 2)), np.empty((2, 2)), np.empty((4, 2)), np.empty((4, 2)), np.empty((4, 4)))
    first, next_id = np.zeros(len(stations.now_us) + 1, np.int64), stations.next_id.copy()
    for s in range(len(stations.now_us)):
        now_us = stations.now_us[s]
        begin = first[s]
        end = _predict(states, stations, s, new, begin, limits)
        placed = _placed(sightings, stations.sighting_begin[s], stations.sighting_end[s], now_us, limits)
        sighting_of = assigned(
            new.mean[begin:end], new.covariance[begin:end], placed.position_m, placed.noise_m2, limits.gate
        )
        is_free = np.ones(len(placed.row), np.bool_)
        for k in range(end - begin):
            d = sighting_of[k]
            if d >= 0:
                is_free[d] = False
                _update(new, begin + k, sightings, placed, d, room)
            _count(new, begin + k, d >= 0)
        for d in range(len(placed.row)):
            # Detections with a low score may continue a track but not start one, so that false positives rarely become
            # tracks.
            if is_free[d] and sightings.score[placed.row[d]] >= limits.least_score:
                _start(new, end, next_id[s], sightings, placed, d)
                next_id[s] += 1
                end += 1
        _confirm(new, begin, end, limits)
        first[s + 1] = end
    return _first_rows(new, first[-1]), first, next_id


@njit(cache=True, nogil=True)
def _empty_states(rows):  # type: ignore[no-untyped-def]
    """Return columns with room for a number of tracks."""
    return States(
        np.empty(rows, np.int64), np.empty((rows, 4)), np.empty((rows, 4, 4)), np.empty(rows), np.empty((rows, 3)),
        np.empty(rows), np.empty(rows), np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64),
        np.empty(rows, np.bool_), np.empty(rows, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _first_rows(new, rows):  # type: ignore[no-untyped-def]
    """Return the first rows of all columns."""
    return States(
        new.track_id[:rows], new.mean[:rows], new.covariance[:rows], new.bottom_m[:rows], new.size_m[:rows],
        new.yaw_rad[:rows], new.score[:rows], new.hits[:rows], new.misses[:rows], new.recent[:rows],
        new.confirmed[:rows], new.last_update_us[:rows],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def extrapolated(
    mean: Float[np.ndarray, "tracks 4"],
    covariance: Float[np.ndarray, "tracks 4 4"],
    dt_s: float,
    growth: Float[np.ndarray, "4 4"],
) -> tuple[Float[np.ndarray, "tracks 4"], Float[np.ndarray, "tracks 4 4"]]:
    """Return the means and covariances of the tracks of one station that moved at constant velocity."""
    means, covariances = np.empty((len(mean), 4)), np.empty((len(mean), 4, 4))
    for row in range(len(mean)):
        _move(mean[row], dt_s, len(mean) == 1, means[row])
        _grow(covariance[row], dt_s, growth, covariances[row])
    return means, covariances


@njit(cache=True, nogil=True)
def _move(mean, dt_s, is_alone, after):  # type: ignore[no-untyped-def]
    """Write the mean of a track that moved at constant velocity into `after`.

    Args:
        mean: The mean before.
        dt_s: Duration of the motion.
        is_alone: Whether the station has no other track. Then each term is rounded by itself, as numpy does in the product
            of a single row and a matrix.
        after: Where the result goes.
    """
    # Adding 0.0 turns -0.0 into 0.0, as a matrix product does.
    for i in range(2):
        if is_alone:
            after[i] = mean[i] + mean[i + 2] * dt_s + 0.0
        else:
            after[i] = fused_multiply_add(mean[i + 2], dt_s, mean[i] + 0.0)
        after[i + 2] = mean[i + 2] + 0.0


@njit(cache=True, nogil=True)
def _grow(covariance, dt_s, growth, after):  # type: ignore[no-untyped-def]
    """Write the covariance of a track that moved at constant velocity into `after`: F P F' + Q."""
    for j in range(4):
        for i in range(2):
            after[i, j] = fused_multiply_add(dt_s, covariance[i + 2, j], covariance[i, j] + 0.0)
            after[i + 2, j] = covariance[i + 2, j] + 0.0
    for i in range(4):
        for j in range(2):
            after[i, j] = fused_multiply_add(after[i, j + 2], dt_s, after[i, j])
        for j in range(4):
            after[i, j] += growth[i, j]


@njit(cache=True, nogil=True)
def _predict(states, stations, s, new, begin, limits):  # type: ignore[no-untyped-def]
    """Extrapolate the tracks of a station to the present instant, without those whose last detection is too old.

    Returns:
        The row behind the last track that was written; the first one is at `begin`.
    """
    first, last = stations.track_begin[s], stations.track_end[s]
    end = begin
    for row in range(first, last):
        # An unconfirmed track is often a false positive, so it is dropped sooner.
        patience_us = limits.coast_us if states.confirmed[row] else limits.tentative_us
        if stations.now_us[s] - states.last_update_us[row] > patience_us:
            continue
        new.track_id[end] = states.track_id[row]
        _move(states.mean[row], stations.dt_s[s], last - first == 1, new.mean[end])
        _grow(states.covariance[row], stations.dt_s[s], stations.growth[s], new.covariance[end])
        new.bottom_m[end] = states.bottom_m[row]
        new.size_m[end] = states.size_m[row]
        new.yaw_rad[end] = states.yaw_rad[row]
        new.score[end] = states.score[row]
        new.hits[end] = states.hits[row]
        new.misses[end] = states.misses[row]
        new.recent[end] = states.recent[row]
        new.confirmed[end] = states.confirmed[row]
        new.last_update_us[end] = states.last_update_us[row]
        end += 1
    return end


@njit(cache=True, nogil=True)
def _placed(sightings, first, last, now_us, limits):  # type: ignore[no-untyped-def]
    """Return the detections of one station that are not too old, extrapolated to the present instant."""
    row = np.empty(last - first, np.int64)
    count = 0
    for k in range(first, last):
        if now_us - sightings.captured_us[k] <= limits.coast_us:
            row[count] = k
            count += 1
    position_m, noise_m2, prior = np.empty((count, 2)), np.empty((count, 2, 2)), np.empty((count, 2, 2))
    across, along = limits.across_m2_s2, limits.along_m2_s2
    heading = np.empty(2)
    for d in range(count):
        k = row[d]
        age_s = max(0, now_us - sightings.captured_us[k]) * 1e-6
        is_known = sightings.velocity_mps[k, 0] != 0.0 or sightings.velocity_mps[k, 1] != 0.0
        heading[0], heading[1] = np.cos(sightings.yaw_rad[k]), np.sin(sightings.yaw_rad[k])
        for i in range(2):
            position_m[d, i] = sightings.center_m[k, i] + age_s * sightings.velocity_mps[k, i]
            for j in range(2):
                same = 1.0 if i == j else 0.0
                # The speed of a new track is assumed to be mostly along its heading if no velocity came with it.
                unknown = across * same + (along - across) * (heading[i] * heading[j])
                prior[d, i, j] = limits.known_m2_s2 * same if is_known else unknown
                # Age squared: a velocity error v gives a position error of v times age.
                noise_m2[d, i, j] = limits.position_m2 * same + age_s * age_s * prior[d, i, j]
    return _Placed(row[:count], position_m, noise_m2, prior)


@njit(cache=True, nogil=True, error_model="numpy")
def assigned(mean, covariance, position_m, noise_m2, gate):  # type: ignore[no-untyped-def]
    """Return the detection that is assigned to each track, -1 for none; each detection is assigned at most once."""
    tracks, detections = len(mean), len(position_m)
    cost, is_open = np.empty((tracks, detections)), np.zeros((tracks, detections), np.bool_)
    only, rivals = np.full(tracks, -1, np.int64), np.zeros(detections, np.int64)
    is_contested, dearest = False, -np.inf
    for t in range(tracks):
        p, q, r = covariance[t, 0, 0], covariance[t, 0, 1], covariance[t, 1, 1]
        mean_x, mean_y = mean[t, 0], mean[t, 1]
        for d in range(detections):
            x, y = position_m[d, 0] - mean_x, position_m[d, 1] - mean_y
            a, c = p + noise_m2[d, 0, 0], r + noise_m2[d, 1, 1]
            # Surely beyond the gate, by a margin for rounding: d^2 is at least the squared distance over the trace of S.
            if x * x + y * y > 1.01 * gate * (a + c):
                continue
            b = q + noise_m2[d, 0, 1]
            determinant = a * c - b * b
            squared = (c * x * x - 2.0 * b * x * y + a * y * y) / determinant
            if squared <= gate:
                is_open[t, d] = True
                cost[t, d] = squared + np.log(determinant)
                dearest = max(dearest, cost[t, d])
                is_contested = is_contested or only[t] >= 0 or rivals[d] > 0
                only[t] = d
                rivals[d] += 1
    # A track and a detection that only have each other belong together in every cheapest assignment.
    if not is_contested:
        return only
    # A pair outside the gate means a track without a detection and a new track. All such pairs have the same cost, which
    # is higher than that of any pair inside the gate.
    for t in range(tracks):
        for d in range(detections):
            if not is_open[t, d]:
                cost[t, d] = dearest + gate
    chosen = np.full(tracks, -1, np.int64)
    column = assigned_columns(cost)
    for t in range(tracks):
        if column[t] >= 0 and is_open[t, column[t]]:
            chosen[t] = column[t]
    return chosen


@njit(cache=True, nogil=True, error_model="numpy")
def _update(new, row, sightings, placed, d, room):  # type: ignore[no-untyped-def]
    """Correct a track by the detection that is assigned to it."""
    mean, covariance = new.mean[row], new.covariance[row]
    spread, inverse, gain, weighted, removed = room
    for i in range(2):
        for j in range(2):
            spread[i, j] = covariance[i, j] + placed.noise_m2[d, i, j]
    determinant = spread[0, 0] * spread[1, 1] - spread[0, 1] * spread[0, 1]
    inverse[0, 0], inverse[1, 1] = spread[1, 1] / determinant, spread[0, 0] / determinant
    inverse[0, 1] = inverse[1, 0] = -spread[0, 1] / determinant
    for i in range(4):
        for j in range(2):
            gain[i, j] = _sum_of_two(covariance[i, 0], inverse[0, j], covariance[i, 1], inverse[1, j])
    x, y = placed.position_m[d, 0] - mean[0], placed.position_m[d, 1] - mean[1]
    for i in range(4):
        # The other way round, as the product of a matrix and a vector in numpy.
        mean[i] += _sum_of_two(gain[i, 1], y, gain[i, 0], x)
        for j in range(2):
            weighted[i, j] = _sum_of_two(gain[i, 0], spread[0, j], gain[i, 1], spread[1, j])
    for i in range(4):
        for j in range(4):
            removed[i, j] = covariance[i, j] - _sum_of_two(weighted[i, 0], gain[j, 0], weighted[i, 1], gain[j, 1])
    # Rounding makes the product slightly asymmetric, which would grow over many steps.
    for i in range(4):
        for j in range(4):
            covariance[i, j] = 0.5 * (removed[i, j] + removed[j, i])

    k = placed.row[d]
    new.bottom_m[row] += SMOOTHING * (sightings.center_m[k, 2] - new.bottom_m[row])
    for i in range(3):
        new.size_m[row, i] += SMOOTHING * (sightings.size_m[k, i] - new.size_m[row, i])
    # Headings turn by a fixed share of the shorter way.
    turn = (sightings.yaw_rad[k] - new.yaw_rad[row] + np.pi) % (2.0 * np.pi) - np.pi
    new.yaw_rad[row] = (new.yaw_rad[row] + SMOOTHING * turn + np.pi) % (2.0 * np.pi) - np.pi
    new.score[row] += SMOOTHING * (sightings.score[k] - new.score[row])
    # Late data must not move this time back.
    new.last_update_us[row] = max(new.last_update_us[row], sightings.captured_us[k])


@njit(cache=True, nogil=True)
def _sum_of_two(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return a b + c d as a matrix product adds them: each product with its sum is rounded once."""
    return fused_multiply_add(c, d, fused_multiply_add(a, b, 0.0))


@njit(cache=True, nogil=True)
def _count(new, row, is_hit):  # type: ignore[no-untyped-def]
    """Count one more step of a track, with a detection or without."""
    new.hits[row] += 1 if is_hit else 0
    new.misses[row] = 0 if is_hit else new.misses[row] + 1
    new.recent[row] = (new.recent[row] << 1) | (1 if is_hit else 0)


@njit(cache=True, nogil=True)
def _start(new, row, number, sightings, placed, d):  # type: ignore[no-untyped-def]
    """Start a track with a detection."""
    k = placed.row[d]
    new.track_id[row] = number
    new.mean[row, :2] = placed.position_m[d]
    new.mean[row, 2:] = sightings.velocity_mps[k]
    new.covariance[row] = 0.0
    new.covariance[row, :2, :2] = placed.noise_m2[d]
    new.covariance[row, 2:, 2:] = placed.prior_m2_s2[d]
    new.bottom_m[row], new.size_m[row] = sightings.center_m[k, 2], sightings.size_m[k]
    new.yaw_rad[row], new.score[row] = sightings.yaw_rad[k], sightings.score[k]
    new.hits[row], new.misses[row], new.recent[row], new.confirmed[row] = 1, 0, 1, False
    new.last_update_us[row] = sightings.captured_us[k]


@njit(cache=True, nogil=True)
def _confirm(new, begin, end, limits):  # type: ignore[no-untyped-def]
    """Confirm the tracks with enough detections in the last steps; they stay confirmed from then on."""
    for row in range(begin, end):
        new.recent[row] &= (1 << limits.confirm_steps) - 1  # Only the bits of the last N steps count.
        lately = 0
        for k in range(limits.confirm_steps):
            lately += (new.recent[row] >> k) & 1
        new.confirmed[row] = new.confirmed[row] or lately >= limits.confirm_hits
