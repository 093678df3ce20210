"""Recording of a run: scores each ego frame through v2xsim.evaluation, fills the tables and keeps frames for pictures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import AWARENESS, NOBODY, REQUEST
from v2xsim.engine.cooperation.exchange import Cooperation, Transfer
from v2xsim.engine.cooperation.fusing import Fused, own_points_world
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.sensing import Frame
from v2xsim.evaluation.coverage import covered
from v2xsim.evaluation.detections import average_precision
from v2xsim.evaluation.episodes import HiddenConflicts
from v2xsim.evaluation.frame import FrameScore, score
from v2xsim.evaluation.known_users import FusedTracks
from v2xsim.evaluation.scene import MODES, Scene
from v2xsim.perception.metrics.average_precision import Matched
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import LINK_STATE_NAMES, Boxes, Detections, Snapshot
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario


@dataclass(frozen=True)
class Candidate:
    """An ego frame of the present tick that may be kept for pictures.

    Attributes:
        ego: The ego's own frame.
        result: After fusion.
        used: Answers that were fused.
        score: What the frame is worth.
        context: Bodies as the ego would place them, stations and links.
    """

    ego: Frame
    result: Fused
    used: list[Transfer]
    score: FrameScore
    context: tuple[Boxes, Fleet, LinkBudget]


def scene_of(ego: Frame, apparent: Boxes) -> Scene:
    """Return the truth around an ego frame, given the bodies as the ego would place them."""
    snapshot = ego.snapshot
    return Scene(
        ego.agent, ego.time_us, ego.pose[:2], ego.believed[:2], ego.velocity_mps,
        snapshot.agent, snapshot.boxes, apparent, snapshot.velocity_mps, ego.points,
    )  # fmt: skip


class Recording:
    """Collects tables and the scores of frames over a run."""

    def __init__(self, scenario: Scenario, tables: dict[str, Columns], begin_us: int) -> None:
        self._scenario, self._tables = scenario, tables
        self._matches: dict[str, list[Matched]] = {mode: [] for mode in MODES}
        self._fused_tracks = FusedTracks()
        self._hidden_conflicts = HiddenConflicts()
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
        range_m = self._scenario.record.evaluation_range_m
        scene = scene_of(ego, context[0])
        fused_tracks = self._fused_tracks.step(ego.agent, result.detections, announced, ego.time_us)
        perceived = {"ego": (ego.detections, own_tracks), "fused": (result.detections, fused_tracks)}
        scored = score(scene, perceived, range_m)
        for mode, part in scored.modes.items():
            self._matches[mode].append(part.matched)
            self._record_detections(ego, mode, part.detections)
        self._hidden_conflicts.follow(scene, {mode: part.known for mode, part in scored.modes.items()}, range_m)
        self._record_awareness(scene, scored, result)
        self._record_fusion(ego, result, used, cooperation, scored, fuse_us, detect_us, ground, weight)
        if self._scenario.record.clouds_every_s > 0 and ego.time_us >= self._next_cloud_us:
            self._candidates.append(Candidate(ego, result, used, scored, context))

    def _record_detections(self, ego: Frame, mode: str, found: Detections) -> None:
        if len(found):
            boxes = found.boxes
            self._tables["detections"].add(
                frame_us=ego.time_us, ego=ego.agent, mode=mode, x_m=boxes.center_m[:, 0], y_m=boxes.center_m[:, 1],
                z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0], width_m=boxes.size_m[:, 1],
                height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad, score=found.score, truth=found.truth,
            )  # fmt: skip

    def _record_awareness(self, scene: Scene, scored: FrameScore, result: Fused) -> None:
        rows = np.flatnonzero(scored.near)
        if len(rows):
            alone, fused = scored.modes["ego"], scored.modes["fused"]
            self._tables["awareness"].add(
                frame_us=scene.time_us, ego=scene.ego, agent=scene.agent[rows], distance_m=scored.distance_m[rows],
                own_points=scene.own_points[rows], fused_points=result.points[rows], tracked_ego=alone.known[rows],
                tracked_fused=fused.known[rows], conflict=scored.conflict[rows], occluded=scored.hidden[rows],
            )  # fmt: skip

    def _record_fusion(
        self, ego: Frame, result: Fused, used: list[Transfer], cooperation: Cooperation, scored: FrameScore,
        fuse_us: int, detect_us: int, ground: Bool[np.ndarray, "nx ny"], weight: Float[np.ndarray, "nx ny"],
    ) -> None:  # fmt: skip
        heads = cooperation.heads[ego.agent]
        asked = heads.asked.pop(ego.time_us, [])
        ages = [ego.time_us - t.capture_us for t in used]
        mtu = self._scenario.radio.mtu_bytes
        fresh = [t for t in used if t.frame_us == ego.time_us]
        received = sum(
            t.message.size_bytes if t.parts.all() else min(t.message.size_bytes, int(t.parts.sum()) * mtu)
            for t in fresh
        )
        share = covered(ego.matrix.code, result.code, ground, weight)
        self._tables["fusion"].add(
            frame_us=ego.time_us, ego=ego.agent, detect_us=ego.time_us + detect_us, fuse_us=fuse_us,
            known=len(heads.known), asked=len(asked), asked_by_relay=sum(t.message.relay != NOBODY for t in asked),
            used=len(used), used_by_relay=sum(t.message.relay != NOBODY for t in used),
            age_us=round(sum(ages) / len(ages)) if ages else -1,
            requested_bytes=sum(t.message.body.allowance_bytes for t in asked), received_bytes=received,
            own_points=len(ego.cloud), added_points=len(result.added_m), objects=int(scored.near.sum()),
            seen_ego=int(scored.modes["ego"].seen.sum()), seen_fused=int(scored.modes["fused"].seen.sum()),
            coverage_before=share.before, coverage_after=share.after, blind_covered=share.blind_covered,
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
        scored, (bodies, fleet, budget) = candidate.score, candidate.context
        number, self._frames_kept = self._frames_kept, self._frames_kept + 1
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
            lidar=np.isin(snapshot.agent, fleet.agent[fleet.lidars > 0]), in_range=scored.near,
            seen_ego=scored.modes["ego"].seen, seen_fused=scored.modes["fused"].seen,
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
        for episode in self._hidden_conflicts.episodes():
            self._tables["episodes"].add(
                ego=episode.ego, agent=episode.agent, start_us=episode.start_us, aware_ego_us=episode.aware_us["ego"],
                aware_fused_us=episode.aware_us["fused"], end_us=episode.end_us,
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
        return average_precision(self._matches)
