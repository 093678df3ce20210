"""The rows of an index: labels, states, expiry times, and a capacity that grows automatically."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from numba import njit

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.arrays import DOOMED, FREE, LIVE, MARKED, Desk, Graph, desk, empty_graph, resized

# With this share of deleted rows, a deletion causes a constant number of repairs on average, and searches pass through
# few useless rows.
_PURGE_SHARE, _PURGE_LEAST = 8, 64


class Items:
    """The rows of an index.

    Args:
        dim: Number of entries of a vector.
        m: Number of links of a row on the upper levels; on level 0 a row has 2 m links.
        room: Initial number of rows.
    """

    def __init__(self, dim: int, m: int, room: int) -> None:
        self.dim, self.room = dim, room
        self.graph: Graph = empty_graph(dim, m, room, room // m)
        self.expires: Float64[np.ndarray, " rows"] = np.full(room, np.inf)
        self.used = self.upper_used = self.marked = self.doomed = 0
        self._row: dict[int, int] = {}
        self._free: list[int] = []
        self._desks: list[Desk] = []
        self._live: Bool[np.ndarray, "1 rows"] | None = None

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, label: object) -> bool:
        return label in self._row

    @property
    def all_live(self) -> bool:
        """Whether every row that can be reached in the graph may be returned."""
        return not self.marked and not self.doomed

    def live(self) -> Bool[np.ndarray, "1 rows"]:
        """Return whether each row may be returned; the result is computed again after each change."""
        if self._live is None:
            self._live = (self.graph.state[: self.used] == LIVE)[None]
        return self._live

    def labels(self) -> Int64[np.ndarray, " items"]:
        """Return all labels in the order of their rows."""
        label = self.graph.label[: self.used]
        return label[label >= 0]

    def row(self, label: Any) -> int:
        """Return the row of a label; raise UserError if the label is unknown."""
        known = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
        row = self._row.get(int(label)) if known else None
        if row is None:
            raise UserError(f"label {label!r} is not in the index, which holds {len(self)} items")
        return row

    def rows(self, ids: Any) -> list[int]:
        """Return the rows of the given labels; raise UserError if one is unknown."""
        return [self.row(name) for name in np.atleast_1d(np.asarray(ids)).tolist()]

    def known(self, labels: list[int]) -> list[int]:
        """Return the rows of those of the given labels that exist."""
        return [row for row in map(self._row.get, labels) if row is not None]

    def desk(self, ef: int) -> Desk:
        """Return the graph with working space for this caller alone; the caller must return it with `done`."""
        try:
            spare_desk = self._desks.pop()
        except IndexError:
            return desk(self.graph, ef)
        return (
            spare_desk
            if spare_desk.graph is self.graph and len(spare_desk.scratch.pool) >= ef
            else desk(self.graph, ef)
        )

    def done(self, used: Desk) -> None:
        """Take back the working space that `desk` lent to a caller."""
        self._desks.append(used)

    def give_room(self, room: int) -> None:
        """Set the capacity in items, at least to the number of rows in use. No row may have the state DOOMED."""
        self.room = room
        self.resize(max(room, self.used), self.upper_used)

    def resize(self, rows: int, upper: int) -> None:
        """Change the lengths of the arrays; rows that are cut off must be unused."""
        self.graph, kept = resized(self.graph, rows, upper), self.expires[:rows]
        self.expires = np.full(rows, np.inf)
        self.expires[: len(kept)] = kept
        self._desks = []

    def add(
        self,
        labels: Int64[np.ndarray, " n"],
        vectors: Float32[np.ndarray, "n dim"],
        level: Int32[np.ndarray, " n"],
        expires: Float64[np.ndarray, "..."],
    ) -> Int32[np.ndarray, " n"]:
        """Assign rows to new items, freed rows first, and return the rows. The caller must link them."""
        count, names = len(labels), labels.tolist()
        fresh = max(0, count - len(self._free))
        held = len(self) + count
        if held > self.room:
            self.room = max(held, self.room + self.room // 2)
        end, upper_end = self.used + fresh, self.upper_used + int(level.sum())
        rows, upper = len(self.graph.state), len(self.graph.upper_degree)
        if end > rows or upper_end > upper:
            self.resize(
                max(self.room, end + end // _PURGE_SHARE) if end > rows else rows,
                max(upper_end, upper + upper // 2) if upper_end > upper else upper,
            )
        at = np.array([self._free.pop() for _ in range(count - fresh)] + list(range(self.used, end)), np.int32)
        graph = self.graph
        _place(
            graph.vectors,
            graph.level,
            graph.first,
            graph.state,
            graph.label,
            at,
            vectors,
            level,
            labels,
            self.upper_used,
        )
        self.expires[at] = expires
        self._row.update(zip(names, at.tolist(), strict=True))
        self.used, self.upper_used, self._live = end, upper_end, None
        return at

    def mark(self, label: Any, marked: bool) -> None:
        """Mark an item as deleted, so that searches do not return it, or remove this mark."""
        row = self.row(label)
        if (self.graph.state[row] == MARKED) == marked:
            raise UserError(f"label {label} is {'marked as deleted already' if marked else 'not marked as deleted'}")
        self.graph.state[row] = MARKED if marked else LIVE
        self.marked += 1 if marked else -1
        self._live = None

    def marked_rows(self) -> list[int]:
        """Return the rows of the items marked as deleted, lowest first."""
        rows: list[int] = np.flatnonzero(self.graph.state[: self.used] == MARKED).tolist()
        return rows

    def expired(self, now: float) -> list[int]:
        """Return the labels of the items whose expiry time is reached at `now`."""
        if not isinstance(now, (int, float, np.integer, np.floating)) or now != now:
            raise UserError(f"now must be a time, got {now!r}")
        label, until = self.graph.label[: self.used], self.expires[: self.used]
        labels: list[int] = label[(label >= 0) & (until <= now)].tolist()
        return labels

    def doom(self, rows: list[int]) -> None:
        """Delete items; searches still pass through their rows until the rows are purged."""
        if not rows:
            return
        graph, at = self.graph, np.array(rows, np.int64)
        self.marked -= int((graph.state[at] == MARKED).sum())
        for name in graph.label[at].tolist():
            del self._row[name]
        graph.state[at], graph.label[at], self.expires[at] = DOOMED, -1, np.inf
        self.doomed += len(rows)
        self._live = None

    def is_due(self) -> bool:
        """Return whether enough rows are deleted to make a purge worthwhile."""
        return bool(self.doomed) and (self.doomed >= max(_PURGE_LEAST, self.used // _PURGE_SHARE) or not self._row)

    def reclaim(self) -> None:
        """After a purge, make freed rows available and close the gaps in the arrays of the upper levels."""
        graph, self.doomed = self.graph, 0
        self._free = np.flatnonzero(graph.state[: self.used] == FREE)[::-1].tolist()
        tall = np.flatnonzero(graph.level > 0)
        level = graph.level[tall]
        end = np.cumsum(level)
        old = np.repeat(graph.first[tall], level) + np.arange(level.sum()) - np.repeat(end - level, level)
        graph.first[tall] = end - level
        self.upper_used = len(old)
        graph.upper_links[: len(old)], graph.upper_degree[: len(old)] = graph.upper_links[old], graph.upper_degree[old]
        graph.upper_links[len(old) :], graph.upper_degree[len(old) :] = -1, 0
        self._live = None

    # Files ----------------------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the used parts of the arrays, by name."""
        ends = {"head": 2, "upper_links": self.upper_used, "upper_degree": self.upper_used}
        named = zip(Graph._fields, self.graph, strict=True)
        kept = {name: array[: ends.get(name, self.used)] for name, array in named}
        return {**kept, "expires": self.expires[: self.used]}

    @classmethod
    def of(cls, graph: Graph, expires: Float64[np.ndarray, " rows"], dim: int, room: int) -> "Items":
        """Return items from a graph in which all rows are used.

        Raises:
            ValueError: If the labels do not match the rows.
        """
        made = cls(dim, graph.upper_links.shape[1], 0)
        held = np.flatnonzero((graph.state == LIVE) | (graph.state == MARKED))
        made._row = dict(zip(graph.label[held].tolist(), held.tolist(), strict=True))
        others = np.delete(graph.label, held)
        if len(made) != len(held) or (graph.label[held] < 0).any() or (others != -1).any():
            raise ValueError("labels and rows do not agree")
        if expires.shape != graph.state.shape or np.isnan(expires).any():
            raise ValueError("deadlines and rows do not agree")
        made.graph, made.expires, made.room = graph, expires, max(room, len(made))
        made.used, made.upper_used = len(graph.state), len(graph.upper_degree)
        made._free = np.flatnonzero(graph.state == FREE)[::-1].tolist()
        made.marked, made.doomed = int((graph.state == MARKED).sum()), int((graph.state == DOOMED).sum())
        return made


@njit(cache=True)
def _place(vectors, levels, first, state, label, at, new, level, names, upper):  # type: ignore[no-untyped-def]
    """Write new items into their rows; items above level 0 get rows of the upper levels, starting at `upper`."""
    for i in range(len(at)):
        row = at[i]
        vectors[row, : new.shape[1]] = new[i]
        levels[row], first[row] = level[i], upper if level[i] > 0 else -1
        state[row], label[row] = LIVE, names[i]
        upper += level[i]
