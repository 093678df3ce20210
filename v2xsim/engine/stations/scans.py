"""Scans of the lidars of several stations in one compiled call, which holds no lock of the interpreter.

While other Python code runs, a thread waits for this lock about as long as a scan takes (the switch interval that
`v2xsim.engine.simulation` sets). So the threads that cast lidars take the lock once for several stations, not several times for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt8
from numba import njit

from v2xsim.engine.stations.lent_memory import ReturnMemory, parts, written_parts
from v2xsim.gpu.lidar.cast import Scan, as_cast, cast_rays, plain
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import Rays, rays_of
from v2xsim.gpu.lidar.returns import LidarReturns, Noise, Returns, kept_returns
from v2xsim.perception.matching.matrix import mark
from v2xsim.records import Boxes, Obstacles, PerceptionMatrix


@dataclass(frozen=True)
class Lidars:
    """The lidars of some stations at an instant, station by station.

    Attributes:
        agent: Agent id of each station; its rays pass through its own body.
        lower: For each station: index in the world grid of cell (0, 0) of its perception matrix.
        station: For each lidar: number of its station, in rising order.
        beams: For each lidar: its beam pattern.
        vehicle_from_sensor: For each lidar: its pose on the station.
        world_from_sensor: For each lidar: its true pose in the world, from which its rays are cast.
        believed: For each lidar: its pose in the world by the station's own estimate, by which its rays are placed in the matrix.
        noise: For each lidar: errors of its ranges.
    """

    agent: Int64[np.ndarray, " stations"]
    lower: Int64[np.ndarray, "stations 2"]
    station: Int64[np.ndarray, " lidars"]
    beams: tuple[Beams, ...]
    vehicle_from_sensor: Float[np.ndarray, "lidars 4 4"]
    world_from_sensor: Float[np.ndarray, "lidars 4 4"]
    believed: Float[np.ndarray, "lidars 4 4"]
    noise: tuple[Noise, ...]


@dataclass(frozen=True)
class StationScan:
    """What the lidars of one station measured.

    Attributes:
        returns: The lidar returns.
        object_id: Agent id of the road user that each return hit, GROUND or BUILDING.
        hits: Number of returns on each road user.
        matrix: The station's perception matrix.
    """

    returns: Returns
    object_id: Int32[np.ndarray, " returns"]
    hits: Int64[np.ndarray, " agents"]
    matrix: PerceptionMatrix


class Scanner:
    """Scans with the lidars of stations.

    Args:
        obstacles: Buildings.
        cell_m: Side length of a cell of the perception matrices.
        extent_m: Distance from a station to the edge of its matrix, rounded up to whole cells.
        cast: Casts the rays of one lidar on another device, called like `v2xsim.gpu.lidar.cast.cast`; None for the processor.
    """

    def __init__(
        self, obstacles: Obstacles, cell_m: float, extent_m: float, cast: Callable[..., Scan] | None = None
    ) -> None:
        self._obstacles, self._buildings, self._cast = obstacles, plain(obstacles), cast
        self._cell_m, self._half = cell_m, int(np.ceil(extent_m / cell_m))
        self._rays: dict[int, tuple[Beams, Rays]] = {}
        self._memory = ReturnMemory()

    def lower(self, position_m: Float[np.ndarray, "stations 2"]) -> Int64[np.ndarray, "stations 2"]:
        """Return the index in the world grid of cell (0, 0) of the matrices of stations that believe to be at some positions."""
        return np.floor(position_m / self._cell_m).astype(np.int64) - self._half

    def scan(self, lidars: Lidars, boxes: Boxes, box_id: Int64[np.ndarray, " boxes"]) -> list[StationScan]:
        """Return what the lidars of each of some stations measure.

        Args:
            lidars: The lidars.
            boxes: Bounding boxes of all road users.
            box_id: Agent id of each box, in rising order.
        """
        rays = [self._rays_of(beams) for beams in lidars.beams]
        sizes = [(len(one.elevation), len(one.cos_az)) for one in rays]
        stations, side = len(lidars.agent), 2 * self._half
        written = _Written(
            [self._memory.block(beams * columns) for beams, columns in sizes],
            np.empty((len(sizes), max((beams for beams, _ in sizes), default=0) + 1), np.int64),
            np.zeros(len(sizes), np.int64),
            np.zeros((stations, len(box_id)), np.int64),
            np.zeros((stations, side, side), np.uint8),
        )
        if rays:
            measure = self._on_processor if self._cast is None else self._on_device
            measure(lidars, rays, boxes, box_id, written)
        return self._cut(lidars, rays, written)

    def _rays_of(self, beams: Beams) -> Rays:
        # The beam patterns of a run live as long as the run, so their identities stay distinct.
        if id(beams) not in self._rays:
            self._rays[id(beams)] = (beams, rays_of(beams))
        return self._rays[id(beams)][1]

    def _on_processor(
        self, lidars: Lidars, rays: list[Rays], boxes: Boxes, box_id: np.ndarray, written: "_Written"
    ) -> None:
        models = list({id(one): one for one in rays}.values())
        number = {id(one): n for n, one in enumerate(models)}
        arguments = (
            np.array([number[id(one)] for one in rays]), lidars.station, lidars.world_from_sensor, lidars.believed,
            np.array([noise.key for noise in lidars.noise], np.uint64),
            np.array([noise.lost_below for noise in lidars.noise], np.uint64),
            *_behind_each_other(models), boxes.center_m, boxes.size_m, boxes.yaw_rad, box_id,
            lidars.agent, lidars.lower * self._cell_m, float(self._cell_m), *self._buildings, *written.arrays(),
        )  # fmt: skip
        _scan_all(*arguments)

    def _on_device(
        self, lidars: Lidars, rays: list[Rays], boxes: Boxes, box_id: np.ndarray, written: "_Written"
    ) -> None:
        assert self._cast is not None
        address, first, count, hits, code = written.arrays()
        lower_m = lidars.lower * self._cell_m
        for n, s in enumerate(lidars.station.tolist()):
            scan = self._cast(
                lidars.beams[n], lidars.world_from_sensor[n], boxes, box_id, self._obstacles, int(lidars.agent[s])
            )
            depth, row = as_cast(scan, box_id)
            arguments = (
                depth, row, np.uint64(lidars.noise[n].key), lidars.noise[n].lost_below, box_id, lidars.believed[n],
                lower_m[s, 0], lower_m[s, 1], float(self._cell_m), *rays[n], address[n], first[n], hits[s], code[s],
            )  # fmt: skip
            count[n] = _measure(*arguments)

    def _cut(self, lidars: Lidars, rays: list[Rays], written: "_Written") -> list[StationScan]:
        """Return the scan of each station, so that none keeps the memory of another."""
        returns: list[list[LidarReturns]] = [[] for _ in lidars.agent]
        ids: list[list[np.ndarray]] = [[] for _ in lidars.agent]
        for n, (s, count) in enumerate(zip(lidars.station.tolist(), written.count.tolist(), strict=True)):
            beams, columns = len(rays[n].elevation), len(rays[n].cos_az)
            range_m, object_id, column, on_building = parts(written.blocks[n], beams * columns, count)
            first = written.first[n, : beams + 1].copy()
            mount = lidars.vehicle_from_sensor[n].copy()
            returns[s].append(LidarReturns(rays[n], mount, lidars.noise[n], first, range_m, column, on_building))
            ids[s].append(object_id)
        return [
            StationScan(
                Returns(tuple(returns[s])),
                ids[s][0] if len(ids[s]) == 1 else np.concatenate([np.zeros(0, np.int32), *ids[s]]),
                written.hits[s].copy(),
                PerceptionMatrix(lidars.lower[s].copy(), self._cell_m, written.code[s].copy()),
            )
            for s in range(len(lidars.agent))
        ]


@dataclass(frozen=True)
class _Written:
    """What the compiled call writes.

    Attributes:
        blocks: Memory for the returns of each lidar.
        first: For each lidar, the row of the first return of each beam, as in `LidarReturns`.
        count: Number of returns of each lidar.
        hits: For each station, the number of returns on each box.
        code: Codes of the perception matrix of each station.
    """

    blocks: list[np.ndarray]
    first: Int64[np.ndarray, "lidars most_beams_plus_1"]
    count: Int64[np.ndarray, " lidars"]
    hits: Int64[np.ndarray, "stations agents"]
    code: UInt8[np.ndarray, "stations nx ny"]

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return the arrays as the last arguments of `_scan_all`."""
        return np.array([block.ctypes.data for block in self.blocks]), self.first, self.count, self.hits, self.code


