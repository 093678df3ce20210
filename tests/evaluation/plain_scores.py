"""The score of one ego frame once more, in plain numpy, for comparison with the compiled scores."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from v2xsim.perception.metrics.average_precision import Frame
from v2xsim.perception.metrics.average_precision import matched as matched_frame
from v2xsim.perception.metrics.awareness import HORIZON_S, MISS_M, WITHIN_M


def distance_m(scene):
    offset_m = scene.boxes.center_m[:, :2] - scene.ego_m
    return np.hypot(offset_m[:, 0], offset_m[:, 1])


def near(scene, range_m):
    return (scene.agent != scene.ego) & (distance_m(scene) <= range_m)


def conflict(scene):
    offset = scene.boxes.center_m[:, :2] - scene.ego_m
    relative = scene.velocity_mps - scene.ego_velocity_mps
    squared = np.sum(relative * relative, axis=1)
    still = squared == 0.0
    closest_s = np.where(still, 0.0, -np.sum(offset * relative, axis=1) / np.where(still, 1.0, squared))
    miss = offset + np.clip(closest_s, 0.0, HORIZON_S)[:, None] * relative
    return (scene.agent != scene.ego) & (np.hypot(miss[:, 0], miss[:, 1]) < MISS_M)


def counts(detections, scene, range_m):
    offset_m = detections.boxes.center_m[:, :2] - scene.believed_ego_m
    of_near = np.isin(detections.truth, scene.agent[near(scene, range_m)])
    return np.where(detections.truth >= 0, of_near, np.hypot(offset_m[:, 0], offset_m[:, 1]) <= range_m)


def matched(detections, scene, range_m, thresholds):
    counted = detections[np.flatnonzero(counts(detections, scene, range_m))]
    bodies = scene.apparent[np.flatnonzero(near(scene, range_m))]
    return matched_frame(Frame(counted, bodies), thresholds)


def seen(detections, scene, range_m):
    return near(scene, range_m) & np.isin(scene.agent, detections.truth)


def relevant(scene, top_speed_mps=14.0):
    """Return who can meet the ego within the horizon: (v^2 - u^2) t^2 - 2 r v t + r^2 is not above 0 at some t of it."""
    offset = scene.boxes.center_m[:, :2] - scene.ego_m
    top = np.maximum(np.hypot(scene.velocity_mps[:, 0], scene.velocity_mps[:, 1]), top_speed_mps)
    square = np.sum(scene.ego_velocity_mps**2) - top**2
    along, squared = offset @ scene.ego_velocity_mps, np.sum(offset**2, axis=1)
    lowest_s = np.clip(np.where(square > 0.0, along / np.where(square > 0.0, square, 1.0), HORIZON_S), 0.0, HORIZON_S)
    reach = [square * t * t - 2.0 * along * t + squared <= 1e-9 for t in (lowest_s, np.full_like(lowest_s, HORIZON_S))]
    return (scene.agent != scene.ego) & (reach[0] | reach[1] | (squared == 0.0)) | conflict(scene)


def track_of(objects_m, tracks_m):
    track = np.full(len(objects_m), -1)
    if len(objects_m) == 0 or len(tracks_m) == 0:
        return track
    gap_m = objects_m[:, None] - tracks_m[None]
    squared_m2 = gap_m[..., 0] * gap_m[..., 0] + gap_m[..., 1] * gap_m[..., 1]
    is_near = squared_m2 <= WITHIN_M * WITHIN_M
    objects, tracks = np.flatnonzero(is_near.any(axis=1)), np.flatnonzero(is_near.any(axis=0))
    if len(objects) == 0:
        return track
    is_near, distance = is_near[np.ix_(objects, tracks)], np.sqrt(squared_m2[np.ix_(objects, tracks)])
    far = WITHIN_M * (min(is_near.shape) + 1)
    rows, columns = linear_sum_assignment(np.where(is_near, distance, far))
    track[objects[rows]] = np.where(is_near[rows, columns], tracks[columns], -1)
    return track


def known(tracks, scene):
    return (track_of(scene.apparent.center_m[:, :2], tracks.mean[tracks.confirmed, :2]) >= 0) & (
        scene.agent != scene.ego
    )


def false(tracks, scene, range_m):
    """Return the ids of the false tracks."""
    confirmed = tracks[np.flatnonzero(tracks.confirmed)]
    offset_m = confirmed.mean[:, :2] - scene.believed_ego_m
    of_somebody = np.isin(np.arange(len(confirmed)), track_of(scene.apparent.center_m[:, :2], confirmed.mean[:, :2]))
    return confirmed.track_id[(np.hypot(offset_m[:, 0], offset_m[:, 1]) <= range_m) & ~of_somebody]
