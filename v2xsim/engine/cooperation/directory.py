"""A directory in the cloud with a descriptor of every station's matrix.

The directory gives each ego a short list of helpers, so that exact matching need not compare all pairs of stations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from v2xsim.engine.stations.frame import Frame
from v2xsim.perception.matching.descriptors import complement_query, complement_stored
from v2xsim.perception.matching.shortlist import ShortList

# With this length, the best of all helpers was among the first ten in every measured case (docs/benchmarks.md).
ENTRIES = 512


class Directory:
    """Descriptors of the newest frame of each station.

    Args:
        wanted: Number of stations on an ego's short list.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._list = ShortList("ip", ENTRIES)
        self._time_us: dict[int, int] = {}

    def update(self, frames: Sequence[Frame]) -> None:
        """Replace the descriptor of each station that has a new frame, and forget stations that have left."""
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
        """Return the short list of each ego: the stations whose descriptors promise the largest gain for its blind zone.

        Args:
            egos: Frame of each ego, with the relevance of each of its blind cells (0 to 1).
        """
        if not egos:
            return []
        queries = np.stack([complement_query(ego.matrix, weight, ENTRIES) for ego, weight in egos])
        # One more station than wanted, because the ego itself may be among them.
        nearest = self._list.ask(queries, self._wanted + 1)[0]
        return [
            set([agent for agent in agents if agent not in (-1, ego.agent)][: self._wanted])
            for (ego, _), agents in zip(egos, nearest.tolist(), strict=True)
        ]
