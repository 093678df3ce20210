"""What each station sees at a tick: its point cloud, its perception matrix, its own detections."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8

from v2xsim.engine.stations.belief import Belief
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.errors import UserError
from v2xsim.gpu.bev.fusion.scheme import Detect
from v2xsim.gpu.lidar.cast import Scan, cast
from v2xsim.gpu.lidar.models import CATALOGUE, Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.returns import hits_per_agent, joined_cloud, returns
from v2xsim.perception.detection.detector import DetectorView, detections_of
from v2xsim.perception.matching.matrix import observed_matrix
from v2xsim.records import Boxes, Detections, Obstacles, PerceptionMatrix, PointCloud, Snapshot
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import LidarModel
from v2xsim.spatial.poses import inverse, pose_matrix
from v2xsim.streams import Streams


@dataclass(frozen=True)
class Frame:
    """What one station captured at one tick.

    Attributes:
        agent: The station.
        time_us: Capture, true time.
        stamp_us: Capture on the station's own clock.
        pose: True x, y, z, yaw.
        believed: The same as the station believes it.
        velocity_mps: Over ground.
        snapshot: The world at the capture; the visibility model and metrics read it.
        cloud: Lidar returns.
        points: Returns on each road user of the snapshot.
        matrix: The station's abstract perception matrix, placed by the believed pose.
        chance: Uniform draws of the detector; shared by all detections of this frame.
        detections: Own detections in the world as the station believes it.
    """

    agent: int
    time_us: int
    stamp_us: int
    pose: Float[np.ndarray, " 4"]
    believed: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    snapshot: Snapshot
    cloud: PointCloud
    points: Int64[np.ndarray, " agents"]
    matrix: PerceptionMatrix
    chance: "Chance"
    detections: Detections

    @property
    def believed_from_true(self) -> Float[np.ndarray, "4 4"]:
        """Transform of the true world into the world as this station believes it."""
        return pose_matrix(*self.believed) @ inverse(pose_matrix(*self.pose))


class Chance:
    """The uniform numbers that a detector draws for one frame: keyed by station, time and road user, so that they depend on no row."""

    def __init__(self, streams: Streams, station: int, time_us: int, agent: Int64[np.ndarray, " agents"]) -> None:
        self._streams, self._station, self._time_us, self._agent = streams, station, time_us, agent
        self._held: dict[tuple[str, int, int], Float[np.ndarray, "rows draws"]] = {}

    def of_objects(self, count: int) -> Float[np.ndarray, "agents draws"]:
        """Return so many numbers for each road user."""
        key = ("detector", 0, count)
        if key not in self._held:
            self._held[key] = self._streams.uniforms("detector", self._station, self._time_us, self._agent, count=count)
        return self._held[key]

    def of_frame(self, rows: int, count: int) -> Float[np.ndarray, "rows draws"]:
        """Return so many rows of so many numbers."""
        key = ("clutter", rows, count)
        if key not in self._held:
            self._held[key] = self._streams.uniforms(
                "clutter", self._station, self._time_us, np.arange(rows), count=count
            )
        return self._held[key]


def moved_boxes(boxes: Boxes, target_from_source: Float[np.ndarray, "4 4"]) -> Boxes:
    """Return upright boxes under a transform that only turns about z and shifts."""
    turn = np.arctan2(target_from_source[1, 0], target_from_source[0, 0])
    center = boxes.center_m @ target_from_source[:3, :3].T + target_from_source[:3, 3]
    return Boxes(center, boxes.size_m, boxes.yaw_rad + turn)


def observed_places(matrix: PerceptionMatrix) -> Float[np.ndarray, "cells 2"]:
    """Return the centres of the observed cells: where a false positive may stand."""
    cells = np.argwhere(matrix.observed)
    return (cells + matrix.lower + 0.5) * matrix.cell_m


class Sensing:
    """Casts all lidars of a tick, on as many threads as it is given; each station's result depends on itself alone."""

    def __init__(self, scenario: Scenario, obstacles: Obstacles, streams: Streams, threads: int) -> None:
        self._scenario, self._obstacles, self._streams = scenario, obstacles, streams
        self._beams = beams_of(scenario.lidars.model)
        self._cast = _caster(scenario.run.device)
        # One GPU serves one caller at a time; with a single thread there is nobody to hand work to.
        callers = threads if scenario.run.device == "cpu" else 1
        self._pool = ThreadPoolExecutor(callers) if threads > 1 else None

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, snapshot: Snapshot, fleet: Fleet, belief: Belief) -> list[Future[Frame]]:
        """Start on the frames of every station with a lidar, in rising order of the stations."""
        rows, believed = [int(r) for r in np.flatnonzero(fleet.lidars)], belief.applied_to(fleet.pose)
        if self._pool is None:
            return [_done(self._frame(snapshot, fleet, belief, believed[row], row)) for row in rows]
        return [self._pool.submit(self._frame, snapshot, fleet, belief, believed[row], row) for row in rows]

    def _frame(
        self, snapshot: Snapshot, fleet: Fleet, belief: Belief, believed: Float[np.ndarray, " 4"], row: int
    ) -> Frame:
        lidars, agent, time_us = self._scenario.lidars, int(fleet.agent[row]), snapshot.time_us
        pose = fleet.pose[row]
        world_from_vehicle, world_from_believed = pose_matrix(*pose), pose_matrix(*believed)
        parts, sensors = [], []
        for number, mount in enumerate(lidars.mounts[: int(fleet.lidars[row])]):
            vehicle_from_sensor = mount_transform(
                mount.x_m, mount.y_m, float(fleet.mount_base_m[row]) + mount.z_m,
                np.radians(mount.yaw_deg), np.radians(mount.pitch_deg), np.radians(mount.roll_deg),
            )  # fmt: skip
            scan = self._cast(
                self._beams,
                world_from_vehicle @ vehicle_from_sensor,
                snapshot.boxes,
                snapshot.agent,
                self._obstacles,
                agent,
            )
            key = self._streams.key("lidar", agent, time_us, number)
            parts.append(
                returns(scan, self._beams, vehicle_from_sensor, number, lidars.range_noise_m, lidars.dropout, key)
            )
            sensors.append((self._beams, world_from_believed @ vehicle_from_sensor, scan))
        cloud = joined_cloud(time_us, parts)
        grid = self._scenario.cooperation.matrix
        matrix = observed_matrix(grid.cell_m, grid.extent_m, believed[:2], sensors)
        points = hits_per_agent(cloud.object_id, snapshot.agent)
        apparent = moved_boxes(snapshot.boxes, world_from_believed @ inverse(world_from_vehicle))
        chance = Chance(self._streams, agent, time_us, snapshot.agent)
        view = DetectorView(
            apparent, snapshot.agent, points, lambda: transform(cloud.points_m, world_from_believed),
            lambda: observed_places(matrix), chance.of_objects, chance.of_frame,
        )  # fmt: skip
        detections = detections_of(self._scenario.detector, view)
        return Frame(
            agent, time_us, time_us + int(belief.clock_offset_us[row]), pose, believed, fleet.velocity_mps[row],
            snapshot, cloud, points, matrix, chance, detections,
        )  # fmt: skip

    def detector_of(
        self, ego: Frame, code: UInt8[np.ndarray, "nx ny"], received: Callable[[], Float[np.ndarray, "points 3"]]
    ) -> Detect:
        """Return the detector as an ego runs it once more, after fusion.

        Args:
            ego: The ego's frame.
            code: Its matrix after fusion: where false positives may stand.
            received: Returns the points that arrived.
        """
        matrix = PerceptionMatrix(ego.matrix.lower, ego.matrix.cell_m, code)

        def detect(
            objects: Boxes, points: Int64[np.ndarray, " agents"], added_m: Float[np.ndarray, "points 3"] | None = None
        ) -> Detections:
            def cloud() -> Float[np.ndarray, "points 3"]:
                own = transform(ego.cloud.points_m, pose_matrix(*ego.believed))
                return np.concatenate([own, received() if added_m is None else added_m])

            view = DetectorView(
                objects, ego.snapshot.agent, points, cloud, lambda: observed_places(matrix), ego.chance.of_objects,
                ego.chance.of_frame,
            )  # fmt: skip
            return detections_of(self._scenario.detector, view)

        return detect


def _done(frame: Frame) -> Future[Frame]:
    future: Future[Frame] = Future()
    future.set_result(frame)
    return future


def beams_of(model: str | LidarModel) -> Beams:
    """Return the beams of a lidar by name or by description."""
    if isinstance(model, str):
        return CATALOGUE[model]
    return evenly_spaced(model.beams, model.columns, model.lowest_deg, model.highest_deg, model.range_m)


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
