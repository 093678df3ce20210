"""The tables of a run that was evaluated again: those of the evaluation are new, the others are those of the run."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.frame import TickScores
from v2xsim.opened.new_rows import NewRows
from v2xsim.opened.parts import PartTables
from v2xsim.results.columns import COLUMNS, SINCE, schema_of
from v2xsim.results.file_tables import chosen_columns
from v2xsim.results.results import metrics_table
from v2xsim.results.row_groups import cut
from v2xsim.results.scored_tables import add_awareness, counts_of
from v2xsim.results.tables import Columns

_NAMES = ("metrics", "awareness", "episodes", "fusion")


class EvaluatedTables(Mapping[str, pa.Table]):
    """The tables `metrics`, `awareness`, `episodes` and `fusion` of an evaluation, each made when it is used.

    Args:
        tables: Tables of the run.
        layout: Format of the run's folder.

    Attributes:
        episodes: The table `episodes`, to be filled.
        metrics: The table `metrics`.
    """

    def __init__(self, tables: PartTables, layout: int) -> None:
        self._tables, self._layout = tables, layout
        self._awareness = NewRows("awareness")
        # By column of `fusion`, the new values of each tick.
        self._counts: dict[str, list[np.ndarray]] = {}
        self.episodes = Columns("episodes")
        self.metrics = metrics_table([])

    def add(self, frames: EgoFrames, scores: TickScores) -> None:
        """Add the rows of all frames of a tick; ticks must come in the order of the table `fusion`."""
        add_awareness(self._awareness.columns(), frames, scores)
        for name, counts in counts_of(scores).items():
            self._counts.setdefault(name, []).append(counts.astype(np.int32))

    def groups(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the row groups of a table of the evaluation, or of the run if the evaluation does not change it; none if it is newer than the run."""
        if table not in COLUMNS:
            raise KeyError(_no_table(table))
        chosen = chosen_columns(table, columns)
        names = schema_of(table).names if chosen is None else chosen
        # Older versions wrote larger row groups, and metrics depend on them in the last digit.
        for group in cut(self._pieces(table, names), table):
            yield group.select(names)

    def __getitem__(self, name: str) -> pa.Table:
        if name not in _NAMES:
            raise KeyError(_no_table(name))
        if name == "metrics":
            return self.metrics
        schema = schema_of(name)
        return pa.concat_tables([schema.empty_table(), *self.groups(name, schema.names)])

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)

    def __repr__(self) -> str:
        rows = {
            name: sum(group.num_rows for group in self.groups(name, schema_of(name).names[:1])) for name in _NAMES[1:]
        }
        rows = {"metrics": self.metrics.num_rows} | rows
        return "\n".join(f"{name:<9}  table of {rows[name]:,} rows" for name in _NAMES)

    def _pieces(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        if table == "awareness":
            yield from self._awareness.pieces()
        elif table == "metrics":
            yield self.metrics
        elif table == "episodes":
            yield self.episodes.finished()
        elif table == "fusion":
            yield from self._fusion(columns)
        elif SINCE.get(table, 0) <= self._layout:
            yield from self._tables.groups(table, columns)

    def _fusion(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        new = {name: np.concatenate(counts) for name, counts in self._counts.items()}
        schema, begin = schema_of("fusion"), 0
        # Of another version of v2xsim, the table may lack the columns that are new.
        lacks = {name for name in columns if name not in new and SINCE.get(f"fusion.{name}", 0) > self._layout}
        kept = [name for name in columns if name not in new and name not in lacks] or ["frame_us"]
        for group in self._tables.groups("fusion", kept):
            rows = slice(begin, begin + group.num_rows)
            begin = rows.stop
            # Shares that the run did not measure, and that cannot be computed from what it recorded.
            unknown = pa.array(np.full(group.num_rows, np.nan, np.float32))
            arrays = [
                pa.array(new[name][rows]) if name in new else unknown if name in lacks else group.column(name)
                for name in columns
            ]
            yield pa.Table.from_arrays(arrays, schema=pa.schema([schema.field(name) for name in columns]))


def _no_table(name: object) -> str:
    return f"an evaluation has no table {name!r}; it has {', '.join(_NAMES)}, the run has all others"
