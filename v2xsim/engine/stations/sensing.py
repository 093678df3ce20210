"""The sensing of each station at a tick: point cloud, perception matrix and the station's own detections."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from v2xsim.engine.stations.capture import Capture, DetectorDraws, draws_of_frames, draws_of_rows
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.rigs import Rigs
from v2xsim.engine.stations.scans import Lidars, Scanner, StationScan
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.errors import UserError
from v2xsim.gpu.bev.fusion.scheme import Detect
from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.returns import Noise
from v2xsim.perception.detection.detector import DetectorView, detections_of
from v2xsim.perception.detection.visibility_model import (
    CLUTTER_DRAWS,
    OBJECT_DRAWS,
    Visibility,
    detect_each,
    most_false,
)
from v2xsim.records import Boxes, Detections, Obstacles, PerceptionMatrix, PointCloud
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.poses import inverses, moved_rows, pose_matrices, pose_matrix
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot

# Stations whose lidars one thread scans in one call; more take more memory and wait longer for each other.
_MOST_AT_ONCE = 12
# Mounts of lidars at different heights that are kept.
_KEPT_MOUNTS = 4096

# Types of inner functions. A type that is written there would be built again for each frame.
_Points = Float[np.ndarray, "points 3"]
_Hits = Int64[np.ndarray, " agents"]

Sensed = tuple[Frame, Capture]
"""A station's frame, which has only what the station knows, and the truth behind the frame."""


def observed_centers_m(matrix: PerceptionMatrix) -> Float[np.ndarray, "cells 2"]:
    """Return the centres of the observed cells of a matrix; the detector places false positives only there."""
    cells = np.argwhere(matrix.observed)
    return (cells + matrix.lower + 0.5) * matrix.cell_m


