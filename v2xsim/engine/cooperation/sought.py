"""The blind cells of egos that look for bodies: without those in which a vehicle stands that announced itself."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numba import njit

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
        _clear(
            cells, ego.matrix.lower, float(ego.matrix.cell_m), np.ascontiguousarray(boxes.center_m, np.float64),
            np.ascontiguousarray(boxes.size_m, np.float64), np.ascontiguousarray(boxes.yaw_rad, np.float64),
        )  # fmt: skip
    return left


@njit(cache=True, nogil=True, error_model="numpy")
def _clear(weight, lower, cell_m, center_m, size_m, yaw_rad):  # type: ignore[no-untyped-def]
    """Set the weight of the cells that bodies reach to 0."""
    for n in range(len(center_m)):
        x, y = center_m[n, 0], center_m[n, 1]
        cos, sin = np.cos(yaw_rad[n]), np.sin(yaw_rad[n])
        half, wide = size_m[n, 0] / 2.0, size_m[n, 1] / 2.0
        reach_x, reach_y = abs(cos) * half + abs(sin) * wide, abs(sin) * half + abs(cos) * wide
        corner_m = (abs(cos) + abs(sin)) * cell_m / 2.0
        first_i, last_i = int(np.floor((x - reach_x) / cell_m)), int(np.floor((x + reach_x) / cell_m))
        first_j, last_j = int(np.floor((y - reach_y) / cell_m)), int(np.floor((y + reach_y) / cell_m))
        for i in range(max(0, first_i - lower[0]), min(weight.shape[0], last_i - lower[0] + 1)):
            for j in range(max(0, first_j - lower[1]), min(weight.shape[1], last_j - lower[1] + 1)):
                east, north = (lower[0] + i + 0.5) * cell_m - x, (lower[1] + j + 0.5) * cell_m - y
                # Two rectangles are apart only if an axis of one of them separates them.
                is_beside = abs(north * cos - east * sin) >= wide + corner_m
                if not is_beside and abs(east * cos + north * sin) < half + corner_m:
                    weight[i, j] = 0.0
