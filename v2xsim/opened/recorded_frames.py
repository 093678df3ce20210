"""The ego frames of a finished run, made from its tables in the form that the evaluation takes."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.evaluator import EgoFrame
from v2xsim.evaluation.metric import arrays_of
from v2xsim.evaluation.scene import Scene
from v2xsim.opened.blocks import Blocks
from v2xsim.opened.errors import OpenError
from v2xsim.opened.truth import Truth
from v2xsim.perception.tracking.station_tracks import StationTracks, Tracker
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, Detections
from v2xsim.spatial.poses import believed_from_true, moved_boxes

_BOX = ("x_m", "y_m", "z_m"), ("length_m", "width_m", "height_m"), ("vx_mps", "vy_mps")


class RecordedFrames:
    """The ego frames of a run in the order in which they were fused.

    Args:
        tables: Tables of the run.
        truth: The recorded truth of every tick.
        folder: Folder of the run, for messages.
    """

    def __init__(self, tables: Mapping[str, pa.Table], truth: Truth, folder: Path) -> None:
        key = ("frame_us", "ego")
        self._truth, self._folder = truth, folder
        self.frame_us, self.ego = (column.tolist() for column in arrays_of(tables["fusion"], *key))
        self._detections, self._hits, self._announced = (
            Blocks(tables[name], key, folder) for name in ("detections", "hits", "announced")
        )
        self._is_fused = self._detections.column("mode") == "fused"

    def __len__(self) -> int:
        return len(self.ego)

    def ticks(self, step_us: int, tracker: Tracker) -> Iterator[list[EgoFrame]]:
        """Yield the frames of each tick.

        Args:
            step_us: Time between two frames of an ego.
            tracker: The tracker of the ego's own detections.
        """
        own_tracks = StationTracks(step_us, tracker)
        for time_us, rows in groupby(range(len(self)), lambda row: self.frame_us[row]):
            egos = [self.ego[row] for row in rows]
            own = [self.detections(time_us, ego, "ego") for ego in egos]
            tracks = own_tracks.follow(egos, own, time_us)
            yield [self._frame(time_us, *parts) for parts in zip(egos, own, tracks, strict=True)]

    def _frame(self, time_us: int, ego: int, own: Detections, own_tracks: Tracks) -> EgoFrame:
        scene, fused_points = self.scene(time_us, ego)
        fused, announced = self.detections(time_us, ego, "fused"), self.announced(time_us, ego)
        return EgoFrame(scene, own, own_tracks, fused, announced, fused_points)

    def detections(self, time_us: int, ego: int, mode: str) -> Detections:
        """Return the detections of an ego, at any distance.

        Args:
            time_us: Capture of the ego's frame.
            ego: Agent id of the ego.
            mode: `ego` for the ego alone, `fused` for after fusion.
        """
        table, rows = self._detections, self._detections.rows(time_us, ego)
        chosen = np.flatnonzero(self._is_fused[rows] == (mode == "fused"))
        score, truth = (column[chosen] for column in table.columns(rows, "score", "truth"))
        return Detections(_boxes(table, rows)[chosen], table.matrix(rows, *_BOX[2])[chosen], score, truth)

    def announced(self, time_us: int, ego: int) -> Detections:
        """Return the vehicles that an ego knew from their announcements when it fused a frame."""
        table, rows = self._announced, self._announced.rows(time_us, ego)
        (agent,) = table.columns(rows, "agent")
        return Detections(_boxes(table, rows), table.matrix(rows, *_BOX[2]), np.ones(len(agent)), agent)

    def scene(self, time_us: int, ego: int) -> tuple[Scene, np.ndarray]:
        """Return the truth around an ego, and the number of lidar returns on each road user after fusion."""
        snapshot, pose, believed = (
            self._truth.snapshot(time_us), self._truth.pose(time_us, ego), self._truth.believed(time_us, ego)
        )  # fmt: skip
        points = {name: np.zeros(len(snapshot), np.int64) for name in ("own_points", "fused_points")}
        rows = self._hits.rows(time_us, ego)
        agent = self._hits.column("agent")[rows]
        if not np.isin(agent, snapshot.agent).all():
            raise OpenError(
                f"{self._folder}: must have the road users of its table hits at {time_us * 1e-6:.12g} s in its table states; the tables are not "
                "of one run"
            )
        at = np.searchsorted(snapshot.agent, agent)
        for name, counts in points.items():
            counts[at] = self._hits.column(name)[rows]
        scene = Scene(
            ego, time_us, pose[:2], believed[:2], self._truth.velocity_mps(time_us, ego), snapshot.agent, snapshot.boxes,
            moved_boxes(snapshot.boxes, believed_from_true(believed, pose)), snapshot.velocity_mps, points["own_points"],
        )  # fmt: skip
        return scene, points["fused_points"]


def _boxes(table: Blocks, rows: slice) -> Boxes:
    center, size, _ = _BOX
    (yaw_rad,) = table.columns(rows, "yaw_rad")
    return Boxes(table.matrix(rows, *center), table.matrix(rows, *size), yaw_rad)
