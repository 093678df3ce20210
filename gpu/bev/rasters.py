"""Rasters of a scene from above: road users, buildings, road surface, lane lines, and what lidars saw of it.

A raster lies around a station and turns with it. Row 0 is in front, column 0 on the left: as a picture seen from above with the heading upwards. A cell has
the value of the point at its middle.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64
from numba import njit

from v2xsim.records import Boxes, Prisms


@dataclass(frozen=True)
class Raster:
    """Where the cells of a raster lie.

    Attributes:
        rows: Number of rows, along the heading.
        columns: Number of columns, across the heading.
        cell_m: Side length of a cell.
        center_m: Position of the middle of the raster in the world.
        yaw_rad: Heading, counter-clockwise from the world's x axis.
    """

    rows: int
    columns: int
    cell_m: float
    center_m: tuple[float, float]
    yaw_rad: float

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1 or not 0.0 < self.cell_m < math.inf:
            raise ValueError(
                f"a raster needs a row, a column and a positive cell_m, got {self.rows} x {self.columns} cells of {self.cell_m} m"
            )

    @property
    def places_m(self) -> Float[np.ndarray, "rows columns 2"]:
        """Position of the middle of each cell in the world."""
        ahead = (0.5 * (self.rows - 1) - np.arange(self.rows)) * self.cell_m
        left = (0.5 * (self.columns - 1) - np.arange(self.columns)) * self.cell_m
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        east = self.center_m[0] + cos * ahead[:, None] - sin * left[None]
        north = self.center_m[1] + sin * ahead[:, None] + cos * left[None]
        return np.stack([east, north], axis=-1)

    def in_cells(self, points_m: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return points of the world as fractional rows and columns; the middle of the first cell is (0, 0)."""
        east, north = points_m[:, 0] - self.center_m[0], points_m[:, 1] - self.center_m[1]
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        ahead, left = cos * east + sin * north, cos * north - sin * east
        return np.column_stack(
            [0.5 * (self.rows - 1) - ahead / self.cell_m, 0.5 * (self.columns - 1) - left / self.cell_m]
        )


def road_users(raster: Raster, boxes: Boxes) -> Int32[np.ndarray, "rows columns"]:
    """Return the row of the body on each cell, -1 for none; of several, the one that reaches highest."""
    order = np.argsort(boxes.center_m[:, 2] + boxes.size_m[:, 2], kind="stable")
    found = np.full((raster.rows, raster.columns), -1, np.int32)
    center = raster.in_cells(boxes.center_m[order, :2])
    turn = boxes.yaw_rad[order] - raster.yaw_rad
    half = 0.5 * boxes.size_m[order, :2] / raster.cell_m
    # Rows run against the heading and columns to the right.
    _fill_boxes(found, center, np.column_stack([-np.cos(turn), -np.sin(turn)]), half, order.astype(np.int32))
    return found


def buildings(raster: Raster, prisms: Prisms) -> Bool[np.ndarray, "rows columns"]:
    """Return whether a building stands on each cell; courtyards are free."""
    found = np.zeros((raster.rows, raster.columns), np.bool_)
    _fill_polygons(found, raster.in_cells(prisms.vertices_m), prisms.offset)
    return found


def strips(
    raster: Raster, points_m: Float[np.ndarray, "points 2"], offset: Int64[np.ndarray, " lines_plus_1"], width_m: Float[np.ndarray, " lines"],
) -> Bool[np.ndarray, "rows columns"]:  # fmt: skip
    """Return whether each cell lies on a strip along a line: the surface of roads and lanes.

    Args:
        raster: The raster.
        points_m: Points of all lines, line after line.
        offset: First point of each line, and behind them the number of points.
        width_m: Width of the strip along each line.
    """
    found = np.zeros((raster.rows, raster.columns), np.bool_)
    _fill_strips(found, raster.in_cells(points_m), offset, 0.5 * width_m / raster.cell_m)
    return found


