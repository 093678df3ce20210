"""The scores of ego frames as rows of the tables `awareness` and `episodes`; a run and its later evaluations write them alike."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Int64

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.episodes import Episode
from v2xsim.evaluation.frame import TickScores
from v2xsim.results.tables import Columns


def add_awareness(table: Columns, frames: EgoFrames, scores: TickScores) -> None:
    """Write one row for each road user in range of each ego of a tick."""
    flat = scores.flat
    ego, user = np.nonzero(flat.near)
    if len(ego) == 0:
        return
    table.add(
        frame_us=frames.time_us, ego=frames.egos.agent[ego], agent=frames.users.agent[user], distance_m=flat.distance_m[ego, user],
        own_points=frames.own_points[ego, user], fused_points=frames.fused_points[ego, user],
        tracked_ego=flat.known[ego, 0, user], tracked_fused=flat.known[ego, 1, user], conflict=flat.conflict[ego, user],
        occluded=scores.hidden[ego, user], announces=frames.users.announces[user], relevant=flat.relevant[ego, user],
    )  # fmt: skip


def add_episodes(table: Columns, episodes: Iterable[Episode]) -> None:
    """Write one row for each episode in which a road user was hidden and on a collision course."""
    for episode in episodes:
        table.add(
            ego=episode.ego, agent=episode.agent, start_us=episode.start_us, aware_ego_us=episode.aware_us["ego"],
            aware_fused_us=episode.aware_us["fused"], end_us=episode.end_us, announces=episode.announces,
        )  # fmt: skip


def counts_of(scores: TickScores) -> Mapping[str, Int64[np.ndarray, " egos"]]:
    """Return the columns of the table `fusion` that depend on the evaluation: road users in range, how many were detected, and false tracks."""
    seen, false, new = scores.flat.seen.sum(axis=2), scores.false_tracks, scores.new_false_tracks
    return {
        "objects": scores.flat.objects, "unannounced": scores.flat.unannounced, "seen_ego": seen[:, 0], "seen_fused": seen[:, 1],
        "false_ego": false[:, 0], "false_fused": false[:, 1], "new_false_ego": new[:, 0], "new_false_fused": new[:, 1],
    }  # fmt: skip
