"""Lidar returns of a scan: range noise, drop-out, and points in the vehicle's frame.

Returns are kept as rays and exact ranges. Their points, which take three times the memory, are computed when something reads them: the
noise of a ray depends only on the key of its scan and on its number.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, UInt16
from numba import njit

from v2xsim.gpu.lidar.cast import Scan, as_cast
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.ray_noise import LOW_16, normal_quantiles, random_bits
from v2xsim.gpu.lidar.rays import Rays, rays_of
from v2xsim.gpu.lidar.wanted_returns import in_cells
from v2xsim.records import LOST, NOTHING

_16 = np.uint64(16)


@dataclass(frozen=True)
class Noise:
    """The chance in the ranges of one scan.

    Attributes:
        range_noise_m: Standard deviation of the normal error of each range; 0 for none.
        dropout: Probability that a return is lost, 0 to 1.
        key: Random key of the scan, with 64 bits.
    """

    range_noise_m: float
    dropout: float
    key: int

    @property
    def lost_below(self) -> np.uint64:
        """A return is lost if the upper 48 bits of its random number are below this."""
        return _lost_below(self.dropout)


@lru_cache
def _lost_below(dropout: float) -> np.uint64:
    return np.uint64(round(dropout * 2.0**48))


@dataclass(frozen=True, eq=False)
class LidarReturns:
    """The returns of one lidar of a station, in the order of its beams and then of its columns.

    Attributes:
        rays: Rays of the lidar.
        vehicle_from_sensor: Pose of the lidar on the vehicle.
        noise: Errors of the ranges.
        first: Row of the first return of each beam, and behind them the number of returns.
        range_m: Exact range of each return, without noise.
        column: Column of the ray of each return.
    """

    rays: Rays
    vehicle_from_sensor: Float[np.ndarray, "4 4"]
    noise: Noise
    first: Int64[np.ndarray, " beams_plus_1"]
    range_m: Float32[np.ndarray, " returns"]
    column: UInt16[np.ndarray, " returns"]

    def __len__(self) -> int:
        return len(self.range_m)

    def points_m(self) -> Float[np.ndarray, "returns 3"]:
        """Return the position of each return in the vehicle's frame, with noise."""
        points: np.ndarray = _points(*self._arrays())
        return points

    def in_cells(
        self, world_from_vehicle: Float[np.ndarray, "4 4"], lower: Int64[np.ndarray, " 2"], cell_m: float,
        cells: Bool[np.ndarray, "nx ny"], above_m: float,
    ) -> tuple[Int64[np.ndarray, " kept"], Float[np.ndarray, "kept 3"]]:  # fmt: skip
        """Return row and position of the returns in wanted cells, as `Returns.in_cells` does."""
        arguments = (
            *self._arrays(), np.ascontiguousarray(world_from_vehicle, np.float64), lower, cell_m, cells,
            above_m,
        )  # fmt: skip
        rows, points = in_cells(*arguments)
        return rows, points

    def _arrays(self) -> tuple[Any, ...]:
        rays = self.rays
        return (
            self.range_m, self.column, self.first, rays.cos_el, rays.sin_el, rays.cos_az, rays.sin_az,
            np.ascontiguousarray(self.vehicle_from_sensor, np.float64), np.uint64(self.noise.key), normal_quantiles(),
            float(self.noise.range_noise_m),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Returns:
    """The lidar returns of a station, lidar by lidar.

    Attributes:
        lidars: Returns of each of the station's lidars.
    """

    lidars: tuple[LidarReturns, ...]

    def __len__(self) -> int:
        return sum(len(lidar) for lidar in self.lidars)

    @property
    def points_m(self) -> Float[np.ndarray, "returns 3"]:
        """Position of each return in the station's frame; computed again at each use."""
        if len(self.lidars) == 1:
            return self.lidars[0].points_m()
        return np.concatenate([np.zeros((0, 3)), *(lidar.points_m() for lidar in self.lidars)])

    def in_cells(
        self, world_from_vehicle: Float[np.ndarray, "4 4"], lower: Int64[np.ndarray, " 2"], cell_m: float,
        cells: Bool[np.ndarray, "nx ny"], above_m: float,
    ) -> tuple[Int64[np.ndarray, " kept"], Float[np.ndarray, "kept 3"]]:  # fmt: skip
        """Return row and position of the returns that lie in wanted cells of the world grid.

        Args:
            world_from_vehicle: Pose of the vehicle in the world.
            lower: Index in the world grid of cell (0, 0) of `cells`.
            cell_m: Side length of a cell.
            cells: Whether the returns in each cell are wanted.
            above_m: Height in the vehicle's frame; only returns above it are wanted.

        Returns:
            Row numbers among all returns, in rising order, and positions in the vehicle's frame.
        """
        parts = [lidar.in_cells(world_from_vehicle, lower, cell_m, cells, above_m) for lidar in self.lidars]
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *(len(lidar) for lidar in self.lidars)])
        rows = [part[0] + shift for part, shift in zip(parts, before[:-1], strict=True)]
        return (
            np.concatenate([np.zeros(0, np.int64), *rows]),
            np.concatenate([np.zeros((0, 3)), *(part[1] for part in parts)]),
        )


