"""A uniform grid index over static rectangles, built once and read by compiled kernels."""

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.records import Grid, Obstacles, Prisms

# A grid has at most this many cells, and lists at most as many rectangles in them: it stays below 1 GiB whatever the
# coordinates are. A map of 100 x 100 km with cells of 32 m has fewer.
_MOST_CELLS = 1 << 24


def grid_over(lower_m: Float[np.ndarray, "items 2"], upper_m: Float[np.ndarray, "items 2"], cell_m: float) -> Grid:
    """Return the grid that lists, for each cell, the rectangles that touch it.

    Args:
        lower_m: Lower corner of each rectangle.
        upper_m: Upper corner of each rectangle, in no coordinate below the lower corner.
        cell_m: Side of a square cell; the size of a typical rectangle gives the fastest look-ups. If the rectangles lie so far
            apart, or are so large, that the grid would need too much memory, the cells are larger.
    """
    count = len(lower_m)
    if count == 0:
        return Grid(np.zeros(2), cell_m, (1, 1), np.zeros(2, np.int64), np.zeros(0, np.int64))
    cell_m = _affordable_m(lower_m, upper_m, cell_m)
    origin = np.floor(lower_m.min(axis=0) / cell_m) * cell_m
    first = np.floor((lower_m - origin) / cell_m).astype(np.int64)
    last = np.floor((upper_m - origin) / cell_m).astype(np.int64)
    nx, ny = (int(n) for n in last.max(axis=0) + 1)
    span = last - first + 1
    entries = span[:, 0] * span[:, 1]
    item = np.repeat(np.arange(count), entries)
    within = np.arange(entries.sum()) - np.repeat(np.cumsum(entries) - entries, entries)
    cell = (first[item, 0] + within // span[item, 1]) * ny + first[item, 1] + within % span[item, 1]
    order = np.argsort(cell, kind="stable")
    offset = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=nx * ny))]).astype(np.int64)
    return Grid(origin, cell_m, (nx, ny), offset, item[order].astype(np.int64))


def _affordable_m(lower_m: Float[np.ndarray, "items 2"], upper_m: Float[np.ndarray, "items 2"], cell_m: float) -> float:
    """Return the side of a cell, doubled until the grid has no more than the most cells, and its cells not more entries."""
    extent_m = upper_m.max(axis=0) - lower_m.min(axis=0)
    side_m = upper_m - lower_m
    while (extent_m / cell_m + 1).prod() > _MOST_CELLS or (side_m / cell_m + 1).prod(axis=1).sum() > _MOST_CELLS:
        cell_m *= 2
    return cell_m


def items_within(
    grid: Grid, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> Int64[np.ndarray, " items"]:
    """Return the row numbers, rising and without repetition, of the items listed in the cells that a rectangle touches."""
    shape = np.array(grid.shape)
    first = np.clip(np.floor((np.asarray(lower_m) - grid.origin_m) / grid.cell_m), 0, shape).astype(int)
    last = np.clip(np.floor((np.asarray(upper_m) - grid.origin_m) / grid.cell_m), -1, shape - 1).astype(int)
    items = [
        grid.item[grid.offset[ix * shape[1] + first[1]] : grid.offset[ix * shape[1] + last[1] + 1]]
        for ix in range(first[0], last[0] + 1)
        if last[1] >= first[1]
    ]
    return np.unique(np.concatenate(items)) if items else np.zeros(0, np.int64)


def indexed(prisms: Prisms, cell_m: float = 32.0) -> Obstacles:
    """Return buildings together with their bounding rectangles and a grid index over them."""
    if len(prisms) == 0:
        lower = upper = np.zeros((0, 2))
    else:
        start = prisms.offset[:-1]
        lower = np.minimum.reduceat(prisms.vertices_m, start, axis=0)
        upper = np.maximum.reduceat(prisms.vertices_m, start, axis=0)
    return Obstacles(prisms, grid_over(lower, upper, cell_m), lower, upper)
