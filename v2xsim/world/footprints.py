"""The cells of the map that lie inside buildings; such cells never count as blind.

The ground below a building with headroom, such as a roof on posts or the passage through a house, is open ground. So is the
inside of the buildings in which the asking station itself stands, such as a hall or a car park.
"""

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64
from numba import njit

from v2xsim.records import Obstacles
from v2xsim.spatial.grid import items_within
from v2xsim.world.inside import all_around, buildings_around

HEADROOM_M = 2.0
"""Least height of a building's underside above open ground: cars pass below it."""

# Side of a tile of the map in cells. A tile is drawn when a window first comes near it, so memory grows with the streets in use.
_TILE = 128
# Cells and walls are compared in parts, which bounds the memory that an outline with many corners needs.
_MOST_AT_ONCE = 4_000_000
# Instead of the number of a tile: no building without headroom touches it.
_OPEN = -1


class FootprintMap:
    """Computes which cells of windows of the map lie inside buildings; each part of the map is drawn once."""

    def __init__(self, obstacles: Obstacles, cell_m: float) -> None:
        self._obstacles, self._cell_m = obstacles, cell_m
        self._number: dict[tuple[int, int], int] = {}
        # Number of buildings without headroom over each cell of each tile; tiles behind the last one are unused.
        self._covers, self._drawn = np.zeros((0, _TILE, _TILE), np.int16), 0

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
        covers = _windows(self._covers_at(lower, shape), self._covers, lower, *shape)
        if station_m is not None:
            top_m = station_m[:, 2] + HEADROOM_M
            for window in np.flatnonzero(buildings_around(station_m, top_m, self._obstacles) >= 0).tolist():
                for row in all_around(station_m[window], float(top_m[window]), self._obstacles).tolist():
                    self._add(row, covers[window], lower[window], -1)
        return covers == 0

    def _covers_at(
        self, lower: Int64[np.ndarray, "windows 2"], shape: tuple[int, int]
    ) -> Int64[np.ndarray, "windows tx ty"]:
        """Return the numbers of the tiles that windows may touch, which are drawn if they are new."""
        across = [np.arange((size - 2) // _TILE + 2) for size in shape]
        x, y = (axis[:, None] // _TILE + more for axis, more in zip(lower.T, across, strict=True))
        tiles = np.stack(np.broadcast_arrays(x[:, :, None], y[:, None, :]), axis=3)
        # Most windows touch the same few tiles.
        found, which = np.unique(tiles.reshape(-1, 2), axis=0, return_inverse=True)
        numbers = np.array([self._tile(*tile) for tile in found.tolist()], np.int64)
        return numbers[which].reshape(tiles.shape[:3])

    def _tile(self, x: int, y: int) -> int:
        """Return the number of a tile."""
        if (x, y) not in self._number:
            self._number[x, y] = self._draw(x, y)
        return self._number[x, y]

    def _draw(self, x: int, y: int) -> int:
        """Draw a tile, and return its number."""
        lower = np.array([x, y]) * _TILE
        base_m, first_m = self._obstacles.prisms.base_m, lower * self._cell_m
        near = items_within(self._obstacles.grid, first_m, first_m + _TILE * self._cell_m)
        covers = np.zeros((_TILE, _TILE), np.int16)
        for row in near[base_m[near] < HEADROOM_M].tolist():
            self._add(row, covers, lower, 1)
        if not covers.any():
            return _OPEN
        if self._drawn == len(self._covers):
            self._covers = np.concatenate([self._covers, np.zeros((max(4, self._drawn), _TILE, _TILE), np.int16)])
        self._covers[self._drawn] = covers
        self._drawn += 1
        return self._drawn - 1

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
        i, j = (_cells_inside(foot, first, last, self._cell_m) - lower).T
        covers[i, j] += times


@njit(cache=True, nogil=True)
def _windows(number, covers, lower, nx, ny):  # type: ignore[no-untyped-def]
    """Return the number of buildings over each cell of windows.

    Args:
        number: Number of each tile that a window touches, by window, x and y.
        covers: Number of buildings over each cell of each tile.
        lower: World cell index of each window's cell (0, 0).
        nx: Number of cells of a window in x.
        ny: Number of cells of a window in y.
    """
    counted = np.zeros((len(lower), nx, ny), np.int16)
    for n in range(len(lower)):
        x, y = lower[n, 0] % _TILE, lower[n, 1] % _TILE
        for a in range(number.shape[1]):
            for b in range(number.shape[2]):
                if number[n, a, b] == _OPEN:
                    continue
                tile = covers[number[n, a, b]]
                # Cell (0, 0) of the tile, seen from the window.
                i_0, j_0 = a * _TILE - x, b * _TILE - y
                for i in range(max(0, i_0), min(nx, i_0 + _TILE)):
                    for j in range(max(0, j_0), min(ny, j_0 + _TILE)):
                        counted[n, i, j] = tile[i - i_0, j - j_0]
    return counted


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
