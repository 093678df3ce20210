"""The sensing of each station at a tick: point cloud, perception matrix and the station's own detections."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from v2xsim.engine.stations.capture import Capture, DetectorDraws
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.rigs import Rigs
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.errors import UserError
from v2xsim.gpu.bev.fusion.scheme import Detect
from v2xsim.gpu.lidar.cast import Scan, cast
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.returns import hits_per_agent, joined_cloud, returns
from v2xsim.perception.detection.detector import DetectorView, detections_of
from v2xsim.perception.matching.matrix import observed_matrix
from v2xsim.records import BUILDING, Boxes, Detections, Obstacles, PerceptionMatrix, PointCloud
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.poses import inverse, moved_boxes, pose_matrix
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot

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
        self._cast = _caster(scenario.run.device)
        # A GPU serves one caller at a time, and a single thread needs no pool.
        callers = threads if scenario.run.device == "cpu" else 1
        self._pool = ThreadPoolExecutor(callers) if threads > 1 else None

    def close(self) -> None:
        """Stop the threads that cast lidars."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors) -> list[Future[Sensed]]:
        """Start the capture of every station with a lidar; return futures in rising order of the stations' agent ids."""
        rows, believed = [int(r) for r in np.flatnonzero(fleet.lidars)], errors.applied_to(fleet.pose)
        if self._pool is None:
            return [_done(self._sense(snapshot, fleet, errors, believed[row], row)) for row in rows]
        return [self._pool.submit(self._sense, snapshot, fleet, errors, believed[row], row) for row in rows]

    def cloud(self, snapshot: Snapshot, fleet: Fleet, row: int) -> PointCloud:
        """Return the lidar returns of one station at a tick; they depend on nothing but the arguments, scenario and seed."""
        return self._scanned(snapshot, fleet, row)[0]

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

    def _scanned(
        self, snapshot: Snapshot, fleet: Fleet, row: int
    ) -> tuple[PointCloud, list[tuple[Beams, Float[np.ndarray, "4 4"], Scan]]]:
        """Return the lidar returns of a station, and for each of its lidars the beams, vehicle_from_sensor and the scan."""
        lidars, agent, time_us = self._scenario.lidars, int(fleet.agent[row]), snapshot.time_us
        # Rays are cast from the true pose of the station.
        world_from_vehicle = pose_matrix(*fleet.pose[row])
        parts, scans = [], []
        carried = self._rigs.lidars(int(fleet.rig[row]))[: int(fleet.lidars[row])]
        for number, lidar in enumerate(carried):
            vehicle_from_sensor = lidar.vehicle_from_sensor(float(fleet.mount_base_m[row]))
            scan = self._cast(
                lidar.beams,
                world_from_vehicle @ vehicle_from_sensor,
                snapshot.boxes,
                snapshot.agent,
                self._obstacles,
                agent,
            )
            key = self._streams.key("lidar", agent, time_us, number)
            parts.append(
                returns(scan, lidar.beams, vehicle_from_sensor, number, lidars.range_noise_m, lidars.dropout, key)
            )
            scans.append((lidar.beams, vehicle_from_sensor, scan))
        return joined_cloud(time_us, parts), scans

    def _sense(
        self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors, believed: Float[np.ndarray, " 4"], row: int
    ) -> Sensed:
        agent, time_us, pose = int(fleet.agent[row]), snapshot.time_us, fleet.pose[row]
        # The returns are placed by the pose that the station believes.
        world_from_vehicle, world_from_believed = pose_matrix(*pose), pose_matrix(*believed)
        cloud, scans = self._scanned(snapshot, fleet, row)
        sensors = [
            (beams, world_from_believed @ vehicle_from_sensor, scan) for beams, vehicle_from_sensor, scan in scans
        ]
        grid = self._scenario.cooperation.matrix
        matrix = observed_matrix(grid.cell_m, grid.extent_m, believed[:2], sensors)
        points = hits_per_agent(cloud.object_id, snapshot.agent)
        # The visibility model detects bodies where the station would place them, moved by the error of its pose.
        apparent = moved_boxes(snapshot.boxes, world_from_believed @ inverse(world_from_vehicle))
        draws = DetectorDraws(self._streams, agent, time_us, snapshot.agent)
        view = DetectorView(
            apparent, snapshot.agent, points, lambda: transform(cloud.points_m, world_from_believed),
            lambda: observed_centers_m(matrix), draws.of_objects, draws.of_frame,
        )  # fmt: skip
        detections = detections_of(self._scenario.detector, view)
        frame = Frame(
            agent, time_us, time_us + int(errors.clock_offset_us[row]), believed, fleet.velocity_mps[row],
            cloud.points_m, cloud.object_id == BUILDING, matrix, detections,
        )  # fmt: skip
        return frame, Capture(pose, believed, snapshot, cloud.object_id, points, draws)

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

        def detect(
            objects: Boxes, points: Int64[np.ndarray, " agents"], added_m: Float[np.ndarray, "points 3"] | None = None
        ) -> Detections:
            def cloud() -> Float[np.ndarray, "points 3"]:
                own = transform(ego.points_m, pose_matrix(*ego.pose))
                return np.concatenate([own, received() if added_m is None else added_m])

            view = DetectorView(
                objects, capture.snapshot.agent, points, cloud, lambda: observed_centers_m(matrix),
                capture.draws.of_objects, capture.draws.of_frame,
            )  # fmt: skip
            return detections_of(self._scenario.detector, view)

        return detect


def _done(sensed: Sensed) -> Future[Sensed]:
    future: Future[Sensed] = Future()
    future.set_result(sensed)
    return future


def _caster(device: str) -> Callable[..., Scan]:
    if device == "cpu":
        return cast
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
