"""Lidar returns of a scan: range noise, drop-out, and points in the vehicle's frame.

Returns are kept as rays and exact ranges. Their points, which take three times the memory, are computed when something reads them: the
noise of a ray depends only on the key of its scan and on its number.
"""

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, UInt16
from numba import njit

from v2xsim.gpu.lidar.cast import Scan, as_cast
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import Rays, rays_of
from v2xsim.records import BUILDING, NOTHING

# Constants of splitmix64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_16, _27, _30, _31 = np.uint64(16), np.uint64(27), np.uint64(30), np.uint64(31)
_LOW_16 = np.uint64(0xFFFF)
# No quantile of `_normal_quantiles` is farther from 0.
_MOST_DEVIATIONS = 4.4
# Far above the rounding of a height computed from a range and a direction.
_ROUNDING_M = 1e-6
# Factor that makes a range smaller by more than the rounding of float32.
_LESS = 1.0 - 1e-6
# A ray that gains less height per metre than this, or loses less, runs level over any range.
_NO_RISE = 1e-12


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
        on_building: Whether each return lies on a building.
    """

    rays: Rays
    vehicle_from_sensor: Float[np.ndarray, "4 4"]
    noise: Noise
    first: Int64[np.ndarray, " beams_plus_1"]
    range_m: Float32[np.ndarray, " returns"]
    column: UInt16[np.ndarray, " returns"]
    on_building: Bool[np.ndarray, " returns"]

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
            *self._arrays(), self.on_building, np.ascontiguousarray(world_from_vehicle, np.float64), lower, cell_m, cells,
            above_m,
        )  # fmt: skip
        rows, points = _in_cells(*arguments)
        return rows, points

    def _arrays(self) -> tuple[Any, ...]:
        rays = self.rays
        return (
            self.range_m, self.column, self.first, rays.cos_el, rays.sin_el, rays.cos_az, rays.sin_az,
            np.ascontiguousarray(self.vehicle_from_sensor, np.float64), np.uint64(self.noise.key), _normal_quantiles(),
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

    @property
    def on_building(self) -> Bool[np.ndarray, " returns"]:
        """Whether each return lies on a building of the map."""
        return np.concatenate([np.zeros(0, bool), *(lidar.on_building for lidar in self.lidars)])

    def in_cells(
        self, world_from_vehicle: Float[np.ndarray, "4 4"], lower: Int64[np.ndarray, " 2"], cell_m: float,
        cells: Bool[np.ndarray, "nx ny"], above_m: float,
    ) -> tuple[Int64[np.ndarray, " kept"], Float[np.ndarray, "kept 3"]]:  # fmt: skip
        """Return row and position of the returns that lie in wanted cells of the world grid, and not on a building.

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


def returns(
    scan: Scan, beams: Beams, vehicle_from_sensor: Float[np.ndarray, "4 4"], noise: Noise
) -> tuple[LidarReturns, Int32[np.ndarray, " returns"]]:
    """Return the returns of one scan, and what each of them hit: the agent id of a road user, GROUND or BUILDING."""
    box_id = np.unique(scan.object_id[scan.object_id >= 0])
    depth, row = as_cast(scan, box_id)
    first = np.empty(len(depth) + 1, np.int64)
    range_m, object_id, column, on_building = (
        np.empty(depth.size, dtype) for dtype in (np.float32, np.int32, np.uint16, np.bool_)
    )
    count = kept_returns(
        depth, row, np.uint64(noise.key), noise.lost_below, box_id, first, range_m, object_id, column, on_building,
        np.zeros(len(box_id), np.int64),
    )  # fmt: skip
    measured = LidarReturns(
        rays_of(beams), vehicle_from_sensor, noise, first, range_m[:count], column[:count], on_building[:count]
    )
    return measured, object_id[:count]


@lru_cache(maxsize=1)
def _normal_quantiles() -> Float[np.ndarray, " 65536"]:
    """Return the standard normal quantiles at the centres of 65,536 equal probability steps: up to 4.3 standard deviations."""
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (i + 0.5) / 65536.0) for i in range(32768)])
    return np.concatenate([-upper[::-1], upper])


@njit(cache=True, nogil=True, error_model="numpy")
def random_bits(key, ray):  # type: ignore[no-untyped-def]
    """Return 64 random bits of a ray: 48 decide whether its return is lost, 16 give the noise of its range.

    This is splitmix64 (Steele, Lea, Flood, OOPSLA 2014) of the ray's number.
    """
    bits = key + np.uint64(ray + 1) * _GOLDEN
    bits = (bits ^ (bits >> _30)) * _MIX_1
    bits = (bits ^ (bits >> _27)) * _MIX_2
    return bits ^ (bits >> _31)


