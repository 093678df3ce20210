"""Sets of agent ids that only grow, for data about all road users of a run: one flag for each agent id."""

import numpy as np
from jaxtyping import Bool, Int64


def grown(rows: np.ndarray, count: int, fill: float = 0) -> np.ndarray:
    """Return an array of at least `count` rows: the given one, or a copy with new rows that have one value."""
    if count <= len(rows):
        return rows
    # Twice as long, so that rows are copied only now and then.
    longer = np.full((max(count, 2 * len(rows)), *rows.shape[1:]), fill, rows.dtype)
    longer[: len(rows)] = rows
    return longer


class AgentSet:
    """A set of agent ids."""

    def __init__(self) -> None:
        self._is_in = np.zeros(0, bool)
        self._count = 0

    def add(self, agent: Int64[np.ndarray, " agents"]) -> Bool[np.ndarray, " agents"]:
        """Add agent ids without repetitions; return which of them are new."""
        if len(agent) == 0:
            return np.zeros(0, bool)
        self._is_in = grown(self._is_in, int(agent.max()) + 1)
        is_new = ~self._is_in[agent]
        self._is_in[agent] = True
        self._count += int(is_new.sum())
        return is_new

    def __len__(self) -> int:
        return self._count

    def __contains__(self, agent: int) -> bool:
        return agent < len(self._is_in) and bool(self._is_in[agent])

    def flags(self, count: int) -> Bool[np.ndarray, " agents"]:
        """Return for each agent id below `count` whether it is in the set."""
        return grown(self._is_in, count)[:count]

    @property
    def agents(self) -> list[int]:
        """All agent ids in the set, in rising order."""
        ids: list[int] = np.flatnonzero(self._is_in).tolist()
        return ids
