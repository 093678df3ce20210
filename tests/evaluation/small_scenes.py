"""Small scenes for the tests of evaluation: an ego that drives east through the origin, and road users around it."""

import numpy as np

from v2xsim.evaluation.scene import Scene
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import Boxes, Detections

EGO = 1
RANGE_M = 50.0
CAR_M = (4.0, 2.0, 1.5)


def cars(places_m):
    """Return bodies that head east with these centres."""
    center_m = np.column_stack([np.asarray(places_m, float).reshape(-1, 2), np.zeros(len(places_m))])
    return Boxes(center_m, np.tile(CAR_M, (len(places_m), 1)), np.zeros(len(places_m)))


def scene(
    agents, places_m, *, error_m=(0.0, 0.0), velocity_mps=None, own_points=None, time_us=0, ego=EGO, ego_m=(0.0, 0.0)
):  # fmt: skip
    """Return a scene of standing cars; the ego at the origin drives east at 10 m/s and is misplaced by `error_m`."""
    count, shift = len(agents), np.array(error_m)
    return Scene(
        ego, time_us, np.array(ego_m), np.array(ego_m) + shift, np.array([10.0, 0.0]), np.array(agents, np.int64), cars(places_m),
        cars(np.asarray(places_m, float).reshape(-1, 2) + shift),
        np.zeros((count, 2)) if velocity_mps is None else np.array(velocity_mps, float),
        np.full(count, 9, np.int64) if own_points is None else np.array(own_points, np.int64),
    )  # fmt: skip


def detections(places_m, truth):
    """Return detections of cars."""
    count = len(truth)
    return Detections(cars(places_m), np.zeros((count, 2)), np.full(count, 0.9), np.array(truth, np.int64))


def confirmed_tracks(places_m):
    """Return tracks that two frames in a row confirmed."""
    seen = detections(places_m, [-1] * len(places_m))
    return step(step(Tracks.none(0), seen, 0), seen, 100_000)
