"""The direction of the road at a place of the map."""

import numpy as np
from jaxtyping import Float
from numba import njit

from v2xsim.world.roads import JUNCTION, MOTOR, Roads

NEAR_M = 2.0
"""Greatest distance from the edge of a lane at which a place still is on its road; our choice, the width of a parking strip (RASt 06; recalled, not checked)."""


class RoadDirections:
    """The directions of the lanes for motor vehicles, those across junctions included.

    Args:
        roads: Roads of the map.
    """

    def __init__(self, roads: Roads) -> None:
        is_lane = (roads.kind != JUNCTION) & (roads.users == MOTOR)
        road = np.repeat(np.arange(len(roads)), np.diff(roads.offset))
        joins = (road[:-1] == road[1:]) & is_lane[road[:-1]] if len(road) else np.zeros(0, bool)
        self._start_m, self._end_m = roads.points_m[:-1][joins], roads.points_m[1:][joins]
        self._reach_m = roads.width_m[road[:-1][joins]] / 2.0 + NEAR_M if len(road) else np.zeros(0)

    def yaw_rad(self, place_m: Float[np.ndarray, "places 2"]) -> Float[np.ndarray, " places"]:
        """Return the direction of travel of the nearest lane at each place; NaN at places on no road."""
        yaw_rad: Float[np.ndarray, " places"] = _nearest(
            np.ascontiguousarray(place_m, np.float64), self._start_m, self._end_m, self._reach_m
        )
        return yaw_rad


@njit(cache=True, nogil=True)
def _nearest(place_m, start_m, end_m, reach_m):  # type: ignore[no-untyped-def]
    yaw_rad = np.full(len(place_m), np.nan)
    for p in range(len(place_m)):
        nearest_m2 = np.inf
        for s in range(len(start_m)):
            x, y = place_m[p, 0] - start_m[s, 0], place_m[p, 1] - start_m[s, 1]
            dx, dy = end_m[s, 0] - start_m[s, 0], end_m[s, 1] - start_m[s, 1]
            along = min(1.0, max(0.0, (x * dx + y * dy) / (dx * dx + dy * dy)))
            off_x, off_y = x - along * dx, y - along * dy
            squared_m2 = off_x * off_x + off_y * off_y
            if squared_m2 <= reach_m[s] * reach_m[s] and squared_m2 < nearest_m2:
                nearest_m2, yaw_rad[p] = squared_m2, np.arctan2(dy, dx)
    return yaw_rad
