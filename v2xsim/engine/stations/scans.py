"""Scans of the lidars of several stations in one compiled call, which holds no lock of the interpreter.

While other Python code runs, a thread waits for this lock about as long as a scan takes (the switch interval that
`v2xsim.engine.simulation` sets). So the threads that cast lidars take the lock once for several stations, not several times for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, UInt8
from numba import carray, njit  # type: ignore[attr-defined]

from v2xsim.engine.stations.air import Air
from v2xsim.engine.stations.lent_memory import ReturnMemory, address_of, parts, pointer, written_parts
from v2xsim.gpu.lidar.bodies.shapes import Shapes
from v2xsim.gpu.lidar.cast import Scan, as_cast, cast, cast_rays, plain
from v2xsim.gpu.lidar.mesh_incidence import mesh_cosines
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, meshes_of
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import Rays, rays_of, turning
from v2xsim.gpu.lidar.returns import LidarReturns, Noise, Returns, kept_returns, lose_returns
from v2xsim.perception.matching.matrix import PARTS, mark, of_whole_cells
from v2xsim.records import NOTHING, Boxes, Obstacles, PerceptionMatrix

ALL_BOXES = np.zeros(0, np.int32)
"""For a world in which all bodies are boxes: no shape."""


@dataclass(frozen=True)
class Lidars:
    """The lidars of some stations at an instant, station by station.

    Attributes:
        agent: Agent id of each station; its rays pass through its own body, but not through the rear part of two.
        lower: For each station: index in the world grid of cell (0, 0) of its perception matrix.
        station: For each lidar: number of its station, in rising order.
        beams: For each lidar: its beam pattern.
        vehicle_from_sensor: For each lidar: its pose on the station.
        world_from_sensor: For each lidar: its true pose in the world, from which its rays are cast.
        believed: For each lidar: its pose in the world by the station's own estimate, by which its rays are placed in the matrix.
        noise: For each lidar: errors of its ranges.
        air_key: For each lidar: random key of the echoes of the air, with 64 bits; no item in clear air.
    """

    agent: Int64[np.ndarray, " stations"]
    lower: Int64[np.ndarray, "stations 2"]
    station: Int64[np.ndarray, " lidars"]
    beams: tuple[Beams, ...]
    vehicle_from_sensor: Float[np.ndarray, "lidars 4 4"]
    world_from_sensor: Float[np.ndarray, "lidars 4 4"]
    believed: Float[np.ndarray, "lidars 4 4"]
    noise: tuple[Noise, ...]
    air_key: tuple[int, ...] = ()


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
        free_share: Share of the area of a cell that a station must see so that the cell is free; None if one ray is enough.
        cast: Casts the rays of one lidar on another device, called like `v2xsim.gpu.lidar.cast.cast`; None for the processor.
        shapes: Shapes of the bodies; None if all are boxes.
        air: Makes weak returns be lost, and echoes of the air; None if every ray in range returns.
    """

    def __init__(
        self, obstacles: Obstacles, cell_m: float, extent_m: float, cast: Callable[..., Scan] | None = None,
        free_share: float | None = None, shapes: Shapes | None = None, air: Air | None = None,
    ) -> None:  # fmt: skip
        self.obstacles, self.buildings, self.cast = obstacles, plain(obstacles), cast
        self.cell_m, self.half = cell_m, int(np.ceil(extent_m / cell_m))
        self.shapes, self.air = shapes, air
        self.free_share, self.parts = free_share, 1 if free_share is None else PARTS
        self._rays: dict[int, tuple[Beams, Rays]] = {}
        self._joined: dict[tuple[int, ...], tuple[Any, ...]] = {}
        self.memory = ReturnMemory()

    def lower(self, position_m: Float[np.ndarray, "stations 2"]) -> Int64[np.ndarray, "stations 2"]:
        """Return the index in the world grid of cell (0, 0) of the matrices of stations that believe to be at some positions."""
        return np.floor(position_m / self.cell_m).astype(np.int64) - self.half

    def scan(
        self, lidars: Lidars, boxes: Boxes, box_id: Int64[np.ndarray, " boxes"], shape: Int32[np.ndarray, " meshes"] = ALL_BOXES
    ) -> list[StationScan]:  # fmt: skip
        """Return what the lidars of each of some stations measure; arguments as of `begin`."""
        return self.begin(lidars, boxes, box_id, shape).measured(0, len(lidars.agent))

    def begin(
        self, lidars: Lidars, boxes: Boxes, box_id: Int64[np.ndarray, " boxes"], shape: Int32[np.ndarray, " meshes"] = ALL_BOXES
    ) -> "Scans":  # fmt: skip
        """Return the scans of some stations, which are measured part by part.

        Args:
            lidars: The lidars.
            boxes: Bounding boxes of all road users.
            box_id: Agent id of each box, in rising order; of a road user of two parts, the front box comes first.
            shape: Number of the shape of each body among `shapes`; no item if all are boxes.
        """
        return Scans(self, lidars, boxes, box_id, shape)

    def mesh_cosines(
        self, lidars: Lidars, boxes: Boxes, box_id: Int64[np.ndarray, " boxes"], shape: Int32[np.ndarray, " meshes"], agent: int,
    ) -> Float32[np.ndarray, " returns"]:  # fmt: skip
        """Return the cosine of the angle of incidence of each return of a station on meshes; NaN for returns on others.

        Args:
            lidars: The lidars of one station.
            boxes: As of `begin`, and so are `box_id` and `shape`.
            box_id: Agent id of each box.
            shape: Shape of each body.
            agent: The station.
        """
        assert self.shapes is not None
        meshes, (scan,) = meshes_of(self.shapes, shape), self.scan(lidars, boxes, box_id, shape)
        rows, is_rear = np.arange(len(box_id)), np.diff(box_id, prepend=-1) == 0
        carrier = np.flatnonzero((box_id == agent) & ~is_rear)
        every = []
        for n, returns in enumerate(scan.returns.lidars):
            world_from_sensor = lidars.world_from_sensor[n]
            again = cast(
                lidars.beams[n],
                world_from_sensor,
                boxes,
                rows,
                self.obstacles,
                int(carrier[0]) if len(carrier) else -1,
                meshes,
            )
            beam = np.repeat(np.arange(len(returns.first) - 1), np.diff(returns.first))
            hit, triangle = again.object_id[beam, returns.column], again.triangle[beam, returns.column]
            on = np.flatnonzero(hit >= 0)
            cosine = np.full(len(beam), np.nan, np.float32)
            direction = returns.rays.directions(beam[on], returns.column[on]) @ world_from_sensor[:3, :3].T
            cosine[on] = mesh_cosines(direction, hit[on], triangle[on].astype(np.int64), boxes, meshes)
            every.append(cosine)
        return np.concatenate([np.zeros(0, np.float32), *every])

    def rays_of(self, beams: Beams) -> Rays:
        """Return the rays of a beam pattern; they are computed once."""
        # The beam patterns of a run live as long as the run, so their identities stay distinct.
        if id(beams) not in self._rays:
            self._rays[id(beams)] = (beams, rays_of(beams))
        return self._rays[id(beams)][1]

    def joined(self, patterns: dict[int, Beams]) -> tuple[Any, ...]:
        """Return the rays of several beam patterns as arguments of `_scan_all`."""
        key = tuple(patterns)
        if key not in self._joined:
            self._joined[key] = _behind_each_other([self.rays_of(beams) for beams in patterns.values()])
        return self._joined[key]


