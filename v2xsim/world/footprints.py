"""The cells of the map that lie inside buildings; such cells never count as blind.

The ground below a building with headroom, such as a roof on posts or the passage through a house, is open ground. So is the
inside of the buildings in which the asking station itself stands, such as a hall or a car park.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.records import Obstacles
from v2xsim.spatial.grid import items_within
from v2xsim.world.inside import all_around

HEADROOM_M = 2.0
"""Least height of a building's underside above open ground: cars pass below it."""

# The cells of larger buildings are computed anew for each window, and cells and walls are compared in parts: both bound the memory
# that a long building and small cells need.
_MOST_KEPT_CELLS = 4_000_000
_MOST_AT_ONCE = 4_000_000


class FootprintMap:
    """Computes which cells of a window of the map lie inside buildings; the cells of each building are computed once."""

    def __init__(self, obstacles: Obstacles, cell_m: float) -> None:
        self._obstacles, self._cell_m = obstacles, cell_m
        self._drawn: dict[int, Int64[np.ndarray, "cells 2"]] = {}

    def open_ground(
        self, lower: Int64[np.ndarray, " 2"], shape: tuple[int, int], station_m: Float[np.ndarray, " 3"] | None = None
    ) -> Bool[np.ndarray, "nx ny"]:
        """Return whether each cell of a window has its centre outside all buildings without headroom.

        Args:
            lower: World cell index of the window's cell (0, 0).
            shape: Number of cells of the window in x and y.
            station_m: Position of the station by its own estimate; the inside of each building round it is open.
        """
        ground = np.ones(shape, bool)
        if len(self._obstacles.prisms) == 0:
            return ground
        first = np.asarray(lower) * self._cell_m
        around: set[int] = set()
        if station_m is not None:
            around = set(all_around(station_m, float(station_m[2]) + HEADROOM_M, self._obstacles).tolist())
        for row in items_within(self._obstacles.grid, first, first + np.array(shape) * self._cell_m):
            if int(row) in around or self._obstacles.prisms.base_m[row] >= HEADROOM_M:
                continue
            cells = self._cells(int(row), lower, shape) - lower
            inside = cells[((cells >= 0) & (cells < np.array(shape))).all(axis=1)]
            ground[inside[:, 0], inside[:, 1]] = False
        return ground

    def _cells(self, row: int, lower: Int64[np.ndarray, " 2"], shape: tuple[int, int]) -> Int64[np.ndarray, "cells 2"]:
        """Return the world indices of the cells whose centre lies in one building; of a very large one, only those in a window."""
        if row in self._drawn:
            return self._drawn[row]
        prisms = self._obstacles.prisms
        foot = prisms.vertices_m[prisms.offset[row] : prisms.offset[row + 1]]
        low = np.floor(foot.min(axis=0) / self._cell_m).astype(np.int64)
        high = np.floor(foot.max(axis=0) / self._cell_m).astype(np.int64)
        if int((high - low + 1).prod()) > _MOST_KEPT_CELLS:
            first, last = np.maximum(low, lower), np.minimum(high, np.asarray(lower) + np.array(shape) - 1)
            return _cells_inside(foot, first, last, self._cell_m)
        self._drawn[row] = _cells_inside(foot, low, high, self._cell_m)
        return self._drawn[row]


def _cells_inside(
    foot: Float[np.ndarray, "corners 2"], low: Int64[np.ndarray, " 2"], high: Int64[np.ndarray, " 2"], cell_m: float
) -> Int64[np.ndarray, "cells 2"]:
    """Return the indices, from `low` to `high`, of the cells whose centre lies in an outline (even-odd rule over its walls)."""
    columns = np.arange(low[0], high[0] + 1)
    rows = np.arange(low[1], high[1] + 1)
    if len(columns) == 0 or len(rows) == 0:
        return np.zeros((0, 2), np.int64)
    strips = -(-len(columns) * len(rows) * len(foot) // _MOST_AT_ONCE)
    after = np.roll(foot, -1, axis=0)
    (ax, ay), (bx, by) = foot.T[:, :, None], after.T[:, :, None]
    rise = np.where(by == ay, 1.0, by - ay)
    inside = []
    for strip in np.array_split(columns, min(strips, len(columns))):
        i, j = np.meshgrid(strip, rows, indexing="ij")
        cells = np.stack([i.ravel(), j.ravel()], axis=1)
        x, y = ((cells + 0.5) * cell_m).T
        spans = (ay > y) != (by > y)
        crossings = (spans & (x < ax + (y - ay) / rise * (bx - ax))).sum(axis=0)
        inside.append(cells[crossings % 2 == 1])
    return np.concatenate(inside)
