"""Scoring and recording of frames. The only part of the engine that compares what stations believe with the truth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import AWARENESS, NOBODY, REQUEST
from v2xsim.engine.cooperation.exchange import Cooperation, Transfer
from v2xsim.engine.cooperation.fusing import Fused, own_points_world
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.sensing import Frame
from v2xsim.perception.matching.gain import coverage
from v2xsim.perception.metrics.average_precision import Frame as ScoredFrame
from v2xsim.perception.metrics.average_precision import Matched, curves, joined, matched
from v2xsim.perception.metrics.awareness import Episodes, aware, conflicts
from v2xsim.perception.metrics.awareness import step as follow
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.perception.tracking.tracker import step as track
from v2xsim.records import LINK_STATE_NAMES, UNOBSERVED, Boxes, Detections, Snapshot
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario

MODES = ("ego", "fused")


@dataclass(frozen=True)
class Candidate:
    """An ego frame of the present tick that may be kept for pictures.

    Attributes:
        ego: The ego's own frame.
        result: After fusion.
        used: Answers that were fused.
        near: Road users in range.
        seen: Road users detected, by mode.
        context: Bodies as the ego would place them, stations and links.
    """

    ego: Frame
    result: Fused
    used: list[Transfer]
    near: Bool[np.ndarray, " agents"]
    seen: dict[str, Bool[np.ndarray, " agents"]]
    context: tuple[Boxes, Fleet, LinkBudget]


class Evaluation:
    """Collects tables and matched detections over a run."""

    def __init__(self, scenario: Scenario, tables: dict[str, Columns], begin_us: int) -> None:
        self._scenario, self._tables, self._begin_us = scenario, tables, begin_us
        self._range_m = scenario.record.evaluation_range_m
        self.matches: dict[str, list[Matched]] = {mode: [] for mode in MODES}
        self._fused_tracks: dict[int, Tracks] = {}
        self._episodes: dict[tuple[int, str], Episodes] = {}
        self._ended: dict[tuple[int, int, int], dict[str, int]] = {}
        self.bodies: dict[int, tuple[int, float, float, float, float]] = {}
        self._frames_kept = 0
        self._next_cloud_us = begin_us
        self._candidates: list[Candidate] = []

    def note_agents(self, snapshot: Snapshot) -> None:
        """Remember the bodies of road users that appear for the first time."""
        for row, agent in enumerate(snapshot.agent):
            if int(agent) not in self.bodies:
                size = snapshot.boxes.size_m[row]
                self.bodies[int(agent)] = (
                    int(snapshot.kind[row]), float(size[0]), float(size[1]), float(size[2]),
                    float(snapshot.antenna_height_m[row]),
                )  # fmt: skip

    def frame(
        self, ego: Frame, result: Fused, used: list[Transfer], cooperation: Cooperation, own_tracks: Tracks,
        announced: Detections, fuse_us: int, detect_us: int, ground: Bool[np.ndarray, "nx ny"],
        weight: Float[np.ndarray, "nx ny"], context: tuple[Boxes, Fleet, LinkBudget],
    ) -> None:  # fmt: skip
        """Score one ego frame alone and after fusion, and record it."""
        snapshot, objects = ego.snapshot, context[0]
        away = np.hypot(*(snapshot.boxes.center_m[:, :2] - ego.pose[:2]).T)
        others = snapshot.agent != ego.agent
        near = others & (away <= self._range_m)
        seen = {}
        for mode, found in (("ego", ego.detections), ("fused", result.detections)):
            scored = self._in_range(found, snapshot, near, ego)
            self.matches[mode].append(matched(ScoredFrame(detections=scored, objects=objects[np.flatnonzero(near)])))
            seen[mode] = near & np.isin(snapshot.agent, found.truth)
            self._record_detections(ego, mode, scored)
        before = self._fused_tracks.get(ego.agent, Tracks.none(ego.time_us))
        told = Detections.joined([result.detections, self._unseen(announced, result.detections)])
        self._fused_tracks[ego.agent] = track(before, told, ego.time_us)
        known = {}
        for mode, tracks in (("ego", own_tracks), ("fused", self._fused_tracks[ego.agent])):
            known[mode] = aware(objects.center_m[:, :2], tracks.mean[tracks.confirmed, :2]) & others
        conflict = others & conflicts(
            ego.pose[:2], ego.velocity_mps, snapshot.boxes.center_m[:, :2], snapshot.velocity_mps
        )
        hidden = ego.points == 0
        self._follow(ego, near & conflict, hidden, known)
        rows = np.flatnonzero(near)
        if len(rows):
            self._tables["awareness"].add(
                frame_us=ego.time_us, ego=ego.agent, agent=snapshot.agent[rows], distance_m=away[rows],
                own_points=ego.points[rows], fused_points=result.points[rows], tracked_ego=known["ego"][rows],
                tracked_fused=known["fused"][rows], conflict=conflict[rows], occluded=hidden[rows],
            )  # fmt: skip
        self._record_fusion(ego, result, used, cooperation, near, seen, fuse_us, detect_us, ground, weight)
        if self._scenario.record.clouds_every_s > 0 and ego.time_us >= self._next_cloud_us:
            self._candidates.append(Candidate(ego, result, used, near, seen, context))

    def _in_range(
        self, found: Detections, snapshot: Snapshot, near: Bool[np.ndarray, " agents"], ego: Frame
    ) -> Detections:
        """Return the detections that count: of road users in range, and false ones in range."""
        away = np.hypot(*(found.boxes.center_m[:, :2] - ego.believed[:2]).T)
        counted = np.where(found.truth >= 0, np.isin(found.truth, snapshot.agent[near]), away <= self._range_m)
        return found[np.flatnonzero(counted)]

    @staticmethod
    def _unseen(announced: Detections, detections: Detections) -> Detections:
        """Return the stations that announced themselves and that no detection stands for, by position alone."""
        if len(announced) == 0 or len(detections) == 0:
            return announced
        gap = announced.boxes.center_m[:, None, :2] - detections.boxes.center_m[None, :, :2]
        return announced[np.flatnonzero(np.hypot(gap[..., 0], gap[..., 1]).min(axis=1) > 2.0)]

    def _follow(
        self, ego: Frame, conflict: Bool[np.ndarray, " agents"], hidden: Bool[np.ndarray, " agents"],
        known: dict[str, Bool[np.ndarray, " agents"]],
    ) -> None:  # fmt: skip
        for mode in MODES:
            state = self._episodes.get((ego.agent, mode), Episodes.none())
            state, over = follow(state, conflict, hidden, known[mode], ego.snapshot.agent, ego.time_us)
            self._episodes[ego.agent, mode] = state
            self._end(ego.agent, mode, over)

    def _end(self, ego: int, mode: str, over: Episodes) -> None:
        for k in range(len(over)):
            key = (ego, int(over.agent[k]), int(over.start_us[k]))
            entry = self._ended.setdefault(key, {"ego": -1, "fused": -1, "end": -1})
            entry[mode], entry["end"] = int(over.aware_us[k]), int(over.conflict_us[k])

    def _record_detections(self, ego: Frame, mode: str, found: Detections) -> None:
        if len(found):
            boxes = found.boxes
            self._tables["detections"].add(
                frame_us=ego.time_us, ego=ego.agent, mode=mode, x_m=boxes.center_m[:, 0], y_m=boxes.center_m[:, 1],
                z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0], width_m=boxes.size_m[:, 1],
                height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad, score=found.score, truth=found.truth,
            )  # fmt: skip

    def _record_fusion(
        self, ego: Frame, result: Fused, used: list[Transfer], cooperation: Cooperation,
        near: Bool[np.ndarray, " agents"], seen: dict[str, Bool[np.ndarray, " agents"]], fuse_us: int, detect_us: int,
        ground: Bool[np.ndarray, "nx ny"], weight: Float[np.ndarray, "nx ny"],
    ) -> None:  # fmt: skip
        heads = cooperation.heads[ego.agent]
        asked = heads.asked.pop(ego.time_us, [])
        cells = max(1, int(ground.sum()))
        ages = [ego.time_us - t.capture_us for t in used]
        mtu = self._scenario.radio.mtu_bytes
        fresh = [t for t in used if t.frame_us == ego.time_us]
        received = sum(
            t.message.size_bytes if t.parts.all() else min(t.message.size_bytes, int(t.parts.sum()) * mtu)
            for t in fresh
        )
        code = ego.matrix.code
        blind = (code == UNOBSERVED) & ground
        self._tables["fusion"].add(
            frame_us=ego.time_us, ego=ego.agent, detect_us=ego.time_us + detect_us, fuse_us=fuse_us,
            known=len(heads.known), asked=len(asked), asked_by_relay=sum(t.message.relay != NOBODY for t in asked),
            used=len(used), used_by_relay=sum(t.message.relay != NOBODY for t in used),
            age_us=round(sum(ages) / len(ages)) if ages else -1,
            requested_bytes=sum(t.message.body.allowance_bytes for t in asked), received_bytes=received,
            own_points=len(ego.cloud), added_points=len(result.added_m), objects=int(near.sum()),
            seen_ego=int(seen["ego"].sum()), seen_fused=int(seen["fused"].sum()),
            coverage_before=float(((code != UNOBSERVED) & ground).sum() / cells),
            coverage_after=float(((result.code != UNOBSERVED) & ground).sum() / cells),
            blind_covered=coverage(blind, result.code != UNOBSERVED, weight) if weight[blind].any() else np.nan,
        )  # fmt: skip

    def keep_frames(self, cooperation: Cooperation) -> None:
        """Keep the frames of this tick that are due, of the egos that fused most."""
        if not self._candidates:
            return
        record = self._scenario.record
        self._next_cloud_us += round(record.clouds_every_s * 1e6)
        best = sorted(self._candidates, key=lambda c: (-len(c.used), -len(c.result.added_m), c.ego.agent))
        self._candidates = []
        for candidate in best[: record.cloud_egos]:
            self._keep(candidate, cooperation)

    def _keep(self, candidate: Candidate, cooperation: Cooperation) -> None:
        ego, result, used = candidate.ego, candidate.result, candidate.used
        near, seen, context = candidate.near, candidate.seen, candidate.context
        number, self._frames_kept = self._frames_kept, self._frames_kept + 1
        bodies, fleet, budget = context
        matrix = ego.matrix
        self._tables["frames"].add(
            frame=number, frame_us=ego.time_us, ego=ego.agent, lower_x=int(matrix.lower[0]), lower_y=int(matrix.lower[1]),
            cells=matrix.code.shape[0], cell_m=matrix.cell_m, before=[matrix.code.tobytes()], after=[result.code.tobytes()],
        )  # fmt: skip
        snapshot = ego.snapshot
        self._tables["frame_boxes"].add(
            frame=number, agent=snapshot.agent, x_m=bodies.center_m[:, 0], y_m=bodies.center_m[:, 1],
            z_m=bodies.center_m[:, 2], length_m=bodies.size_m[:, 0], width_m=bodies.size_m[:, 1],
            height_m=bodies.size_m[:, 2], yaw_rad=bodies.yaw_rad, station=np.isin(snapshot.agent, fleet.agent),
            lidar=np.isin(snapshot.agent, fleet.agent[fleet.lidars > 0]), in_range=near, seen_ego=seen["ego"],
            seen_fused=seen["fused"],
        )  # fmt: skip
        for row in np.flatnonzero(fleet.row < 0):
            self._tables["frame_boxes"].add(
                frame=number, agent=int(fleet.agent[row]), x_m=fleet.pose[row, 0], y_m=fleet.pose[row, 1], z_m=0.0,
                length_m=0.0, width_m=0.0, height_m=float(fleet.antenna_m[row, 2]), yaw_rad=fleet.pose[row, 3],
                station=True, lidar=bool(fleet.lidars[row] > 0), in_range=False, seen_ego=False, seen_fused=False,
            )  # fmt: skip
        own = own_points_world(ego)
        points = np.concatenate([own, result.added_m])
        self._tables["clouds"].add(
            frame=number, x_m=points[:, 0], y_m=points[:, 1], z_m=points[:, 2],
            source=np.concatenate([np.full(len(own), ego.agent), result.added_source]),
            object=np.concatenate([ego.cloud.object_id, result.added_object]),
        )  # fmt: skip
        arrived = {t.message.origin for t in used}
        shown: set[tuple[int, int, str]] = set()
        for transfer in cooperation.transfers_of(ego.agent, ego.time_us) + used:
            helper = transfer.message.origin if transfer.message.kind != REQUEST else transfer.message.destination
            relay = transfer.message.relay
            hops = [(ego.agent, helper, "direct")]
            if relay != NOBODY:
                hops = [(ego.agent, relay, "relay_hop"), (relay, helper, "relay_hop"), (ego.agent, helper, "blocked")]
            for a, b, role in hops:
                i, j = fleet.index(a), fleet.index(b)
                pair = int(budget.pair(i, np.array([j]))[0]) if i >= 0 and j >= 0 else -1
                if pair < 0 or (a, b, role) in shown:
                    continue
                shown.add((a, b, role))
                self._tables["frame_links"].add(
                    frame=number, a=a, b=b, state=LINK_STATE_NAMES[int(budget.state[pair])], role=role,
                    used=helper in arrived and role != "blocked",
                )  # fmt: skip

    def close(self, transfers: list[Transfer]) -> None:
        """Write what lasts over many frames: transfers and episodes."""
        for (ego, mode), state in sorted(self._episodes.items()):
            self._end(ego, mode, state)
        for (ego, agent, start), entry in sorted(self._ended.items()):
            self._tables["episodes"].add(
                ego=ego, agent=agent, start_us=start, aware_ego_us=entry["ego"], aware_fused_us=entry["fused"],
                end_us=entry["end"],
            )  # fmt: skip
        for item in transfers:
            message = item.message
            assert message.kind != AWARENESS
            outcome = item.outcome
            if message.kind != REQUEST and outcome == "lost" and item.parts.any():
                outcome = "superseded" if item.parts.all() else "partial"
            self._tables["transfers"].add(
                message=message.number, kind=message.kind, origin=message.origin, destination=message.destination,
                relay=message.relay, frame_us=item.frame_us, capture_us=item.capture_us, detect_us=item.detect_us,
                queue_us=message.queued_us, air_us=item.air_us, arrive_us=item.arrive_us, fuse_us=item.fuse_us,
                size_bytes=message.size_bytes, fragments=item.fragments, arrived=int(item.parts.sum()), outcome=outcome,
            )  # fmt: skip

    def average_precision(self) -> dict[str, list[tuple[float, float]]]:
        """Return threshold and average precision for each mode."""
        return {
            mode: [(float(c.threshold), float(c.ap)) for c in curves(joined(parts))]
            for mode, parts in self.matches.items()
        }
