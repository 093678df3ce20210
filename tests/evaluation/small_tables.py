"""Tables of a few rows for the tests of metrics: what a test does not state is zero, empty or false."""

import numpy as np

from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.tables import Columns

_BLANK = {"word": "", "text": "", "bytes": b"", "bool": False}


def table(name, **columns):
    """Return a table; lists are columns, anything else holds for every row."""
    made = Columns(name)
    count = max((len(values) for values in columns.values() if isinstance(values, list | np.ndarray)), default=0)
    if count:
        blank = {column: _BLANK.get(kind, 0) for column, kind, _ in COLUMNS[name]}
        made.add(**{column: _column(values, count) for column, values in (blank | columns).items()})
    return made.finished()


def read(tables, rows=65_536):
    """Return the function that reads tables in row groups of some length; a table that is not given has no rows."""

    def groups(table, columns):
        whole = tables.get(table, schema_of(table).empty_table()).select(list(columns))
        return (whole.slice(first, rows) for first in range(0, whole.num_rows, rows))

    return groups


def broadcasts(outcome, **columns):
    """Return a table of awareness messages that station 7 sent 10 m away, one receiver after the other."""
    defaults = {
        "kind": "awareness", "hop": 1, "distance_m": 10.0, "link_state": "LOS", "tx": 7,
        "rx": list(range(len(outcome))), "end_us": 1000,
    }  # fmt: skip
    return table("packets", **{**defaults, "outcome": outcome, **columns})


def values(rows):
    """Return value by name and bin."""
    return {(name, part): metric.value for name, part, metric in rows}


def counts(rows):
    """Return samples by name and bin."""
    return {(name, part): metric.count for name, part, metric in rows}


def _column(values, count):
    if isinstance(values, np.ndarray):
        return values
    cells = values if isinstance(values, list) else [values] * count
    return np.array(cells, object) if isinstance(cells[0], str | bytes) else np.array(cells)