def without_lost(scan: Scan, noise: Noise) -> Scan:
    """Return what a lidar knows of a scan: a ray whose return is lost is LOST, and shows nothing, not even that its way is free."""
    object_id = scan.object_id.copy()
    lose_returns(object_id, np.uint64(noise.key), noise.lost_below)
    range_m: np.ndarray = np.where(object_id == LOST, np.float32(np.inf), scan.range_m)
    return Scan(range_m, object_id, scan.triangle)


def returns(
    scan: Scan, beams: Beams, vehicle_from_sensor: Float[np.ndarray, "4 4"], noise: Noise
) -> tuple[LidarReturns, Int32[np.ndarray, " returns"]]:
    """Return the returns of one scan, and what each of them hit: the agent id of a road user, GROUND or BUILDING."""
    box_id = np.unique(scan.object_id[scan.object_id >= 0])
    depth, row = as_cast(scan, box_id)
    first = np.empty(len(depth) + 1, np.int64)
    range_m, object_id, column = (np.empty(depth.size, dtype) for dtype in (np.float32, np.int32, np.uint16))
    count = kept_returns(
        depth, row, np.uint64(noise.key), noise.lost_below, box_id, first, range_m, object_id, column,
        np.zeros(len(box_id), np.int64),
    )  # fmt: skip
    measured = LidarReturns(rays_of(beams), vehicle_from_sensor, noise, first, range_m[:count], column[:count])
    return measured, object_id[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def lose_returns(row, key, lost_below):  # type: ignore[no-untyped-def]
    """Mark the rays of a scan that are lost at random (LOST), also those that meet nothing; arguments as in `kept_returns`."""
    beams, columns = row.shape
    if lost_below == 0:
        return
    for b in range(beams):
        met_row = row[b]
        for k in range(columns):
            met_row[k] = LOST if random_bits(key, b * columns + k) >> _16 < lost_below else met_row[k]


@njit(cache=True, nogil=True, error_model="numpy")
def kept_returns(depth, row, key, lost_below, box_id, first, range_m, object_id, column, hits):  # type: ignore[no-untyped-def]
    """Write the returns of a scan that are not lost, and return their number.

    Args:
        depth: Distance of each ray, from `cast_rays`.
        row: What each ray hits, from `cast_rays`.
        key: Random key of the scan.
        lost_below: As `Noise.lost_below`.
        box_id: Agent id of each box.
        first: Written: row of the first return of each beam, and the number of returns.
        range_m: Written: exact range of each return.
        object_id: Written: agent id of the road user that each return hit, GROUND or BUILDING.
        column: Written: column of each return.
        hits: Number of returns on each box; those of this scan are added.
    """
    beams, columns = depth.shape
    kept = np.empty(columns, np.bool_)
    count = 0
    for b in range(beams):
        first[b] = count
        depth_row, met_row = depth[b], row[b]
        for k in range(columns):
            kept[k] = (met_row[k] != NOTHING) & (met_row[k] != LOST)
        if lost_below > 0:
            for k in range(columns):
                kept[k] &= random_bits(key, b * columns + k) >> _16 >= lost_below
        for k in range(columns):
            if kept[k]:
                met = met_row[k]
                range_m[count] = depth_row[k]
                column[count] = k
                if met >= 0:
                    hits[met] += 1
                    object_id[count] = box_id[met]
                else:
                    object_id[count] = met
                count += 1
    first[beams] = count
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _points(range_m, column, first, cos_el, sin_el, cos_az, sin_az, pose, key, quantile, noise_m):  # type: ignore[no-untyped-def]
    """Return the points of a scan in the vehicle's frame."""
    points = np.empty((len(range_m), 3))
    columns = len(cos_az)
    for b in range(len(cos_el)):
        ce, se = cos_el[b], sin_el[b]
        # The direction in the vehicle's frame is cos_az * p + sin_az * q + s.
        px, qx, sx = pose[0, 0] * ce, pose[0, 1] * ce, pose[0, 2] * se
        py, qy, sy = pose[1, 0] * ce, pose[1, 1] * ce, pose[1, 2] * se
        pz, qz, sz = pose[2, 0] * ce, pose[2, 1] * ce, pose[2, 2] * se
        for n in range(first[b], first[b + 1]):
            k = column[n]
            bits = random_bits(key, b * columns + k)
            r = max(0.0, float(range_m[n]) + noise_m * quantile[bits & LOW_16])
            c, s = cos_az[k], sin_az[k]
            points[n, 0] = r * (c * px + s * qx + sx) + pose[0, 3]
            points[n, 1] = r * (c * py + s * qy + sy) + pose[1, 3]
            points[n, 2] = r * (c * pz + s * qz + sz) + pose[2, 3]
    return points


def hits_per_agent(
    object_id: Int64[np.ndarray, " points"], agent: Int64[np.ndarray, " agents"]
) -> Int64[np.ndarray, " agents"]:
    """Return the number of lidar returns on each road user; `agent` must be in rising order."""
    hits: np.ndarray = _hits(object_id, agent)
    return hits


@njit(cache=True, nogil=True)
def _hits(object_id, agent):  # type: ignore[no-untyped-def]
    hits = np.zeros(len(agent), np.int64)
    if len(agent) == 0:
        return hits
    row = np.full(agent[-1] + 1, -1, np.int64)
    for r in range(len(agent)):
        row[agent[r]] = r
    for n in range(len(object_id)):
        name = object_id[n]
        if 0 <= name < len(row) and row[name] >= 0:
            hits[row[name]] += 1
    return hits
