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
            cells = self._cells(int(row)) - lower
            inside = cells[((cells >= 0) & (cells < np.array(shape))).all(axis=1)]
            ground[inside[:, 0], inside[:, 1]] = False
        return ground

    def _cells(self, row: int) -> Int64[np.ndarray, "cells 2"]:
        """Return the world indices of the cells whose centre lies in one building (even-odd rule over its walls)."""
        if row not in self._drawn:
            prisms = self._obstacles.prisms
            foot = prisms.vertices_m[prisms.offset[row] : prisms.offset[row + 1]]
            low = np.floor(foot.min(axis=0) / self._cell_m).astype(np.int64)
            high = np.floor(foot.max(axis=0) / self._cell_m).astype(np.int64)
            i, j = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1), indexing="ij")
            cells = np.stack([i.ravel(), j.ravel()], axis=1)
            x, y = ((cells + 0.5) * self._cell_m).T
            after = np.roll(foot, -1, axis=0)
            (ax, ay), (bx, by) = foot.T[:, :, None], after.T[:, :, None]
            spans = (ay > y) != (by > y)
            rise = np.where(by == ay, 1.0, by - ay)
            crossings = (spans & (x < ax + (y - ay) / rise * (bx - ax))).sum(axis=0)
            self._drawn[row] = cells[crossings % 2 == 1]
        return self._drawn[row]
