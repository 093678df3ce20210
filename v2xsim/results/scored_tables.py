"""The scores of ego frames as rows of the tables `awareness` and `episodes`; a run and its later evaluations write them alike."""

from collections.abc import Iterable, Mapping

import numpy as np

from v2xsim.evaluation.episodes import Episode
from v2xsim.evaluation.evaluator import EgoFrame
from v2xsim.evaluation.frame import FrameScore
from v2xsim.results.tables import Columns


def add_awareness(table: Columns, frame: EgoFrame, scored: FrameScore) -> None:
    """Write one row for each road user in range of an ego."""
    rows = np.flatnonzero(scored.near)
    if len(rows):
        scene, alone, fused = frame.scene, scored.modes["ego"], scored.modes["fused"]
        table.add(
            frame_us=scene.time_us, ego=scene.ego, agent=scene.agent[rows], distance_m=scored.distance_m[rows],
            own_points=scene.own_points[rows], fused_points=frame.fused_points[rows], tracked_ego=alone.known[rows],
            tracked_fused=fused.known[rows], conflict=scored.conflict[rows], occluded=scored.hidden[rows],
        )  # fmt: skip


def add_episodes(table: Columns, episodes: Iterable[Episode]) -> None:
    """Write one row for each episode in which a road user was hidden and on a collision course."""
    for episode in episodes:
        table.add(
            ego=episode.ego, agent=episode.agent, start_us=episode.start_us, aware_ego_us=episode.aware_us["ego"],
            aware_fused_us=episode.aware_us["fused"], end_us=episode.end_us,
        )  # fmt: skip


def counts_of(scored: FrameScore) -> Mapping[str, int]:
    """Return the columns of the table `fusion` that depend on the evaluation: road users in range, and how many were detected."""
    return {
        "objects": int(scored.near.sum()),
        "seen_ego": int(scored.modes["ego"].seen.sum()),
        "seen_fused": int(scored.modes["fused"].seen.sum()),
    }
