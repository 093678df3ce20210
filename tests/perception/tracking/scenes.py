"""Detections to track, and the tracks after a few frames of them."""

import numpy as np

from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step
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
