"""The sensing of each station at a tick: point cloud, perception matrix and the station's own detections."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, UInt8

from v2xsim.engine.stations.air import Air
from v2xsim.engine.stations.body_shapes import body_shapes
from v2xsim.engine.stations.capture import (
    Capture,
    DetectorDraws,
    believed_from_true_of,
    draws_of_frames,
    draws_of_rows,
)
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.rigs import Rigs
from v2xsim.engine.stations.scans import ALL_BOXES, Lidars, Scanner, StationScan
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.workers import Workers
from v2xsim.errors import UserError
from v2xsim.gpu.bev.fusion.scheme import Detect, DetectEach
from v2xsim.gpu.lidar.bodies import shapes
from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.returns import Noise
from v2xsim.perception.detection.detector import DetectorView, DetectorViews, detections_of, detections_of_each
from v2xsim.records import Boxes, Detections, Obstacles, PerceptionMatrix, PointCloud
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.poses import inverses, moved_rows, pose_matrices, pose_matrix
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot

# Mounts of lidars at different heights that are kept.
_KEPT_MOUNTS = 4096

# Types of inner functions. A type that is written there would be built again for each frame.
_Points = Float[np.ndarray, "points 3"]
_Hits = Int64[np.ndarray, " agents"]
_Rows = Int64[np.ndarray, " rows"]

_T = TypeVar("_T")

Sensed = tuple[Frame, Capture]
"""A station's frame, which has only what the station knows, and the truth behind the frame."""


def observed_centers_m(matrix: PerceptionMatrix) -> Float[np.ndarray, "cells 2"]:
    """Return the centres of the observed cells of a matrix; the detector places false positives only there."""
    cells = np.argwhere(matrix.observed)
    return (cells + matrix.lower + 0.5) * matrix.cell_m


