"""Rows of a table as comma-separated values."""

import csv
import io
from collections.abc import Mapping, Sequence


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as comma-separated values with a line of heads (RFC 4180, with a line feed at the end of each line).

    A missing value is an empty cell, a list one cell with spaces between its values, and a truth value true or false.

    Args:
        rows: Values by column; a column that a row lacks is empty.
    """
    text = io.StringIO()
    heads = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(row.get(name)) for name in heads] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(_cell, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
