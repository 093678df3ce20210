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


def aware(objects_m, tracks_m):
    known = np.zeros(len(objects_m), bool)
    if len(objects_m) == 0 or len(tracks_m) == 0:
        return known
    gap_m = objects_m[:, None] - tracks_m[None]
    squared_m2 = gap_m[..., 0] * gap_m[..., 0] + gap_m[..., 1] * gap_m[..., 1]
    is_near = squared_m2 <= WITHIN_M * WITHIN_M
    objects, tracks = np.flatnonzero(is_near.any(axis=1)), np.flatnonzero(is_near.any(axis=0))
    if len(objects) == 0:
        return known
    is_near, distance = is_near[np.ix_(objects, tracks)], np.sqrt(squared_m2[np.ix_(objects, tracks)])
    far = WITHIN_M * (min(is_near.shape) + 1)
    rows, columns = linear_sum_assignment(np.where(is_near, distance, far))
    known[objects[rows]] = is_near[rows, columns]
    return known


def known(tracks, scene):
    return aware(scene.apparent.center_m[:, :2], tracks.mean[tracks.confirmed, :2]) & (scene.agent != scene.ego)