class Sensing:
    """Casts all lidars of a tick on several threads; the result does not depend on the number of threads."""

    def __init__(self, scenario: Scenario, obstacles: Obstacles, streams: Streams, workers: Workers) -> None:
        self._scenario, self._obstacles, self._streams = scenario, obstacles, streams
        self._rigs = Rigs(scenario)
        grid = scenario.cooperation.matrix
        self._shapes = shapes() if scenario.lidars.bodies == "meshes" else None
        self.air = Air(scenario.lidars, self._shapes) if scenario.lidars.have_power else None
        self._scanner = Scanner(
            obstacles, grid.cell_m, grid.extent_m, _caster(scenario.run.device), grid.free_share, self._shapes, self.air
        )
        self._mount = lru_cache(_KEPT_MOUNTS)(self._vehicle_from_sensor)
        self._workers, self._callers = workers, workers.count + 1
        self._turn: AbstractContextManager[object] = nullcontext()
        if scenario.run.device != "cpu":
            # A GPU serves one caller at a time.
            self._callers, self._turn = 1, Lock()

    @property
    def detects_many(self) -> bool:
        """Whether the detector can detect in several frames at once."""
        return self._scenario.detector.does_many("detect", "detect_each")

    def begin(self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors) -> Future[list[Sensed]]:
        """Start the capture of every station with a lidar; their frames come in rising order of the stations' agent ids."""
        return self._workers.submit(self._sense_in_turn, snapshot, fleet, errors)

    def cloud(self, snapshot: Snapshot, fleet: Fleet, row: int) -> PointCloud:
        """Return the lidar returns of one station at a tick; they depend on nothing but the arguments, scenario and seed."""
        lidars = self._lidars(snapshot.time_us, fleet, fleet.pose, np.array([row]))
        (scan,) = self._scanner.scan(lidars, snapshot.bodies.boxes, snapshot.body_agent, self._shape_of(snapshot))
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
        lidars = self._lidars(snapshot.time_us, fleet, fleet.pose, np.array([row]))
        points_m = transform(np.ascontiguousarray(cloud.points_m, np.float64), pose_matrix(*fleet.pose[row]))
        cosines = incidence_cosines(
            points_m, cloud.object_id, cloud.lidar, lidars.world_from_sensor[:, :3, 3], snapshot.bodies.boxes,
            snapshot.body_agent, self._obstacles, self._scenario.lidars.range_noise_m,
        )  # fmt: skip
        if self._shapes is not None:
            rows = np.flatnonzero(cloud.object_id >= 0)
            cosines[rows] = self._scanner.mesh_cosines(
                lidars, snapshot.bodies.boxes, snapshot.body_agent, body_shapes(snapshot), int(fleet.agent[row])
            )[rows]
        return cosines

    def _shape_of(self, snapshot: Snapshot) -> Int32[np.ndarray, " meshes"]:
        """Return the shape of each body; no item if all are boxes."""
        return ALL_BOXES if self._shapes is None else body_shapes(snapshot)

    def _vehicle_from_sensor(self, rig: int, number: int, base_m: float) -> Float[np.ndarray, "4 4"]:
        return self._rigs.lidars(rig)[number].vehicle_from_sensor(base_m)

    def _lidars(
        self, time_us: int, fleet: Fleet, believed: Float[np.ndarray, "stations 4"], rows: Int64[np.ndarray, " rows"]
    ) -> Lidars:
        """Return the lidars of some stations."""
        settings = self._scenario.lidars
        agent, carried = fleet.agent[rows], fleet.lidars[rows]
        station = np.repeat(np.arange(len(rows)), carried)
        number = np.arange(len(station)) - np.repeat(np.cumsum(carried) - carried, carried)
        of_lidar = [array[station].tolist() for array in (agent, fleet.rig[rows], fleet.mount_base_m[rows])]
        every = list(zip(*of_lidar, number.tolist(), strict=True))
        keys = self._streams.keys("lidar", [(self._streams.agent_key(owner), time_us, n) for owner, _, _, n in every])
        beams = tuple([self._rigs.lidars(rig)[n].beams for _, rig, _, n in every])
        noise = tuple([Noise(settings.range_noise_m, settings.dropout, key) for key in keys.tolist()])
        air_keys = ()
        if self.air is not None:
            owners = [(self._streams.agent_key(owner), time_us, n) for owner, _, _, n in every]
            air_keys = tuple(self._streams.keys("lidar.air", owners).tolist())
        mount = np.array([self._mount(rig, n, base_m) for _, rig, base_m, n in every]).reshape(-1, 4, 4)
        articulated = np.flatnonzero((fleet.carrier[rows] != fleet.pose[rows]).any(axis=1))
        if len(articulated):
            # Mounts count from the middle of the front part, and points from the middle of the whole vehicle.
            vehicle_from_front = np.tile(np.eye(4), (len(rows), 1, 1))
            vehicle_from_front[articulated] = inverses(pose_matrices(fleet.pose[rows[articulated]])) @ pose_matrices(
                fleet.carrier[rows[articulated]]
            )
            mount = vehicle_from_front[station] @ mount
        # Rays are cast from the true pose of the station, and their returns are placed by the pose that it believes.
        return Lidars(
            agent, self._scanner.lower(believed[rows, :2]), station, beams, mount,
            pose_matrices(fleet.pose[rows])[station] @ mount, pose_matrices(believed[rows])[station] @ mount, noise, air_keys,
        )  # fmt: skip

    def _sense_in_turn(self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors) -> list[Sensed]:
        with self._turn:
            return self._sense(snapshot, fleet, errors)

    def _sense(self, snapshot: Snapshot, fleet: Fleet, errors: StationErrors) -> list[Sensed]:
        """Return the frame of each station with a lidar and the truth behind it, with what the station detects.

        Several threads scan, each with one compiled call for several stations. What needs the lock of the interpreter is done
        once for all stations, as far as possible.
        """
        rows, believed = np.flatnonzero(fleet.lidars), errors.applied_to(fleet.pose)
        lidars = self._lidars(snapshot.time_us, fleet, believed, rows)
        scans = self._scanner.begin(lidars, snapshot.bodies.boxes, snapshot.body_agent, self._shape_of(snapshot))
        agent, stamp_us = fleet.agent[rows].tolist(), (snapshot.time_us + errors.clock_offset_us[rows]).tolist()
        time_us, detector = snapshot.time_us, self._scenario.detector
        detects_many = self.detects_many

        def captured(part: range) -> list[tuple[StationScan, Capture, Detections | None]]:
            measured = []
            for n, scan in zip(part, scans.measured(part.start, part.stop), strict=True):
                row = rows[n]
                draws = DetectorDraws(self._streams, agent[n], time_us, snapshot.agent)
                capture = Capture(fleet.pose[row], believed[row], snapshot, scan.object_id, scan.hits, draws)
                found = None if detects_many else detections_of(detector, _view(capture, scan))
                measured.append((scan, capture, found))
            return measured

        measured = self._shared_out(_parts(len(rows), self._callers), captured)
        captures = [capture for _, capture, _ in measured]
        detections = [found for _, _, found in measured if found is not None]
        if detects_many and captures:
            detections = detections_of_each(detector, _all_seen(captures, [scan.matrix for scan, _, _ in measured]))
        frames = [
            Frame(
                agent[n], time_us, stamp_us[n], capture.believed, fleet.velocity_mps[row], scan.returns, scan.matrix,
                detections[n],
            )
            for n, (row, (scan, capture, _)) in enumerate(zip(rows, measured, strict=True))
        ]  # fmt: skip
        return list(zip(frames, captures, strict=True))

    def _shared_out(self, parts: list[range], work: Callable[[range], list[_T]]) -> list[_T]:
        """Do work for each part, on this thread and on others that are free, and return all results in order."""
        done: dict[int, list[_T]] = {}
        waiting = deque(enumerate(parts))

        def take() -> None:
            while waiting:
                try:
                    number, part = waiting.popleft()
                except IndexError:
                    return
                done[number] = work(part)

        others = [self._workers.submit(take) for _ in range(min(len(parts), self._callers) - 1)]
        take()
        # What has not begun finds nothing to do. To wait for it could take for ever: all threads could wait for each other.
        for other in others:
            if not other.cancel():
                other.result()
        return [one for number in range(len(parts)) for one in done[number]]

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

    def detector_of_each(self, captures: Sequence[Capture], matrices: Sequence[PerceptionMatrix]) -> DetectEach:
        """Return the detector that several egos run on the fused data of one tick, if `detects_many`.

        Args:
            captures: The truth behind the frame of each ego.
            matrices: Each ego's matrix after fusion; false positives can lie in all observed cells.
        """

        def detect_each(view: _Rows, row: _Rows, objects: Boxes, points: _Rows) -> list[Detections]:
            return detections_of_each(self._scenario.detector, _views(captures, matrices, view, row, objects, points))

        return detect_each


