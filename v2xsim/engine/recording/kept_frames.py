"""Frames that are kept for pictures: point clouds, boxes, matrices and links of a few egos at regular intervals."""

from dataclasses import dataclass

import numpy as np

from v2xsim.engine.cooperation.fusing import own_points_world
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.evaluation.frame import FrameScore
from v2xsim.records import LINK_STATE_NAMES
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Record


@dataclass(frozen=True)
class _Scored:
    """A frame of the present tick that may be kept for pictures, and its score."""

    frame: FusedFrame
    score: FrameScore


class KeptFrames:
    """Keeps the frames of the egos that fused most, once in each interval."""

    def __init__(self, tables: dict[str, Columns], record: Record, begin_us: int) -> None:
        self._tables, self._record = tables, record
        self._period_us, self._next_us = round(record.clouds_every_s * 1e6), begin_us
        self._offered: list[_Scored] = []
        self._kept = 0

    def offer(self, frame: FusedFrame, score: FrameScore) -> None:
        """Add a frame of the present tick to the candidates, if frames are to be kept at this tick."""
        if self._period_us > 0 and frame.ego.time_us >= self._next_us:
            self._offered.append(_Scored(frame, score))

    def keep_best(self) -> None:
        """Keep the best candidates of this tick, and forget the others."""
        if not self._offered:
            return
        # The next time counts from the time that was due, not from this frame, so that the intervals stay equal.
        self._next_us += self._period_us
        best = sorted(
            self._offered,
            key=lambda s: (-len(s.frame.contributions), -len(s.frame.result.added_m), s.frame.ego.agent),
        )
        self._offered = []
        for scored in best[: self._record.cloud_egos]:
            number, self._kept = self._kept, self._kept + 1
            self._add_matrices(number, scored.frame)
            self._add_boxes(number, scored)
            self._add_cloud(number, scored.frame)
            self._add_links(number, scored.frame)

    def _add_matrices(self, number: int, frame: FusedFrame) -> None:
        matrix = frame.ego.matrix
        self._tables["frames"].add(
            frame=number, frame_us=frame.ego.time_us, ego=frame.ego.agent, lower_x=int(matrix.lower[0]),
            lower_y=int(matrix.lower[1]), cells=matrix.code.shape[0], cell_m=matrix.cell_m,
            before=[matrix.code.tobytes()], after=[frame.result.code.tobytes()],
        )  # fmt: skip

    def _add_boxes(self, number: int, scored: _Scored) -> None:
        frame, score = scored.frame, scored.score
        fleet, snapshot, bodies = frame.instant.fleet, frame.capture.snapshot, frame.apparent
        self._tables["frame_boxes"].add(
            frame=number, agent=snapshot.agent, x_m=bodies.center_m[:, 0], y_m=bodies.center_m[:, 1],
            z_m=bodies.center_m[:, 2], length_m=bodies.size_m[:, 0], width_m=bodies.size_m[:, 1],
            height_m=bodies.size_m[:, 2], yaw_rad=bodies.yaw_rad, station=np.isin(snapshot.agent, fleet.agent),
            lidar=np.isin(snapshot.agent, fleet.agent[fleet.lidars > 0]), in_range=score.near,
            seen_ego=score.modes["ego"].seen, seen_fused=score.modes["fused"].seen,
        )  # fmt: skip
        for row in np.flatnonzero(fleet.row < 0):
            self._tables["frame_boxes"].add(
                frame=number, agent=int(fleet.agent[row]), x_m=fleet.pose[row, 0], y_m=fleet.pose[row, 1], z_m=0.0,
                length_m=0.0, width_m=0.0, height_m=float(fleet.antenna_m[row, 2]), yaw_rad=fleet.pose[row, 3],
                station=True, lidar=bool(fleet.lidars[row] > 0), in_range=False, seen_ego=False, seen_fused=False,
            )  # fmt: skip

    def _add_cloud(self, number: int, frame: FusedFrame) -> None:
        own_m, result = own_points_world(frame.ego), frame.result
        points_m = np.concatenate([own_m, result.added_m])
        self._tables["clouds"].add(
            frame=number, x_m=points_m[:, 0], y_m=points_m[:, 1], z_m=points_m[:, 2],
            source=np.concatenate([np.full(len(own_m), frame.ego.agent), result.added_source]),
            object=np.concatenate([frame.capture.object_id, result.added_object]),
        )  # fmt: skip

    def _add_links(self, number: int, frame: FusedFrame) -> None:
        """Write the links that requests and answers used, and the direct links that relays replaced."""
        ego, fleet, links = frame.ego.agent, frame.instant.fleet, frame.instant.links
        fused_helpers = {item.helper for item in frame.contributions}
        paths = [(t.helper, t.message.relay) for t in frame.transfers]
        paths += [(item.helper, item.relay) for item in frame.contributions]
        shown: set[tuple[int, int, str]] = set()
        for helper, relay in paths:
            hops = [(ego, helper, "direct")]
            if relay != NOBODY:
                hops = [(ego, relay, "relay_hop"), (relay, helper, "relay_hop"), (ego, helper, "blocked")]
            for a, b, role in hops:
                i, j = fleet.index(a), fleet.index(b)
                pair = int(links.pair(i, np.array([j]))[0]) if i >= 0 and j >= 0 else -1
                # A station may have left; and a request and its answer use the same links, which are written once.
                if pair < 0 or (a, b, role) in shown:
                    continue
                shown.add((a, b, role))
                self._tables["frame_links"].add(
                    frame=number, a=a, b=b, state=LINK_STATE_NAMES[int(links.state[pair])], role=role,
                    used=helper in fused_helpers and role != "blocked",
                )  # fmt: skip