@njit(cache=True, nogil=True, error_model="numpy")
def kept_returns(depth, row, key, lost_below, box_id, first, range_m, object_id, column, on_building, hits):  # type: ignore[no-untyped-def]
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
        on_building: Written: whether each return lies on a building.
        hits: Number of returns on each box; those of this scan are added.
    """
    beams, columns = depth.shape
    kept = np.empty(columns, np.bool_)
    count = 0
    for b in range(beams):
        first[b] = count
        depth_row, met_row = depth[b], row[b]
        for k in range(columns):
            kept[k] = (met_row[k] != NOTHING) & (random_bits(key, b * columns + k) >> _16 >= lost_below)
        for k in range(columns):
            if kept[k]:
                met = met_row[k]
                range_m[count] = depth_row[k]
                column[count] = k
                on_building[count] = met == BUILDING
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
            r = max(0.0, float(range_m[n]) + noise_m * quantile[bits & _LOW_16])
            c, s = cos_az[k], sin_az[k]
            points[n, 0] = r * (c * px + s * qx + sx) + pose[0, 3]
            points[n, 1] = r * (c * py + s * qy + sy) + pose[1, 3]
            points[n, 2] = r * (c * pz + s * qz + sz) + pose[2, 3]
    return points


@njit(cache=True, nogil=True, error_model="numpy")
def _in_cells(  # type: ignore[no-untyped-def]
    range_m, column, first, cos_el, sin_el, cos_az, sin_az, pose, key, quantile, noise_m, left_out,
    world, lower, cell_m, cells, above_m,
):  # fmt: skip
    """Return row and point of the returns in wanted cells; the points are those of `_points`.

    Few returns are wanted. So those that cannot be, whatever their noise, are passed over in loops that become vector code.
    """
    columns, count = len(cos_az), 0
    rows, points = np.empty(len(range_m), np.int64), np.empty((len(range_m), 3))
    # No noise moves a return farther than this.
    moved_m = _MOST_DEVIATIONS * noise_m + _ROUNDING_M
    nearest_m = _nearest_m(world, pose, lower, cell_m, cells) - moved_m
    tilt = np.sqrt(pose[2, 0] * pose[2, 0] + pose[2, 1] * pose[2, 1])
    seen_from = _cells_along(world, pose, lower, cell_m, cos_az, sin_az)
    is_near = np.zeros((columns + 7) // 8 * 8, np.bool_)
    eights = is_near.view(np.uint64)
    near, u, v = np.empty(columns + 8, np.uint32), np.empty(columns), np.empty(columns)
    x, y, z = np.empty(columns), np.empty(columns), np.empty(columns)
    for b in range(len(cos_el)):
        ce, se = cos_el[b], sin_el[b]
        px, qx, sx = pose[0, 0] * ce, pose[0, 1] * ce, pose[0, 2] * se
        py, qy, sy = pose[1, 0] * ce, pose[1, 1] * ce, pose[1, 2] * se
        pz, qz, sz = pose[2, 0] * ce, pose[2, 1] * ce, pose[2, 2] * se
        # Most returns lie on the road or on buildings.
        low_m, high_m = _range_above(pose[2, 3] - above_m, moved_m, sz - tilt * ce, sz + tilt * ce)
        low_m = max(low_m, np.float32(nearest_m * _LESS))
        begin, size = first[b], first[b + 1] - first[b]
        beam_range_m, beam_column = range_m[begin : begin + size], column[begin : begin + size]
        beam_left_out = left_out[begin : begin + size]
        for n in range(size):
            is_near[n] = (beam_range_m[n] >= low_m) & (beam_range_m[n] <= high_m) & (not beam_left_out[n])
        is_near[size : (size + 7) // 8 * 8] = False
        found = 0
        for eight in range((size + 7) // 8):
            if eights[eight] != 0:
                for n in range(8 * eight, 8 * eight + 8):
                    near[found] = n
                    found += is_near[n]
        found = _perhaps_wanted(
            near[:found], beam_range_m, beam_column, ce, se, seen_from, cells, moved_m / cell_m, u, v
        )
        for m in range(found):
            k = beam_column[near[m]]
            bits = random_bits(key, b * columns + k)
            r = max(0.0, float(beam_range_m[near[m]]) + noise_m * quantile[bits & _LOW_16])
            c, s = cos_az[k], sin_az[k]
            x[m] = r * (c * px + s * qx + sx) + pose[0, 3]
            y[m] = r * (c * py + s * qy + sy) + pose[1, 3]
            z[m] = r * (c * pz + s * qz + sz) + pose[2, 3]
            u[m] = np.floor((world[0, 0] * x[m] + world[0, 1] * y[m] + world[0, 2] * z[m] + world[0, 3]) / cell_m)
            v[m] = np.floor((world[1, 0] * x[m] + world[1, 1] * y[m] + world[1, 2] * z[m] + world[1, 3]) / cell_m)
        for m in range(found):
            i, j = int(u[m]) - lower[0], int(v[m]) - lower[1]
            if z[m] > above_m and 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] and cells[i, j]:
                rows[count] = begin + int(near[m])
                points[count, 0], points[count, 1], points[count, 2] = x[m], y[m], z[m]
                count += 1
    return rows[:count].copy(), points[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _cells_along(world, pose, lower, cell_m, cos_az, sin_az):  # type: ignore[no-untyped-def]
    """Return, for both axes, the numbers by which the place of a return in the window of cells is computed roughly.

    A return of a beam at a range r is at r * (cos_el * across[column] + sin_el * along) + start, in cells.
    """
    across, along, start = np.empty((2, len(cos_az))), np.empty(2), np.empty(2)
    for axis in range(2):
        turn = [
            (world[axis, 0] * pose[0, n] + world[axis, 1] * pose[1, n] + world[axis, 2] * pose[2, n]) / cell_m
            for n in range(4)
        ]
        for k in range(len(cos_az)):
            across[axis, k] = cos_az[k] * turn[0] + sin_az[k] * turn[1]
        along[axis], start[axis] = turn[2], turn[3] + world[axis, 3] / cell_m - lower[axis]
    return across, along, start


@njit(cache=True, nogil=True, error_model="numpy")
def _perhaps_wanted(near, range_m, column, ce, se, seen_from, cells, reach, u, v):  # type: ignore[no-untyped-def]
    """Move the numbers of the returns of a beam that may be in wanted cells to the front, and return how many these are.

    Args:
        near: Numbers of the returns in question; changed.
        range_m: Range of each return of the beam.
        column: Column of each return of the beam.
        ce: Cosine of the elevation of the beam.
        se: Sine of it.
        seen_from: As `_cells_along` returns it.
        cells: Wanted cells.
        reach: How far a return may be away, in cells.
        u: Memory for a number of each return.
        v: Memory for another one.
    """
    across, along, start = seen_from
    along_u, along_v = se * along[0], se * along[1]
    for m in range(len(near)):
        k, r = column[near[m]], float(range_m[near[m]])
        u[m], v[m] = r * (ce * across[0, k] + along_u) + start[0], r * (ce * across[1, k] + along_v) + start[1]
    found = 0
    for m in range(len(near)):
        near[found] = near[m]
        found += _is_any(cells, u[m], v[m], reach)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _range_above(height_m, moved_m, least_rise, most_rise):  # type: ignore[no-untyped-def]
    """Return between which ranges a beam can have returns above a limit, with a margin for the noise and for rounding errors.

    Args:
        height_m: Height of the lidar above the limit.
        moved_m: Farthest that noise moves a return.
        least_rise: Least height that a ray of the beam gains per metre; negative for rays that go down.
        most_rise: Most height that a ray of the beam gains per metre.
    """
    spare_m = height_m + moved_m * max(abs(least_rise), abs(most_rise)) + _ROUNDING_M
    if most_rise > _NO_RISE:
        return np.float32(-spare_m / most_rise * _LESS), np.float32(np.inf)
    if most_rise < -_NO_RISE:
        return np.float32(0.0), np.float32(-spare_m / most_rise / _LESS)
    return np.float32(0.0), np.float32(np.inf if spare_m > 0.0 else -1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest_m(world, pose, lower, cell_m, cells):  # type: ignore[no-untyped-def]
    """Return the horizontal distance of a lidar to the nearest wanted cell; infinite if none is wanted."""
    place_x = world[0, 0] * pose[0, 3] + world[0, 1] * pose[1, 3] + world[0, 2] * pose[2, 3] + world[0, 3]
    place_y = world[1, 0] * pose[0, 3] + world[1, 1] * pose[1, 3] + world[1, 2] * pose[2, 3] + world[1, 3]
    nearest = np.inf
    for i in range(cells.shape[0]):
        x = (lower[0] + i) * cell_m
        across = max(x - place_x, place_x - x - cell_m, 0.0)
        for j in range(cells.shape[1]):
            if cells[i, j]:
                y = (lower[1] + j) * cell_m
                along = max(y - place_y, place_y - y - cell_m, 0.0)
                nearest = min(nearest, across * across + along * along)
    return np.sqrt(nearest)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_any(cells, u, v, reach):  # type: ignore[no-untyped-def]
    """Return whether any cell is wanted within a distance, along both axes, of a place; all lengths are in cells."""
    for i in range(max(0, int(np.floor(u - reach))), min(cells.shape[0], int(np.floor(u + reach)) + 1)):
        for j in range(max(0, int(np.floor(v - reach))), min(cells.shape[1], int(np.floor(v + reach)) + 1)):
            if cells[i, j]:
                return True
    return False


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
