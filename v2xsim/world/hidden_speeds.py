"""The highest speed of a road user that may be hidden at a place: the speed limit on a road, that of a bicycle close beside it, that of a runner elsewhere."""

import numpy as np
from jaxtyping import Float, Int8, Int16, Int64
from numba import njit

from v2xsim.perception.matching.relevance import OTHER_SPEED_MPS
from v2xsim.world.footprints import cells_inside
from v2xsim.world.road_users import BICYCLE as BICYCLE_KIND
from v2xsim.world.road_users import KINDS, PEDESTRIAN
from v2xsim.world.roads import BICYCLE, FOOT, JUNCTION, MOTOR, NOBODY, Roads
from v2xsim.world.tiles import TILE, TiledMap

RUNNER_SPEED_MPS = 2.2
"""Speed away from roads, and on paths for pedestrians: 8 km/h, the running adult of Euro NCAP's tests (recalled, not checked)."""

CYCLIST_SPEED_MPS = 7.0
"""Highest speed on a path for bicycles and beside roads: 25 km/h, up to which electric bicycles assist in the EU (recalled, not checked)."""

ROADSIDE_M = 4.0
"""Width of the strip on each side of a road for motor vehicles in which bicycles ride and parked cars pull out: a sidewalk of 2.5 m and
a cycle path of 1.6 m (German guideline RASt 06; recalled, not checked)."""


def top_speeds_mps(
    kind: Int8[np.ndarray, " agents"], velocity_mps: Float[np.ndarray, "agents 2"]
) -> Float[np.ndarray, " agents"]:
    """Return the highest speed that each true road user may soon have: that of its class, or its present one if it is faster.

    Pedestrians run, bicycles ride as fast as beside a road, and motor vehicles, standing ones included, drive at `OTHER_SPEED_MPS`.

    Args:
        kind: Class of each road user (`v2xsim.world.road_users.KINDS`).
        velocity_mps: Velocity of each over ground.
    """
    of_kind_mps = np.full(len(KINDS), OTHER_SPEED_MPS)
    of_kind_mps[PEDESTRIAN], of_kind_mps[BICYCLE_KIND] = RUNNER_SPEED_MPS, CYCLIST_SPEED_MPS
    top_mps: Float[np.ndarray, " agents"] = np.maximum(of_kind_mps[kind], np.hypot(*velocity_mps.T))
    return top_mps


