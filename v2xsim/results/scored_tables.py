"""The scores of ego frames as rows of the tables `awareness` and `episodes`; a run and its later evaluations write them alike."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from v2xsim.evaluation.episodes import Episode
from v2xsim.evaluation.evaluator import EgoFrame
from v2xsim.evaluation.frame import FrameScore
from v2xsim.results.tables import Columns


def add_awareness(table: Columns, frames: Sequence[EgoFrame], scores: Sequence[FrameScore]) -> None:
    """Write one row for each road user in range of each ego of a tick."""
    rows = np.flatnonzero(np.concatenate([scored.near for scored in scores]))
    if len(rows) == 0:
        return
    scenes = [frame.scene for frame in frames]
    agents = [len(scene.agent) for scene in scenes]
    columns = {
        "frame_us": np.repeat([scene.time_us for scene in scenes], agents),
        "ego": np.repeat([scene.ego for scene in scenes], agents),
        "agent": np.concatenate([scene.agent for scene in scenes]),
        "distance_m": np.concatenate([scored.distance_m for scored in scores]),
        "own_points": np.concatenate([scene.own_points for scene in scenes]),
        "fused_points": np.concatenate([frame.fused_points for frame in frames]),
        "tracked_ego": np.concatenate([scored.modes["ego"].known for scored in scores]),
        "tracked_fused": np.concatenate([scored.modes["fused"].known for scored in scores]),
        "conflict": np.concatenate([scored.conflict for scored in scores]),
        "occluded": np.concatenate([scored.hidden for scored in scores]),
    }
    table.add(**{name: column[rows] for name, column in columns.items()})


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