def _behind_each_other(models: list[Rays]) -> tuple[Any, ...]:
    """Return the rays of several lidars in joined arrays, with the number of the first beam and the first column of each."""
    beams = np.cumsum([0, *(len(one.elevation) for one in models)])
    columns = np.cumsum([0, *(len(one.cos_az) for one in models)])
    elevation, cos_el, sin_el, cos_az, sin_az = (
        np.concatenate(arrays) for arrays in zip(*(m[:5] for m in models), strict=True)
    )
    return elevation, cos_el, sin_el, cos_az, sin_az, np.array([one.range_m for one in models]), beams, columns


@njit(cache=True, nogil=True, error_model="numpy")
def _scan_all(  # type: ignore[no-untyped-def]
    model, station, pose, believed, key, lost_below,
    elevation, cos_el, sin_el, cos_az, sin_az, reach_m, first_beam, first_column,
    center, size, yaw, box_id, agent, lower_m, cell_m,
    vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny, offset, item, lower, upper,
    address, first, count, hits, code,
):  # fmt: skip
    """Cast and measure the scans of all lidars of some stations.

    The arguments have an element for each lidar (`model` to `lost_below`), lie behind each other for all beams or columns of all
    models (`elevation` to `first_column`: those of model m begin at first_beam[m] and first_column[m]), describe the bodies and
    the stations (`center` to `cell_m`) and the buildings, as in `cast_rays` (`vertex` to `upper`).

    Written are, for each lidar, the returns in the block of memory at an address, as `lent_memory.parts` reads them, the rows of
    the first returns of its beams (`first`) and the number of its returns (`count`); for each station, the number of returns on
    each box (`hits`) and the codes of its matrix (`code`).
    """
    for n in range(len(model)):
        s, m = station[n], model[n]
        b0, b1, c0, c1 = first_beam[m], first_beam[m + 1], first_column[m], first_column[m + 1]
        depth, row = cast_rays(
            elevation[b0:b1], cos_el[b0:b1], sin_el[b0:b1], cos_az[c0:c1], sin_az[c0:c1], reach_m[m], pose[n],
            center, size, yaw, box_id, agent[s],
            vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny, offset, item, lower, upper,
        )  # fmt: skip
        count[n] = _measure(
            depth, row, key[n], lost_below[n], box_id, believed[n], lower_m[s, 0], lower_m[s, 1], cell_m,
            elevation[b0:b1], cos_el[b0:b1], sin_el[b0:b1], cos_az[c0:c1], sin_az[c0:c1], reach_m[m],
            address[n], first[n], hits[s], code[s],
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(  # type: ignore[no-untyped-def]
    depth, row, key, lost_below, box_id, believed, lower_x, lower_y, cell_m,
    elevation, cos_el, sin_el, cos_az, sin_az, reach_m, address, first, hits, code,
):  # fmt: skip
    """Write the returns of one scan, count the hits, and mark the matrix; return the number of returns."""
    range_m, object_id, column, on_building = written_parts(address, depth.size)
    mark(code, lower_x, lower_y, cell_m, believed, elevation, cos_el, sin_el, cos_az, sin_az, reach_m, depth, row)
    return kept_returns(depth, row, key, lost_below, box_id, first, range_m, object_id, column, on_building, hits)
