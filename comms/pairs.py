"""Square arrays over pairs of stations: how to fill them from unordered pairs, and reorder them when stations change."""

import numpy as np
from jaxtyping import Int64, Shaped


def pair_rows(stations: int) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return the two rows of every unordered pair of stations, the smaller row first."""
    first, second = np.triu_indices(stations, 1)
    return first.astype(np.int64), second.astype(np.int64)


def mirrored(
    values: Shaped[np.ndarray, " pairs"], stations: int, diagonal: float = 0.0
) -> Shaped[np.ndarray, "stations stations"]:
    """Return the symmetric array that has the given value for each unordered pair of stations.

    Args:
        values: Value of each unordered pair, in the order of `pair_rows`.
        stations: Number of rows of the array.
        diagonal: Value on the diagonal, for a station with itself.
    """
    first, second = np.triu_indices(stations, 1)
    square = np.full((stations, stations), diagonal, values.dtype)
    square[first, second] = values
    square[second, first] = values
    return square


def kept_rows(
    old_agents: Int64[np.ndarray, " old"], new_agents: Int64[np.ndarray, " new"]
) -> Int64[np.ndarray, " new"]:
    """Return the row in the old list of each agent of the new list; -1 for newcomers."""
    if len(old_agents) == 0:
        return np.full(len(new_agents), -1, np.int64)
    order = np.argsort(old_agents, kind="stable")
    candidate = np.minimum(np.searchsorted(old_agents, new_agents, sorter=order), len(old_agents) - 1)
    row = order[candidate]
    return np.where(old_agents[row] == new_agents, row, -1).astype(np.int64)


def carried(
    values: Shaped[np.ndarray, "old *rest"], row: Int64[np.ndarray, " new"], fill: float
) -> Shaped[np.ndarray, "new *rest"]:
    """Return the values of the old list of stations in the order of the new list; newcomers (row -1) get `fill`."""
    moved = np.full((len(row), *values.shape[1:]), fill, values.dtype)
    moved[row >= 0] = values[row[row >= 0]]
    return moved


def homes(
    home: Int64[np.ndarray, " old"], row: Int64[np.ndarray, " new"], room: int
) -> tuple[Int64[np.ndarray, " new"], Int64[np.ndarray, " newcomers"]]:
    """Return the slot of each station in a store, and the slots of the newcomers.

    A station keeps its slot while others come and go, so the entries of the store need not move.

    Args:
        home: Slot of each station of the old list.
        row: Row of each station in the old list; -1 for newcomers.
        room: Number of slots in the store; newcomers that find no free slot get slots beyond this number.
    """
    slot = carried(home, row, -1)
    newcomers = np.flatnonzero(slot < 0)
    free = np.setdiff1d(np.arange(room + len(newcomers)), slot)[: len(newcomers)]
    slot[newcomers] = free
    return slot, free


def rekeyed(
    old_agents: Int64[np.ndarray, " old"],
    new_agents: Int64[np.ndarray, " new"],
    matrix: Shaped[np.ndarray, "old old"],
    fill: float | Shaped[np.ndarray, "new new"],
) -> Shaped[np.ndarray, "new new"]:
    """Return a matrix for the new list of stations: old pairs keep their entry, new pairs get the fill value.

    Args:
        old_agents: Identity of the station of each row of the old matrix, without repetitions.
        new_agents: Identity of the station of each row of the result, without repetitions, in any order.
        matrix: Old matrix, with one entry per ordered pair of stations.
        fill: Value for pairs with a newcomer: a single value, or an array of new values over all pairs of the new list.
    """
    row = kept_rows(old_agents, new_agents)
    result = np.empty((len(row), len(row)), matrix.dtype)
    result[...] = fill
    known = np.flatnonzero(row >= 0)
    result[np.ix_(known, known)] = matrix[np.ix_(row[known], row[known])]
    return result