class Sensing:
    """Casts all lidars of a tick on several threads; the result does not depend on the number of threads."""

    def __init__(self, scenario: Scenario, obstacles: Obstacles, streams: Streams, threads: int) -> None:
        self._scenario, self._obstacles, self._streams = scenario, obstacles, streams
        self._rigs = Rigs(scenario)
        grid = scenario.cooperation.matrix
        self._scanner = Scanner(obstacles, grid.cell_m, grid.extent_m, _caster(scenario.run.device))
        self._mount = lru_cache(_KEPT_MOUNTS)(self._vehicle_from_sensor)
        # A GPU serves one caller at a time, and a single thread needs no pool.
        self._callers = threads if scenario.run.device == "cpu" else 1
        self._pool = ThreadPoolExecutor(self._callers) if threads > 1 else None

    def close(self) -> None:
        """Stop the threads that cast lidars."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors) -> list[Future[list[Sensed]]]:
        """Start the capture of every station with a lidar; return futures of several stations each.

        All captures together are in rising order of the stations' agent ids.
        """
        rows, believed = np.flatnonzero(fleet.lidars), errors.applied_to(fleet.pose)
        if self._pool is None:
            return [_done(self._sense(snapshot, fleet, errors, believed, part)) for part in _parts(rows, 1)]
        return [
            self._pool.submit(self._sense, snapshot, fleet, errors, believed, part)
            for part in _parts(rows, self._callers)
        ]

    def cloud(self, snapshot: Snapshot, fleet: Fleet, row: int) -> PointCloud:
        """Return the lidar returns of one station at a tick; they depend on nothing but the arguments, scenario and seed."""
        (scan,) = self._scanned(snapshot, fleet, fleet.pose, np.array([row]))
        number = np.arange(len(scan.returns.lidars), dtype=np.uint8)
        return PointCloud(
            snapshot.time_us, scan.returns.points_m, scan.object_id.astype(np.int64),
            np.repeat(number, [len(lidar) for lidar in scan.returns.lidars]),
        )  # fmt: skip

    def intensity(
        self, cloud: PointCloud, snapshot: Snapshot, fleet: Fleet, row: int
    ) -> Float32[np.ndarray, " points"]:
        """Return the intensity of each return of a cloud that `cloud` gave for the same station and tick.

        It is the cosine of the angle of incidence, as a Lambertian surface returns it at equal distance; materials are not
        simulated. No decision and no metric reads it.
        """
        world_from_vehicle, base_m = pose_matrix(*fleet.pose[row]), float(fleet.mount_base_m[row])
        carried = self._rigs.lidars(int(fleet.rig[row]))[: int(fleet.lidars[row])]
        lidars_m = [(world_from_vehicle @ lidar.vehicle_from_sensor(base_m))[:3, 3] for lidar in carried]
        points_m = transform(np.ascontiguousarray(cloud.points_m, np.float64), world_from_vehicle)
        return incidence_cosines(
            points_m, cloud.object_id, cloud.lidar, np.array(lidars_m), snapshot.boxes, snapshot.agent, self._obstacles,
            self._scenario.lidars.range_noise_m,
        )  # fmt: skip

    def _vehicle_from_sensor(self, rig: int, number: int, base_m: float) -> Float[np.ndarray, "4 4"]:
        return self._rigs.lidars(rig)[number].vehicle_from_sensor(base_m)

    def _scanned(
        self,
        snapshot: Snapshot,
        fleet: Fleet,
        believed: Float[np.ndarray, "stations 4"],
        rows: Int64[np.ndarray, " rows"],
    ) -> list[StationScan]:
        """Return what the lidars of some stations measured."""
        settings, time_us, number_of = self._scenario.lidars, snapshot.time_us, np.arange(len(rows))
        beams, mounts, noise = [], [], []
        for agent, rig, base_m, count in zip(
            *(array[rows].tolist() for array in (fleet.agent, fleet.rig, fleet.mount_base_m, fleet.lidars)), strict=True
        ):
            for number, lidar in enumerate(self._rigs.lidars(rig)[:count]):
                beams.append(lidar.beams)
                mounts.append(self._mount(rig, number, base_m))
                key = self._streams.key("lidar", agent, time_us, number)
                noise.append(Noise(settings.range_noise_m, settings.dropout, key))
        station, mount = np.repeat(number_of, fleet.lidars[rows]), np.array(mounts).reshape(-1, 4, 4)
        # Rays are cast from the true pose of the station, and their returns are placed by the pose that it believes.
        lidars = Lidars(
            fleet.agent[rows], self._scanner.lower(believed[rows, :2]), station, tuple(beams), mount,
            pose_matrices(fleet.pose[rows])[station] @ mount, pose_matrices(believed[rows])[station] @ mount, tuple(noise),
        )  # fmt: skip
        return self._scanner.scan(lidars, snapshot.boxes, snapshot.agent)

    def _sense(
        self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors, believed: Float[np.ndarray, "stations 4"],
        rows: Int64[np.ndarray, " rows"],
    ) -> list[Sensed]:  # fmt: skip
        """Return the frame of each of some stations and the truth behind it, with what the station detects."""
        time_us, scans = snapshot.time_us, self._scanned(snapshot, fleet, believed, rows)
        captures = [
            Capture(
                fleet.pose[row], believed[row], snapshot, scan.object_id, scan.hits,
                DetectorDraws(self._streams, int(fleet.agent[row]), time_us, snapshot.agent),
            )
            for row, scan in zip(rows.tolist(), scans, strict=True)
        ]  # fmt: skip
        frames = [
            Frame(
                int(fleet.agent[row]), time_us, time_us + int(errors.clock_offset_us[row]), believed[row],
                fleet.velocity_mps[row], scan.returns, scan.matrix, found,
            )
            for row, scan, found in zip(rows.tolist(), scans, self._detected(captures, scans), strict=True)
        ]  # fmt: skip
        return list(zip(frames, captures, strict=True))

    def _detected(self, captures: list[Capture], scans: list[StationScan]) -> list[Detections]:
        """Return what each of some stations detects by itself."""
        detector = self._scenario.detector
        # A class derived from the visibility model may detect in another way.
        if type(detector) is Visibility:
            return _visible(captures, scans, detector)
        return [detections_of(detector, _view(capture, scan)) for capture, scan in zip(captures, scans, strict=True)]

    def detector_of(
        self, ego: Frame, capture: Capture, code: UInt8[np.ndarray, "nx ny"],
        received: Callable[[], Float[np.ndarray, "points 3"]],
    ) -> Detect:  # fmt: skip
        """Return the detector that an ego runs on the fused data.

        Args:
            ego: The ego's frame.
            capture: The truth behind that frame.
            code: Codes of the ego's matrix after fusion; false positives can lie in all observed cells.
            received: Function that returns the received lidar points.
        """
        matrix = PerceptionMatrix(ego.matrix.lower, ego.matrix.cell_m, code)

        def detect(objects: Boxes, points: _Hits, added_m: _Points | None = None) -> Detections:
            def cloud() -> _Points:
                own = transform(ego.points_m, pose_matrix(*ego.pose))
                return np.concatenate([own, received() if added_m is None else added_m])

            view = DetectorView(
                objects, capture.snapshot.agent, points, cloud, lambda: observed_centers_m(matrix),
                capture.draws.of_objects, capture.draws.of_frame, capture.draws.of_rows,
            )  # fmt: skip
            return detections_of(self._scenario.detector, view)

        return detect


def _view(capture: Capture, scan: StationScan) -> DetectorView:
    """Return what a detector gets of the scan of one station."""
    draws, world_from_believed = capture.draws, pose_matrix(*capture.believed)
    # The visibility model detects bodies where the station would place them, moved by the error of its pose.
    return DetectorView(
        capture.apparent, capture.snapshot.agent, scan.hits, lambda: transform(scan.returns.points_m, world_from_believed),
        lambda: observed_centers_m(scan.matrix), draws.of_objects, draws.of_frame, draws.of_rows,
    )  # fmt: skip


def _visible(captures: list[Capture], scans: list[StationScan], detector: Visibility) -> list[Detections]:
    """Return what the visibility model detects for each of some stations: as it does for each alone, in one computation."""
    if not captures:
        return []
    draws, snapshot = [capture.draws for capture in captures], captures[0].snapshot
    true, believed = (
        pose_matrices(np.array([getattr(capture, name) for capture in captures])) for name in ("pose", "believed")
    )
    # Objects without points are never detected.
    points = np.array([capture.points for capture in captures])
    frame, row = np.nonzero(points)
    agent = snapshot.agent[row]
    return detect_each(
        frame, moved_rows(snapshot.boxes, believed @ inverses(true), frame, row), agent, points[frame, row],
        draws_of_rows(draws, frame, agent, OBJECT_DRAWS), draws_of_frames(draws, most_false(detector), CLUTTER_DRAWS),
        lambda number: observed_centers_m(scans[number].matrix), detector,
    )  # fmt: skip


def _parts(rows: Int64[np.ndarray, " rows"], callers: int) -> list[Int64[np.ndarray, " part"]]:
    """Return rows in parts of about one size, one for each call of a thread: at least two for each of several threads."""
    at_least = -(-len(rows) // _MOST_AT_ONCE)
    count = at_least if callers == 1 else 2 * callers * max(1, -(-at_least // (2 * callers)))
    return [part for part in np.array_split(rows, max(1, count)) if len(part)]


def _done(sensed: list[Sensed]) -> Future[list[Sensed]]:
    future: Future[list[Sensed]] = Future()
    future.set_result(sensed)
    return future


def _caster(device: str) -> Callable[..., Scan] | None:
    """Return what casts the rays of a lidar on a device; None for the processor."""
    if device == "cpu":
        return None
    import torch

    from v2xsim.gpu.lidar.torch_cast import cast_torch

    if not torch.cuda.is_available():
        raise UserError(
            f"run.device: must be cpu here, got {device!r}: torch {torch.__version__} finds no GPU; "
            "install a torch built for CUDA, or leave the key out"
        )

    def on_device(*arguments: object) -> Scan:
        return cast_torch(*arguments, device=device)  # type: ignore[arg-type]

    return on_device
