"""The ego frames of a finished run, made from its tables in the form that the evaluation takes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.metric import arrays_of
from v2xsim.evaluation.scene import MODES, Scene
from v2xsim.opened.blocks import Blocks, Instants
from v2xsim.opened.errors import OpenError
from v2xsim.opened.parts import PartTables
from v2xsim.opened.truth import Truth
from v2xsim.perception.tracking.station_tracks import StationTracks, Tracker
from v2xsim.records import Boxes, Detections
from v2xsim.results.columns import schema_of
from v2xsim.spatial.poses import believed_from_true, moved_boxes
from v2xsim.world.hidden_speeds import top_speeds_mps

_KEYS = ("frame_us", "ego")
_BOX = ("x_m", "y_m", "z_m"), ("length_m", "width_m", "height_m"), ("vx_mps", "vy_mps")
_BODY = ("yaw_rad", *(name for names in _BOX for name in names))


class RecordedFrames:
    """The ego frames of a run in the order in which they were fused.

    Args:
        tables: Tables of the run.
        truth: The recorded truth of every tick.
        folder: Folder of the run, for messages.
    """

    def __init__(self, tables: PartTables, truth: Truth, folder: Path) -> None:
        self._truth, self._folder = truth, folder
        columns = (*_KEYS, "fuse_us")
        fusion = pa.concat_tables(
            [schema_of("fusion").empty_table().select(columns), *tables.groups("fusion", columns)]
        ).select(columns)
        self.frame_us, self.ego, self.fuse_us = arrays_of(fusion, *columns)
        # The first frame of each tick, and the number of all frames.
        self._begin = np.append(np.flatnonzero(np.append(True, np.diff(self.frame_us) != 0)[: len(self)]), len(self))
        self._detections, self._hits, self._announced = (
            Instants(tables.parts(name), _KEYS, columns, folder)
            for name, columns in (
                ("detections", ("mode", "score", "truth", *_BODY)), ("hits", ("agent", "own_points", "fused_points")),
                ("announced", ("agent", *_BODY)),
            )
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ego)

    @property
    def tick_count(self) -> int:
        """Number of ticks with frames."""
        return len(self._begin) - 1

    def place_of(self, number: int) -> tuple[int, int]:
        """Return the number of the tick of a frame, and the place of the frame among those of the tick."""
        tick = int(np.searchsorted(self._begin, number, "right")) - 1
        return tick, number - int(self._begin[tick])

    def egos(self, tick: int) -> tuple[int, list[int]]:
        """Return the time of a tick, and the egos with a frame at it."""
        rows = slice(int(self._begin[tick]), int(self._begin[tick + 1]))
        return int(self.frame_us[rows.start]), self.ego[rows].tolist()

    def ticks(self, step_us: int, tracker: Tracker) -> Iterator[EgoFrames]:
        """Yield the frames of each tick.

        Args:
            step_us: Time between two frames of an ego.
            tracker: The tracker of the ego's own detections.
        """
        own_tracks = StationTracks(step_us, tracker)
        for tick in range(self.tick_count):
            time_us, egos = self.egos(tick)
            own, fused = ([self.detections(time_us, ego, mode) for ego in egos] for mode in MODES)
            scenes, fused_points = zip(*(self.scene(time_us, ego) for ego in egos), strict=True)
            announced = [self.announced(time_us, ego) for ego in egos]
            announces = np.isin(scenes[0].agent, self._truth.stations(time_us))
            snapshot = self._truth.snapshot(time_us)
            top_speed_mps = top_speeds_mps(snapshot.kind, snapshot.velocity_mps)
            tracks = own_tracks.follow(egos, own, time_us)
            yield EgoFrames.of(scenes, own, fused, announced, tracks, fused_points, announces, top_speed_mps)

    def detections(self, time_us: int, ego: int, mode: str) -> Detections:
        """Return the detections of an ego, at any distance.

        Args:
            time_us: Capture of the ego's frame.
            ego: Agent id of the ego.
            mode: `ego` for the ego alone, `fused` for after fusion.
        """
        table = self._detections.at(time_us)
        rows = table.rows(ego)
        chosen = np.flatnonzero(table.column("mode")[rows] == mode)
        score, truth = (column[chosen] for column in table.columns(rows, "score", "truth"))
        return Detections(_boxes(table, rows)[chosen], table.matrix(rows, *_BOX[2])[chosen], score, truth)

    def announced(self, time_us: int, ego: int) -> Detections:
        """Return the vehicles that an ego knew from their announcements when it fused a frame."""
        table = self._announced.at(time_us)
        rows = table.rows(ego)
        (agent,) = table.columns(rows, "agent")
        return Detections(_boxes(table, rows), table.matrix(rows, *_BOX[2]), np.ones(len(agent)), agent)

    def scene(self, time_us: int, ego: int) -> tuple[Scene, np.ndarray]:
        """Return the truth around an ego, and the number of lidar returns on each road user after fusion."""
        snapshot, pose, believed = (
            self._truth.snapshot(time_us), self._truth.pose(time_us, ego), self._truth.believed(time_us, ego)
        )  # fmt: skip
        points = {name: np.zeros(len(snapshot), np.int64) for name in ("own_points", "fused_points")}
        hits = self._hits.at(time_us)
        rows = hits.rows(ego)
        agent = hits.column("agent")[rows]
        if not np.isin(agent, snapshot.agent).all():
            raise OpenError(
                f"{self._folder}: must have the road users of its table hits at {time_us * 1e-6:.12g} s in its table states; the tables are not "
                "of one run"
            )
        at = np.searchsorted(snapshot.agent, agent)
        for name, counts in points.items():
            counts[at] = hits.column(name)[rows]
        scene = Scene(
            ego, time_us, pose[:2], believed[:2], self._truth.velocity_mps(time_us, ego), snapshot.agent, snapshot.boxes,
            moved_boxes(snapshot.boxes, believed_from_true(believed, pose)), snapshot.velocity_mps, points["own_points"],
        )  # fmt: skip
        return scene, points["fused_points"]


def _boxes(table: Blocks, rows: slice) -> Boxes:
    center, size, _ = _BOX
    (yaw_rad,) = table.columns(rows, "yaw_rad")
    return Boxes(table.matrix(rows, *center), table.matrix(rows, *size), yaw_rad)
