"""Which shape of a mesh the body of each road user has, by its kind and its parts."""

import numpy as np
from jaxtyping import Int32

from v2xsim.gpu.lidar.bodies import shape_of_kind
from v2xsim.world.road_users import BUS, KINDS, TRUCK
from v2xsim.world.snapshot import Snapshot

# A truck whose front part is longer carries its load on it and has a trailer on a drawbar; a tractor is 5 to 7 m long.
_LONGEST_TRACTOR_M = 7.5

_WHOLE = np.array([shape_of_kind(kind) for kind in KINDS], np.int32)
_TRAILER = np.array([shape_of_kind(KINDS[TRUCK], "trailer")], np.int32)[0]


def body_shapes(snapshot: Snapshot) -> Int32[np.ndarray, " boxes"]:
    """Return the number of the shape of each box of `snapshot.bodies` (`v2xsim.gpu.lidar.bodies`)."""
    bodies = snapshot.bodies
    kind = snapshot.kind[bodies.owner]
    shape: np.ndarray = _WHOLE[kind]
    if len(snapshot.parts):
        front, rear = np.flatnonzero(np.diff(bodies.owner) == 0), np.flatnonzero(bodies.is_rear)
        shape[rear] = _TRAILER
        for own, two in ((BUS, "bus"), (TRUCK, "truck")):
            of_kind = kind[front] == own
            if own == TRUCK:
                of_kind &= bodies.boxes.size_m[front, 0] <= _LONGEST_TRACTOR_M
            shape[front[of_kind]] = shape_of_kind(two, "front")
            shape[rear[of_kind]] = shape_of_kind(two, "rear")
    return shape
