"""A directory in the cloud: descriptors of every station's matrix, so that exact matching compares a short list, not all pairs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from v2xsim.engine.stations.frame import Frame
from v2xsim.perception.matching.descriptors import complement_query, complement_stored
from v2xsim.perception.matching.shortlist import ShortList

# Found the best helper of all among its first ten in every case measured (docs/benchmarks.md).
ENTRIES = 512


class Directory:
    """Descriptors of the newest frames.

    Args:
        wanted: Number of stations on a short list.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._list = ShortList("ip", ENTRIES)
        self._time_us: dict[int, int] = {}

    def update(self, frames: Sequence[Frame]) -> None:
        """Replace the descriptors of stations with a new frame, and forget stations that have left."""
        there = {frame.agent for frame in frames}
        gone = [agent for agent in self._time_us if agent not in there]
        self._list.drop(gone)
        for agent in gone:
            del self._time_us[agent]
        fresh = [frame for frame in frames if self._time_us.get(frame.agent) != frame.time_us]
        if fresh:
            stored = np.stack([complement_stored(frame.matrix, ENTRIES) for frame in fresh])
            self._list.put([frame.agent for frame in fresh], stored)
            self._time_us.update((frame.agent, frame.time_us) for frame in fresh)

    def short_lists(self, egos: Sequence[tuple[Frame, Float[np.ndarray, "nx ny"]]]) -> list[set[int]]:
        """Return, for each ego and its blind weight, the stations whose descriptors promise the largest gain. One lookup serves all egos."""
        if not egos:
            return []
        queries = np.stack([complement_query(ego.matrix, weight, ENTRIES) for ego, weight in egos])
        # One more than wanted, since the ego itself may be among them.
        nearest = self._list.ask(queries, self._wanted + 1)[0]
        return [
            set([agent for agent in agents if agent not in (-1, ego.agent)][: self._wanted])
            for (ego, _), agents in zip(egos, nearest.tolist(), strict=True)
        ]
