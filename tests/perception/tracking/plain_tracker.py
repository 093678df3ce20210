"""The step of the tracker once more, in plain numpy, for comparison with the compiled step.

Each product and sum of a matrix product is rounded once, as the compiled step does on every processor.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from tests.spatial.rounded import product
from v2xsim.perception.tracking.filtering import SMOOTHING
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks
from v2xsim.records import Detections

COLUMNS = tuple(name for name in Tracks.__dataclass_fields__ if name not in ("time_us", "next_id"))


def stacked(a, b):
    return np.stack([product(x, y) for x, y in zip(a, b, strict=True)]) if len(a) else np.zeros((0, 4, b.shape[-1]))


def predicted(tracks: Tracks, dt_us: int, params: TrackerParams) -> Tracks:
    dt, count = dt_us * 1e-6, len(tracks)
    forward = np.eye(4)
    forward[0, 2] = forward[1, 3] = dt
    noise = np.kron(np.array([[dt**3 / 3.0, dt**2 / 2.0], [dt**2 / 2.0, dt]]), np.eye(2))
    mean = product(tracks.mean, forward.T)
    if count == 1:
        # A single row times a matrix: the terms are rounded one by one.
        mean = 0.0 + np.column_stack([tracks.mean[:, :2] + dt * tracks.mean[:, 2:], tracks.mean[:, 2:]])
    moved = stacked(stacked([forward] * count, tracks.covariance), np.array([forward.T] * count).reshape(-1, 4, 4))
    return replace(
        tracks, time_us=tracks.time_us + dt_us, mean=mean, covariance=moved + params.acceleration_density_m2_s3 * noise
    )


def inverse(matrix):
    a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    return np.stack([d, -b, -b, a], axis=-1).reshape(-1, 2, 2) / (a * d - b * b)[:, None, None]


def assigned(tracks: Tracks, position_m, noise_m2, params: TrackerParams):
    if len(tracks) == 0 or len(position_m) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    innovation = position_m[None, :, :] - tracks.mean[:, None, :2]
    spread = tracks.covariance[:, None, :2, :2] + noise_m2[None]
    a, b, d = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    determinant = a * d - b * b
    x, y = innovation[..., 0], innovation[..., 1]
    squared = (d * x * x - 2.0 * b * x * y + a * y * y) / determinant
    # Numpy's own logarithm can differ in the last bit, from processor to processor.
    cost = squared + np.reshape([math.log(value) for value in determinant.flat], determinant.shape)
    is_open = squared <= params.gate
    beyond = float(cost[is_open].max()) + params.gate if is_open.any() else 0.0
    rows, columns = linear_sum_assignment(np.where(is_open, cost, beyond))
    inside = is_open[rows, columns]
    return rows[inside], columns[inside]


def speed_prior(yaw_rad, known, params: TrackerParams):
    heading = np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=-1)
    along = heading[:, :, None] * heading[:, None, :]
    across, lengthwise = params.across_sigma_mps**2, params.along_sigma_mps**2
    unknown = across * np.eye(2) + (lengthwise - across) * along
    return np.where(known[:, None, None], params.known_sigma_mps**2 * np.eye(2), unknown)


def turned_towards(yaw_rad, newest_rad):
    turn = (newest_rad - yaw_rad + np.pi) % (2.0 * np.pi) - np.pi
    return (yaw_rad + SMOOTHING * turn + np.pi) % (2.0 * np.pi) - np.pi


def step(tracks: Tracks, detections: Detections, time_us: int, params: TrackerParams, captured_us=None) -> Tracks:
    captured = np.full(len(detections), time_us, np.int64) if captured_us is None else captured_us
    tracks = predicted(tracks, max(0, time_us - tracks.time_us), params)
    patience = np.where(tracks.confirmed, params.coast_us, params.tentative_us)
    tracks = tracks[tracks.time_us - tracks.last_update_us <= patience]
    fresh = tracks.time_us - captured <= params.coast_us
    detections, captured = detections[fresh], captured[fresh]
    boxes = detections.boxes
    age_s = np.maximum(0, tracks.time_us - captured)[:, None] * 1e-6
    position_m = boxes.center_m[:, :2] + age_s * detections.velocity_mps
    prior = speed_prior(boxes.yaw_rad, np.any(detections.velocity_mps, axis=1), params)
    noise = params.position_sigma_m**2 * np.eye(2) + age_s[..., None] ** 2 * prior

    t, d = assigned(tracks, position_m, noise, params)
    mean, covariance = tracks.mean.copy(), tracks.covariance.copy()
    spread = covariance[t, :2, :2] + noise[d]
    gain = stacked(covariance[t][:, :, :2], inverse(spread))
    v = position_m[d] - mean[t, :2]
    # In falling order, as numpy multiplies a matrix and a vector.
    mean[t] += stacked(gain[:, :, ::-1], v[:, ::-1, None])[..., 0]
    updated = covariance[t] - stacked(stacked(gain, spread), gain.transpose(0, 2, 1))
    covariance[t] = 0.5 * (updated + updated.transpose(0, 2, 1))
    bottom, size, yaw, score = (a.copy() for a in (tracks.bottom_m, tracks.size_m, tracks.yaw_rad, tracks.score))
    bottom[t] += SMOOTHING * (boxes.center_m[d, 2] - bottom[t])
    size[t] += SMOOTHING * (boxes.size_m[d] - size[t])
    yaw[t] = turned_towards(yaw[t], boxes.yaw_rad[d])
    score[t] += SMOOTHING * (detections.score[d] - score[t])
    joined = np.zeros(len(tracks), bool)
    joined[t] = True
    last_update = tracks.last_update_us.copy()
    last_update[t] = np.maximum(last_update[t], captured[d])

    free = detections.score >= params.least_score
    free[d] = False
    new = int(free.sum())
    started = np.zeros((new, 4, 4))
    started[:, :2, :2], started[:, 2:, 2:] = noise[free], prior[free]
    one = np.ones(new, np.int64)
    old_columns = (
        tracks.track_id, mean, covariance, bottom, size, yaw, score, tracks.hits + joined,
        np.where(joined, 0, tracks.misses + 1), tracks.recent << 1 | joined, tracks.confirmed, last_update,
    )  # fmt: skip
    new_columns = (
        tracks.next_id + np.arange(new), np.hstack([position_m[free], detections.velocity_mps[free]]), started,
        boxes.center_m[free, 2], boxes.size_m[free], boxes.yaw_rad[free], detections.score[free], one, 0 * one, one,
        np.zeros(new, bool), captured[free],
    )  # fmt: skip
    after = Tracks(
        tracks.time_us, tracks.next_id + new,
        *(np.concatenate([a, b]) for a, b in zip(old_columns, new_columns, strict=True)),
    )  # fmt: skip
    window = after.recent & ((1 << params.confirm_steps) - 1)
    lately = (window[:, None] >> np.arange(params.confirm_steps) & 1).sum(axis=1)
    return replace(after, confirmed=after.confirmed | (lately >= params.confirm_hits), recent=window)