def _view(capture: Capture, scan: StationScan) -> DetectorView:
    """Return what a detector gets of the scan of one station."""
    draws, world_from_believed = capture.draws, pose_matrix(*capture.believed)
    # The visibility model detects bodies where the station would place them, moved by the error of its pose.
    return DetectorView(
        capture.apparent, capture.snapshot.agent, scan.hits, lambda: transform(scan.returns.points_m, world_from_believed),
        lambda: observed_centers_m(scan.matrix), draws.of_objects, draws.of_frame, draws.of_rows,
    )  # fmt: skip


def _all_seen(captures: Sequence[Capture], matrices: Sequence[PerceptionMatrix]) -> DetectorViews:
    """Return what a detector gets of the scans of several stations at once."""
    # Objects without points are never detected.
    points = np.array([capture.points for capture in captures])
    frame, row = np.nonzero(points)
    objects = moved_rows(captures[0].snapshot.boxes, believed_from_true_of(captures), frame, row)
    return _views(captures, matrices, frame, row, objects, points[frame, row])


def _views(
    captures: Sequence[Capture],
    matrices: Sequence[PerceptionMatrix],
    frame: _Rows,
    row: _Rows,
    objects: Boxes,
    points: _Rows,
) -> DetectorViews:
    """Return what a detector gets of several frames of one tick, for those road users that have points."""
    draws, agent = [capture.draws for capture in captures], captures[0].snapshot.agent[row]
    return DetectorViews(
        frame, objects, agent, points, matrices, lambda count: draws_of_rows(draws, frame, agent, count),
        lambda rows, count: draws_of_frames(draws, rows, count),
    )  # fmt: skip


def _parts(count: int, callers: int) -> list[range]:
    """Return the numbers of stations in parts of about one size, one for each call of a thread: two for each of several threads."""
    parts = min(count, 1 if callers == 1 else 2 * callers)
    ends = [count * n // parts for n in range(parts + 1)] if parts else [0]
    return [range(begin, end) for begin, end in pairwise(ends)]


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
