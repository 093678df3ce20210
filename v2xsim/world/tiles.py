"""A raster of the whole map in tiles: a tile is drawn when a window first comes near it, so memory grows with the streets in use."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int16, Int64
from numba import njit

# Side of a tile of the map in cells.
TILE = 128
# Instead of the number of a tile: all its cells are 0.
_EMPTY = -1

Draw = Callable[[Int64[np.ndarray, " 2"], Int16[np.ndarray, "tile tile"]], None]
"""Function that draws a tile, given the world cell index of its cell (0, 0) and the tile of zeros that it fills."""


class TiledMap:
    """A raster of whole numbers; each part of the map is drawn once.

    Args:
        draw: Function that draws a tile.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._number: dict[tuple[int, int], int] = {}
        # Tiles behind the last one are unused.
        self._tiles, self._drawn = np.zeros((0, TILE, TILE), np.int16), 0

    def windows(
        self, lower: Int64[np.ndarray, "windows 2"], shape: tuple[int, int]
    ) -> Int16[np.ndarray, "windows nx ny"]:
        """Return some windows of the map, as arrays of their own.

        Args:
            lower: World cell index of each window's cell (0, 0).
            shape: Number of cells of a window in x and y.
        """
        numbers = self._numbers(lower, shape)
        cells: Int16[np.ndarray, "windows nx ny"] = _windows(numbers, self._tiles, lower, *shape)
        return cells

    def _numbers(
        self, lower: Int64[np.ndarray, "windows 2"], shape: tuple[int, int]
    ) -> Int64[np.ndarray, "windows tx ty"]:
        """Return the numbers of the tiles that windows may touch, which are drawn if they are new."""
        across = [np.arange((size - 2) // TILE + 2) for size in shape]
        x, y = (axis[:, None] // TILE + more for axis, more in zip(lower.T, across, strict=True))
        tiles = np.stack(np.broadcast_arrays(x[:, :, None], y[:, None, :]), axis=3)
        # Most windows touch the same few tiles.
        keys = (tiles[..., 0] << 32) + tiles[..., 1]
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        numbers = np.array([self._tile(*tile) for tile in tiles.reshape(-1, 2)[first].tolist()], np.int64)
        return numbers[which].reshape(tiles.shape[:3])

    def _tile(self, x: int, y: int) -> int:
        """Return the number of a tile."""
        if (x, y) not in self._number:
            self._number[x, y] = self._new(x, y)
        return self._number[x, y]

    def _new(self, x: int, y: int) -> int:
        """Draw a tile, and return its number."""
        tile = np.zeros((TILE, TILE), np.int16)
        self._draw(np.array([x, y]) * TILE, tile)
        if not tile.any():
            return _EMPTY
        if self._drawn == len(self._tiles):
            self._tiles = np.concatenate([self._tiles, np.zeros((max(4, self._drawn), TILE, TILE), np.int16)])
        self._tiles[self._drawn] = tile
        self._drawn += 1
        return self._drawn - 1


@njit(cache=True, nogil=True)
def _windows(number, tiles, lower, nx, ny):  # type: ignore[no-untyped-def]
    """Return the cells of windows.

    Args:
        number: Number of each tile that a window touches, by window, x and y.
        tiles: Cells of each tile.
        lower: World cell index of each window's cell (0, 0).
        nx: Number of cells of a window in x.
        ny: Number of cells of a window in y.
    """
    cells = np.zeros((len(lower), nx, ny), np.int16)
    for n in range(len(lower)):
        x, y = lower[n, 0] % TILE, lower[n, 1] % TILE
        for a in range(number.shape[1]):
            for b in range(number.shape[2]):
                if number[n, a, b] == _EMPTY:
                    continue
                tile = tiles[number[n, a, b]]
                # Cell (0, 0) of the tile, seen from the window.
                i_0, j_0 = a * TILE - x, b * TILE - y
                for i in range(max(0, i_0), min(nx, i_0 + TILE)):
                    for j in range(max(0, j_0), min(ny, j_0 + TILE)):
                        cells[n, i, j] = tile[i - i_0, j - j_0]
    return cells