class Scans:
    """The scans of the lidars of some stations at an instant. Several threads may measure different stations.

    Args:
        scanner: What is the same at all instants.
        lidars: The lidars.
        boxes: Bounding boxes of all road users.
        box_id: Agent id of each box, in rising order; of a road user of two parts, the front box comes first.
        shape: Number of the shape of each body; no item if all are boxes.
    """

    def __init__(
        self, scanner: Scanner, lidars: Lidars, boxes: Boxes, box_id: Int64[np.ndarray, " boxes"], shape: Int32[np.ndarray, " meshes"],
    ) -> None:  # fmt: skip
        self._meshes = NO_MESHES if scanner.shapes is None else meshes_of(scanner.shapes, shape)
        self._scanner, self._lidars, self._boxes, self._box_id = scanner, lidars, boxes, box_id
        self._rays = [scanner.rays_of(beams) for beams in lidars.beams]
        sizes = [len(one.elevation) * len(one.cos_az) for one in self._rays]
        most_beams = max((len(one.elevation) for one in self._rays), default=0)
        stations, side = len(lidars.agent), 2 * scanner.half * scanner.parts
        # Returns and codes have memory of their own for each lidar and station, so that none keeps that of another.
        self._blocks = [scanner.memory.block(size) for size in sizes]
        self._codes = [np.zeros((side, side), np.uint8) for _ in range(stations)]
        self._address = np.array([address_of(block) for block in self._blocks], np.int64)
        self._first = np.empty((len(sizes), most_beams + 1), np.int64)
        self._count = np.zeros(len(sizes), np.int64)
        # Number of returns of each station on each box.
        self.hits = np.zeros((stations, len(box_id)), np.int64)
        is_rear = np.diff(box_id, prepend=-1) == 0
        self._first_boxes = np.flatnonzero(~is_rear)
        # The lidars of a vehicle look through the part that carries them, and not through its rear part. What they measure there is
        # left out, since the vehicle knows its own body.
        self._carrier_id = np.where(is_rear, -1, box_id)
        self._own_rear = np.full(stations, -1)
        if is_rear.any():
            last = np.searchsorted(box_id, lidars.agent, "right") - 1
            self._own_rear = np.where(is_rear[last] & (box_id[last] == lidars.agent), last, -1)
        self._lower_m = lidars.lower * scanner.cell_m
        self._lidar_by_lidar = scanner.cast is not None or scanner.air is not None
        self._arguments = self._for_processor() if not self._lidar_by_lidar and len(sizes) else ()

    def measured(self, begin: int, end: int) -> list[StationScan]:
        """Return what the lidars of the stations from number `begin` up to, not including, `end` measure."""
        first, last = np.searchsorted(self._lidars.station, [begin, end]).tolist()
        if self._lidar_by_lidar:
            self._one_by_one(first, last)
        elif last > first:
            _scan_all(first, last, *self._arguments)
        returns: list[list[LidarReturns]] = [[] for _ in range(begin, end)]
        ids: list[list[np.ndarray]] = [[] for _ in range(begin, end)]
        lidars, count = self._lidars, self._count[first:last].tolist()
        for n, s, kept in zip(range(first, last), lidars.station[first:last].tolist(), count, strict=True):
            rays = self._rays[n]
            beams, columns = len(rays.elevation), len(rays.cos_az)
            range_m, object_id, column = parts(self._blocks[n], beams * columns, kept)
            mount, first_row = lidars.vehicle_from_sensor[n], self._first[n, : beams + 1]
            returns[s - begin].append(LidarReturns(rays, mount, lidars.noise[n], first_row, range_m, column))
            ids[s - begin].append(object_id)
        return [
            StationScan(
                Returns(tuple(returns[s - begin])),
                ids[s - begin][0]
                if len(ids[s - begin]) == 1
                else np.concatenate([np.zeros(0, np.int32), *ids[s - begin]]),
                self._hits_of(s),
                PerceptionMatrix(lidars.lower[s], self._scanner.cell_m, self._code_of(s)),
            )
            for s in range(begin, end)
        ]

    def _code_of(self, station: int) -> UInt8[np.ndarray, "nx ny"]:
        """Return the codes of the matrix of a station."""
        code, share = self._codes[station], self._scanner.free_share
        return code if share is None else of_whole_cells(code, self._scanner.parts, share)

    def _hits_of(self, station: int) -> Int64[np.ndarray, " agents"]:
        """Return the number of returns of a station on each road user."""
        hits: np.ndarray = self.hits[station]
        return hits if len(self._first_boxes) == len(hits) else np.add.reduceat(hits, self._first_boxes)

    def _for_processor(self) -> tuple[Any, ...]:
        """Return the arguments of `_scan_all` behind the first two."""
        lidars, boxes = self._lidars, self._boxes
        # In an order that does not depend on the stations: otherwise, the rays of each order would be joined and kept.
        patterns = dict(sorted({id(beams): beams for beams in lidars.beams}.items()))
        number = {key: n for n, key in enumerate(patterns)}
        return (
            np.array([number[id(beams)] for beams in lidars.beams]), lidars.station, lidars.world_from_sensor, lidars.believed,
            np.array([noise.key for noise in lidars.noise], np.uint64),
            np.array([noise.lost_below for noise in lidars.noise], np.uint64),
            *self._scanner.joined(patterns), self._meshes, boxes.center_m, boxes.size_m, boxes.yaw_rad, self._box_id,
            self._carrier_id, lidars.agent, self._own_rear, self._lower_m, self._scanner.cell_m / self._scanner.parts, *self._scanner.buildings,
            self._address, self._first, self._count, self.hits,
            np.array([address_of(code) for code in self._codes], np.int64),
            2 * self._scanner.half * self._scanner.parts,
        )  # fmt: skip

    def _one_by_one(self, first: int, last: int) -> None:
        """Measure with some of the lidars, whose rays are cast on another device, or whose returns have a power."""
        lidars, scanner = self._lidars, self._scanner
        rows = np.arange(len(self._box_id))
        for n, s in zip(range(first, last), lidars.station[first:last].tolist(), strict=True):
            carrier = np.flatnonzero(self._carrier_id == lidars.agent[s])
            where = lidars.beams[n], lidars.world_from_sensor[n], self._boxes
            skip = int(carrier[0]) if len(carrier) else -1
            if scanner.cast is not None:
                scan = scanner.cast(*where, rows, scanner.obstacles, skip)
            else:
                scan = cast(*where, rows, scanner.obstacles, skip, self._meshes)
            if scanner.air is not None:
                scan = scanner.air.reported(scan, *where, scanner.obstacles, self._meshes, lidars.air_key[n])
            depth, row = as_cast(scan, rows)
            arguments = (
                depth, row, np.uint64(lidars.noise[n].key), lidars.noise[n].lost_below, self._box_id, self._own_rear[s],
                lidars.believed[n], self._lower_m[s, 0], self._lower_m[s, 1], scanner.cell_m / scanner.parts, *self._rays[n], self._address[n],
                self._first[n], self.hits[s], self._codes[s],
            )  # fmt: skip
            self._count[n] = _measure(*arguments)


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
    begin, end, model, station, pose, believed, key, lost_below,
    elevation, cos_el, sin_el, cos_az, sin_az, reach_m, first_beam, first_column, meshes,
    center, size, yaw, box_id, carrier_id, agent, own_rear, lower_m, cell_m,
    vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny, offset, item, lower, upper,
    address, first, count, hits, code_address, side,
):  # fmt: skip
    """Cast and measure the scans of the lidars from number `begin` up to, not including, `end`.

    The other arguments have an element for each lidar (`model` to `lost_below`), lie behind each other for all beams or columns of all
    models (`elevation` to `first_column`: those of model m begin at first_beam[m] and first_column[m]), describe the bodies and
    the stations (`center` to `cell_m`) and the buildings, as in `cast_rays` (`vertex` to `upper`).

    Written are, for each lidar, the returns in the block of memory at an address, as `lent_memory.parts` reads them, the rows of
    the first returns of its beams (`first`) and the number of its returns (`count`); for each station, the number of returns on
    each box (`hits`) and, at an address, the codes of its matrix with `side` x `side` cells.
    """
    for n in range(begin, end):
        s, m = station[n], model[n]
        b0, b1, c0, c1 = first_beam[m], first_beam[m + 1], first_column[m], first_column[m + 1]
        faces = np.empty((b1 - b0, c1 - c0) if len(meshes.shape) else (0, 0), np.int32)
        depth, row = cast_rays(
            elevation[b0:b1], cos_el[b0:b1], sin_el[b0:b1], cos_az[c0:c1], sin_az[c0:c1], reach_m[m], turning(reach_m[m], c1 - c0), meshes, faces, pose[n],
            center, size, yaw, carrier_id, agent[s],
            vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny, offset, item, lower, upper,
        )  # fmt: skip
        count[n] = _measure(
            depth, row, key[n], lost_below[n], box_id, own_rear[s], believed[n], lower_m[s, 0], lower_m[s, 1], cell_m,
            elevation[b0:b1], cos_el[b0:b1], sin_el[b0:b1], cos_az[c0:c1], sin_az[c0:c1], reach_m[m],
            address[n], first[n], hits[s], carray(pointer(code_address[s]), (side, side), np.uint8),
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(  # type: ignore[no-untyped-def]
    depth, row, key, lost_below, box_id, own_rear, believed, lower_x, lower_y, cell_m,
    elevation, cos_el, sin_el, cos_az, sin_az, reach_m, address, first, hits, code,
):  # fmt: skip
    """Write the returns of one scan, count the hits, and mark the matrix; return the number of returns.

    Those on the station's own rear part (box `own_rear`, -1 for none) end their rays and mark the matrix, and are left out.
    """
    range_m, object_id, column = written_parts(address, depth.size)
    # Before the matrix: a return that is lost shows nothing.
    lose_returns(row, key, lost_below)
    mark(code, lower_x, lower_y, cell_m, believed, elevation, cos_el, sin_el, cos_az, sin_az, reach_m, depth, row)
    if own_rear >= 0:
        for b in range(len(depth)):
            for k in range(depth.shape[1]):
                row[b, k] = NOTHING if row[b, k] == own_rear else row[b, k]
    return kept_returns(depth, row, key, np.uint64(0), box_id, first, range_m, object_id, column, hits)
