"""Frames that are kept for pictures: point clouds, boxes, matrices and links of a few egos at regular intervals."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from v2xsim.engine.cooperation.fusing import own_points_world
from v2xsim.engine.instant import Instant
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.evaluation.frame import FrameScore
from v2xsim.records import LINK_STATE_NAMES, PART_NAMES
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema import Record
from v2xsim.spatial.poses import moved_boxes


class KeptFrames:
    """Keeps the frames of the egos that fused most, once in each interval.

    Args:
        tables: Tables of the run.
        record: What the scenario records.
        begin_us: Simulated time of the first tick.
        detect_us: Time from a capture to the end of its detection, when an ego chooses helpers and paths.
        reach_us: Longest time from the choice of a path to the fusion of the data that came over it.
    """

    def __init__(
        self, tables: dict[str, Columns], record: Record, begin_us: int, detect_us: int, reach_us: int
    ) -> None:
        self._tables, self._record, self._detect_us, self._reach_us = tables, record, detect_us, reach_us
        self._period_us, self._next_us = round(record.clouds_every_s * 1e6), begin_us
        # The frames of the present tick that may be kept for pictures, and their scores.
        self._offered: tuple[Sequence[FusedFrame], Sequence[FrameScore]] = (), ()
        self._kept = 0
        # The ticks from which a frame that is to be kept may need the state of a link.
        self._ticks: deque[Instant] = deque()

    def tick(self, instant: Instant) -> None:
        """Remember the stations and links of a tick, as long as a frame that is to be kept may need them."""
        if self._period_us <= 0:
            return
        self._ticks.append(instant)
        # The frames that wait for fusion were captured up to `reach_us` ago, and those before `_next_us` are not kept.
        oldest_us = max(self._next_us, instant.time_us - self._reach_us) - self._reach_us
        while len(self._ticks) > 1 and self._ticks[0].time_us < oldest_us:
            self._ticks.popleft()

    @property
    def remembered(self) -> tuple[Instant, ...]:
        """The ticks that are remembered now, the newest last."""
        return tuple(self._ticks)

    def offer(self, frames: Sequence[FusedFrame], scores: Sequence[FrameScore]) -> None:
        """Add the frames of the present tick to the candidates, if frames are to be kept at this tick."""
        if self._period_us > 0 and frames and frames[0].ego.time_us >= self._next_us:
            self._offered = frames, scores

    def keep_best(self, ticks: Sequence[Instant]) -> None:
        """Keep the best candidates of this tick, and forget the others.

        Args:
            ticks: What was `remembered` when the frames were fused.
        """
        (frames, scores), self._offered = self._offered, ((), ())
        if not frames:
            return
        # The next time counts from the time that was due, not from this frame, so that the intervals stay equal.
        self._next_us += self._period_us
        best = sorted(
            range(len(frames)),
            key=lambda n: (-len(frames[n].contributions), -len(frames[n].result.added_m), frames[n].ego.agent),
        )
        for n in best[: self._record.cloud_egos]:
            number, self._kept = self._kept, self._kept + 1
            self._add_matrices(number, frames[n])
            self._add_boxes(number, frames[n], scores[n], _at(ticks, frames[n].ego.time_us).fleet)
            self._add_cloud(number, frames[n])
            self._add_links(number, frames[n], ticks)

    def _add_matrices(self, number: int, frame: FusedFrame) -> None:
        matrix = frame.ego.matrix
        self._tables["frames"].add(
            frame=number, frame_us=frame.ego.time_us, ego=frame.ego.agent, lower_x=int(matrix.lower[0]),
            lower_y=int(matrix.lower[1]), cells=matrix.code.shape[0], cell_m=matrix.cell_m,
            before=[matrix.code.tobytes()], after=[frame.result.code.tobytes()],
        )  # fmt: skip

    def _add_boxes(self, number: int, frame: FusedFrame, score: FrameScore, fleet: Fleet) -> None:
        snapshot, bodies = frame.capture.snapshot, frame.apparent
        self._tables["frame_boxes"].add(
            frame=number, agent=snapshot.agent, x_m=bodies.center_m[:, 0], y_m=bodies.center_m[:, 1],
            z_m=bodies.center_m[:, 2], length_m=bodies.size_m[:, 0], width_m=bodies.size_m[:, 1],
            height_m=bodies.size_m[:, 2], yaw_rad=bodies.yaw_rad, station=np.isin(snapshot.agent, fleet.agent),
            lidar=np.isin(snapshot.agent, fleet.agent[fleet.lidars > 0]), in_range=score.near,
            seen_ego=score.modes["ego"].seen, seen_fused=score.modes["fused"].seen,
        )  # fmt: skip
        parts = snapshot.parts
        if len(parts):
            boxes = moved_boxes(parts.boxes, frame.capture.believed_from_true)
            self._tables["frame_parts"].add(
                frame=number, agent=snapshot.agent[parts.owner], part=Coded(parts.is_rear.astype(np.int8), PART_NAMES),
                x_m=boxes.center_m[:, 0], y_m=boxes.center_m[:, 1], z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0],
                width_m=boxes.size_m[:, 1], height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad,
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
        captured_us = np.full(len(result.added_source), -1, np.int64)
        for item in frame.contributions:
            captured_us[result.added_source == item.helper] = item.capture_us
        self._tables["clouds"].add(
            frame=number, x_m=points_m[:, 0], y_m=points_m[:, 1], z_m=points_m[:, 2],
            source=np.concatenate([np.full(len(own_m), frame.ego.agent), result.added_source]),
            object=np.concatenate([frame.capture.object_id, result.added_object]),
            time_us=np.concatenate([np.full(len(own_m), frame.ego.time_us), captured_us]),
        )  # fmt: skip

    def _add_links(self, number: int, frame: FusedFrame, ticks: Sequence[Instant]) -> None:
        """Write the links that requests and answers used, and the direct links that relays replaced, as they were at the choice."""
        ego, used = frame.ego.agent, {item.helper for item in frame.contributions}
        paths = [(t.helper, t.relay, t.frame_us + self._detect_us) for t in frame.transfers]
        paths += [(item.helper, item.relay, item.path_us) for item in frame.contributions]
        shown: set[tuple[int, int, str]] = set()
        for helper, relay, chosen_us in paths:
            hops = [(ego, helper, "direct")]
            if relay != NOBODY:
                hops = [(ego, relay, "relay_hop"), (relay, helper, "relay_hop"), (ego, helper, "replaced")]
            fleet, links = _at(ticks, chosen_us).fleet, _at(ticks, chosen_us).links
            for a, b, role in hops:
                i, j = fleet.index(a), fleet.index(b)
                pair = int(links.pair(i, np.array([j]))[0]) if i >= 0 and j >= 0 else -1
                # Stations may be out of range; and a request and its answer use the same links, which are written once.
                if pair < 0 or (a, b, role) in shown:
                    continue
                shown.add((a, b, role))
                self._tables["frame_links"].add(
                    frame=number, time_us=chosen_us, a=a, b=b, state=LINK_STATE_NAMES[int(links.state[pair])],
                    distance_m=links.distance_m[pair], power_dbm=links.power_dbm[pair], role=role,
                    used=helper in used and role != "replaced",
                )  # fmt: skip


def _at(ticks: Sequence[Instant], time_us: int) -> Instant:
    """Return the world at the last tick that is not after a time."""
    return next((instant for instant in reversed(ticks) if instant.time_us <= time_us), ticks[0])