class HiddenSpeeds:
    """The highest speed that a road user hidden at each cell of the map is assumed to have.

    A cell is on a lane if the lane covers a part of it, measured from the cell's centre, and on a junction if its centre is.
    Where roads overlap, also on a bridge above another road, the highest limit counts. The direction of travel does not.

    Args:
        roads: Roads of the map.
        cell_m: Side length of a cell.
        everywhere_mps: A speed that holds for all cells, whatever the roads; None takes it from the roads.

    Attributes:
        everywhere_mps: The speed that holds for all cells; None if it follows from the roads.
        speed_mps: The speeds that occur, in rising order; the first one is that away from roads.
    """

    def __init__(self, roads: Roads, cell_m: float, everywhere_mps: float | None = None) -> None:
        self._roads, self._cell_m = roads, cell_m
        self.everywhere_mps = everywhere_mps
        if everywhere_mps is None and (roads.users == NOBODY).all():
            self.everywhere_mps = OTHER_SPEED_MPS
        if self.everywhere_mps is not None:
            self.speed_mps = np.array([self.everywhere_mps])
            return
        highest_mps = _highest_mps(roads)
        self.speed_mps = np.unique(np.append(highest_mps, (RUNNER_SPEED_MPS, CYCLIST_SPEED_MPS)))
        self._row = np.searchsorted(self.speed_mps, highest_mps).astype(np.int16)
        self._beside_row = np.int16(np.searchsorted(self.speed_mps, CYCLIST_SPEED_MPS))
        start = roads.offset[:-1]
        margin_m = (roads.width_m + cell_m)[:, None] / 2.0 + ROADSIDE_M
        self._lower_m = np.minimum.reduceat(roads.points_m, start, axis=0) - margin_m
        self._upper_m = np.maximum.reduceat(roads.points_m, start, axis=0) + margin_m
        self._map = TiledMap(self._draw)

    def rows(self, lower: Int64[np.ndarray, "windows 2"], shape: tuple[int, int]) -> Int16[np.ndarray, "windows nx ny"]:
        """Return the row in `speed_mps` of each cell of some windows.

        Args:
            lower: World cell index of each window's cell (0, 0).
            shape: Number of cells of a window in x and y.
        """
        if self.everywhere_mps is not None:
            return np.zeros((len(lower), *shape), np.int16)
        return self._map.windows(lower, shape)

    def at(self, place_m: Float[np.ndarray, "places 2"]) -> Float[np.ndarray, " places"]:
        """Return the speed that is assumed at some places."""
        if self.everywhere_mps is not None or len(place_m) == 0:
            return np.full(len(place_m), self.everywhere_mps or 0.0)
        cell = np.floor(place_m / self._cell_m).astype(np.int64)
        speed_mps: Float[np.ndarray, " places"] = self.speed_mps[self.rows(cell, (1, 1))[:, 0, 0]]
        return speed_mps

    def _draw(self, lower: Int64[np.ndarray, " 2"], rows: Int16[np.ndarray, "tile tile"]) -> None:
        """Write the row of each cell of a tile, in place."""
        first_m = lower * self._cell_m
        reaches = (self._lower_m <= first_m + TILE * self._cell_m) & (self._upper_m >= first_m)
        for road in np.flatnonzero(reaches.all(axis=1) & (self._row > 0)).tolist():
            points_m = self._roads.points_m[self._roads.offset[road] : self._roads.offset[road + 1]]
            if self._roads.kind[road] == JUNCTION:
                corner = np.floor(points_m / self._cell_m).astype(np.int64)
                low, high = np.maximum(corner.min(axis=0), lower), np.minimum(corner.max(axis=0), lower + TILE - 1)
                i, j = (cells_inside(points_m, low, high, self._cell_m) - lower).T
                rows[i, j] = np.maximum(rows[i, j], self._row[road])
            else:
                reach = (self._roads.width_m[road] / self._cell_m + 1.0) / 2.0
                line, beside = points_m / self._cell_m - lower, ROADSIDE_M / self._cell_m
                _draw_line(rows, line, reach, self._row[road])
                if self._roads.users[road] == MOTOR:
                    _draw_line(rows, line, reach + beside, min(self._row[road], self._beside_row))


def _highest_mps(roads: Roads) -> Float[np.ndarray, " roads"]:
    """Return the highest speed on each road; the limit of a path is that of its users, not that of the road beside it."""
    is_limit = np.isfinite(roads.limit_mps) & (roads.limit_mps > 0.0)
    speed_mps = np.where(is_limit, roads.limit_mps, OTHER_SPEED_MPS)
    speed_mps[(roads.users == FOOT) | (roads.users == NOBODY)] = RUNNER_SPEED_MPS
    speed_mps[roads.users == BICYCLE] = np.minimum(speed_mps[roads.users == BICYCLE], CYCLIST_SPEED_MPS)
    return np.maximum(speed_mps, RUNNER_SPEED_MPS)


@njit(cache=True, nogil=True)
def _draw_line(rows, points, reach, row):  # type: ignore[no-untyped-def]
    """Raise the cells whose centres are nearer than `reach` to a line to a row, in place; all lengths in cells."""
    for k in range(len(points) - 1):
        ax, ay = points[k]
        bx, by = points[k + 1]
        dx, dy = bx - ax, by - ay
        squared = dx * dx + dy * dy
        for i in range(max(0, int(np.floor(min(ax, bx) - reach))), min(TILE, int(np.ceil(max(ax, bx) + reach)))):
            for j in range(max(0, int(np.floor(min(ay, by) - reach))), min(TILE, int(np.ceil(max(ay, by) + reach)))):
                x, y = i + 0.5 - ax, j + 0.5 - ay
                along = 0.0
                if squared > 0.0:
                    along = min(1.0, max(0.0, (x * dx + y * dy) / squared))
                off_x, off_y = x - along * dx, y - along * dy
                if off_x * off_x + off_y * off_y < reach * reach and rows[i, j] < row:
                    rows[i, j] = row
