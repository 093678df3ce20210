"""The blind cells of egos that look for bodies: without those in which a vehicle stands that announced itself."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from v2xsim.engine.cooperation.bodies_in_cells import clear_reached
from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Detections


def sought_weight(
    weight: Float[np.ndarray, "egos nx ny"], egos: Sequence[Frame], announced: Sequence[Detections]
) -> Float[np.ndarray, "egos nx ny"]:
    """Return the weight of each blind cell, 0 for cells that the body of a vehicle reaches which the ego knows.

    Args:
        weight: Relevance of each blind cell of each ego.
        egos: Frame of each ego.
        announced: Vehicles that each ego knows from their announcements.
    """
    left = weight.copy()
    for cells, ego, vehicles in zip(left, egos, announced, strict=True):
        boxes = vehicles.boxes
        clear_reached(
            cells, ego.matrix.lower, float(ego.matrix.cell_m), np.ascontiguousarray(boxes.center_m, np.float64),
            np.ascontiguousarray(boxes.size_m, np.float64), np.ascontiguousarray(boxes.yaw_rad, np.float64),
        )  # fmt: skip
    return left