def lines(
    raster: Raster, points_m: Float[np.ndarray, "points 2"], offset: Int64[np.ndarray, " lines_plus_1"]
) -> Bool[np.ndarray, "rows columns"]:
    """Return whether a line passes each cell closely: within half the diagonal of a cell of its middle. Arguments as of `strips`."""
    return strips(raster, points_m, offset, np.full(len(offset) - 1, math.sqrt(2.0) * raster.cell_m))


def seen(
    users: Int32[np.ndarray, "rows columns"], points: Int64[np.ndarray, " bodies"], least: int = 1
) -> Int32[np.ndarray, "rows columns"]:
    """Return the raster of `road_users` with only those bodies on which lidars have some returns.

    Args:
        users: The raster.
        points: Number of returns on each body, a row of the boxes of `road_users` each: of one station for what it sees, of several together for what
            they see together.
        least: Least number of returns with which a body counts as seen, as a whole.

    Raises:
        ValueError: If there are fewer numbers than bodies.
    """
    if users.max(initial=-1) >= len(points):
        raise ValueError(
            f"points must have a number for each body, got {len(points)}, and the raster shows body {users.max()}"
        )
    kept = np.append(points >= least, False)
    found: np.ndarray = np.where(kept[users], users, np.int32(-1))
    return found


@njit(cache=True, nogil=True)
def _window(low, high, count):  # type: ignore[no-untyped-def]
    """Return the first and the last number from 0 to count - 1 in an interval."""
    return max(0, math.ceil(low)), min(count - 1, math.floor(high))


@njit(cache=True, nogil=True)
def _fill_boxes(found, center, along, half, name):  # type: ignore[no-untyped-def]
    for n in range(len(center)):
        # Unit vectors of length and width, in rows and columns.
        ax, ay = along[n]
        bx, by = -ay, ax
        tall = abs(ax) * half[n, 0] + abs(bx) * half[n, 1]
        wide = abs(ay) * half[n, 0] + abs(by) * half[n, 1]
        top, bottom = _window(center[n, 0] - tall, center[n, 0] + tall, found.shape[0])
        left, right = _window(center[n, 1] - wide, center[n, 1] + wide, found.shape[1])
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                x, y = i - center[n, 0], j - center[n, 1]
                if abs(x * ax + y * ay) <= half[n, 0] and abs(x * bx + y * by) <= half[n, 1]:
                    found[i, j] = name[n]


@njit(cache=True, nogil=True)
def _fill_polygons(found, corner, offset):  # type: ignore[no-untyped-def]
    crossing = np.empty(len(corner) + 1)
    for n in range(len(offset) - 1):
        own = corner[offset[n] : offset[n + 1]]
        top, bottom = _window(own[:, 0].min(), own[:, 0].max(), found.shape[0])
        for i in range(top, bottom + 1):
            count, last = 0, len(own) - 1
            for v in range(len(own)):
                if (own[v, 0] > i) != (own[last, 0] > i):
                    share = (i - own[v, 0]) / (own[last, 0] - own[v, 0])
                    crossing[count] = own[v, 1] + share * (own[last, 1] - own[v, 1])
                    count += 1
                last = v
            between = np.sort(crossing[:count])
            for k in range(0, count - 1, 2):
                left, right = _window(between[k], between[k + 1], found.shape[1])
                found[i, left : right + 1] = True


@njit(cache=True, nogil=True)
def _fill_strips(found, point, offset, half):  # type: ignore[no-untyped-def]
    for n in range(len(offset) - 1):
        for k in range(offset[n], offset[n + 1] - 1):
            x, y = point[k]
            dx, dy = point[k + 1, 0] - x, point[k + 1, 1] - y
            square = dx * dx + dy * dy
            top, bottom = _window(min(x, x + dx) - half[n], max(x, x + dx) + half[n], found.shape[0])
            left, right = _window(min(y, y + dy) - half[n], max(y, y + dy) + half[n], found.shape[1])
            for i in range(top, bottom + 1):
                for j in range(left, right + 1):
                    part = ((i - x) * dx + (j - y) * dy) / square if square > 0.0 else 0.0
                    part = min(max(part, 0.0), 1.0)
                    ex, ey = x + part * dx - i, y + part * dy - j
                    if ex * ex + ey * ey <= half[n] * half[n]:
                        found[i, j] = True
