"""The cells of the map that lie inside buildings; such cells never count as blind.

The ground below a building with headroom, such as a roof on posts or the passage through a house, is open ground. So is the
inside of the buildings in which the asking station itself stands, such as a hall or a car park.
"""

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64

from v2xsim.records import Obstacles
from v2xsim.spatial.grid import items_within
from v2xsim.world.inside import all_around, buildings_around
from v2xsim.world.tiles import TILE, TiledMap

HEADROOM_M = 2.0
"""Least height of a building's underside above open ground: cars pass below it."""

# Number of parts into which the side of a cell is divided to find walls in it; our choice.
_WALL_PARTS = 4
# Cells and walls are compared in parts, which bounds the memory that an outline with many corners needs.
_MOST_AT_ONCE = 4_000_000


class FootprintMap:
    """Computes which cells of windows of the map lie inside buildings; each part of the map is drawn once."""

    def __init__(self, obstacles: Obstacles, cell_m: float) -> None:
        self._obstacles, self._cell_m = obstacles, cell_m
        # Number of buildings without headroom over each cell.
        self._covers = TiledMap(self._draw)

    def open_ground(
        self,
        lower: Int64[np.ndarray, "windows 2"],
        shape: tuple[int, int],
        station_m: Float[np.ndarray, "windows 3"] | None = None,
    ) -> Bool[np.ndarray, "windows nx ny"]:
        """Return whether each cell of some windows has its centre outside all buildings without headroom.

        Args:
            lower: World cell index of each window's cell (0, 0).
            shape: Number of cells of a window in x and y.
            station_m: Position of the station of each window by its own estimate; the inside of each building round it is open.
        """
        if len(self._obstacles.prisms) == 0:
            return np.ones((len(lower), *shape), bool)
        covers = self._covers.windows(lower, shape)
        if station_m is not None:
            top_m = station_m[:, 2] + HEADROOM_M
            for window in np.flatnonzero(buildings_around(station_m, top_m, self._obstacles) >= 0).tolist():
                for row in all_around(station_m[window], float(top_m[window]), self._obstacles).tolist():
                    self._add(row, covers[window], lower[window], -1)
        return covers == 0

    def _draw(self, lower: Int64[np.ndarray, " 2"], covers: Int16[np.ndarray, "tile tile"]) -> None:
        """Count the buildings without headroom over each cell of a tile, in place."""
        base_m, first_m = self._obstacles.prisms.base_m, lower * self._cell_m
        near = items_within(self._obstacles.grid, first_m, first_m + TILE * self._cell_m)
        for row in near[base_m[near] < HEADROOM_M].tolist():
            self._add(row, covers, lower, 1)

    def _add(self, row: int, covers: Int16[np.ndarray, "nx ny"], lower: Int64[np.ndarray, " 2"], times: int) -> None:
        """Count one building without headroom in a window, in place, or take it out again.

        Args:
            row: Row of the building; one with headroom does not count.
            covers: Number of buildings over each cell of the window.
            lower: World cell index of the window's cell (0, 0).
            times: 1 to count it, -1 to take it out.
        """
        prisms = self._obstacles.prisms
        if prisms.base_m[row] >= HEADROOM_M:
            return
        foot = prisms.footprint_m(row)
        first = np.maximum(np.floor(foot.min(axis=0) / self._cell_m).astype(np.int64), lower)
        last = np.minimum(np.floor(foot.max(axis=0) / self._cell_m).astype(np.int64), lower + covers.shape - 1)
        i, j = (cells_inside(foot, first, last, self._cell_m) - lower).T
        covers[i, j] += times


class WallMap:
    """Computes which cells of windows of the map a building reaches into, or nearly; each part of the map is drawn once.

    A cell is looked at in parts of a quarter of its side, and so is a margin of one part around it: what a station with an error
    of its position sees of a wall lies in such a cell.

    Args:
        obstacles: Buildings of the map.
        cell_m: Side of a cell.
    """

    def __init__(self, obstacles: Obstacles, cell_m: float) -> None:
        self._parts = FootprintMap(obstacles, cell_m / _WALL_PARTS)
        self._map = TiledMap(self._draw)

    def away_from_walls(
        self, lower: Int64[np.ndarray, "windows 2"], shape: tuple[int, int]
    ) -> Bool[np.ndarray, "windows nx ny"]:
        """Return whether each cell of some windows is away from all buildings.

        Args:
            lower: World cell index of each window's cell (0, 0).
            shape: Number of cells of a window in x and y.
        """
        return self._map.windows(lower, shape) == 0

    def _draw(self, lower: Int64[np.ndarray, " 2"], near: Int16[np.ndarray, "tile tile"]) -> None:
        """Write 1 into the cells of a tile that are not away from buildings, in place."""
        side = _WALL_PARTS * TILE + 2
        is_inside = ~self._parts.open_ground(_WALL_PARTS * lower[None] - 1, (side, side))[0]
        for i in range(_WALL_PARTS + 2):
            for j in range(_WALL_PARTS + 2):
                # Part (i, j) of each cell, of which those of the margin come first and last.
                near |= is_inside[
                    i : i + side - _WALL_PARTS + 1 : _WALL_PARTS, j : j + side - _WALL_PARTS + 1 : _WALL_PARTS
                ][:TILE, :TILE]


def cells_inside(
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
