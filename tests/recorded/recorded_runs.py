"""The recorded runs: their scenarios, what each gave when it was recorded, and how a new run differs from that."""

import json
import lzma
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import v2xsim

HERE = Path(__file__).resolve().parent
NAMES = ("collective", "mode2", "mode4", "relayed")
# Processors and versions of libraries round differently in the last bits. Whole numbers, words and flags must be equal.
RELATIVE, ABSOLUTE = 1e-6, 1e-9

Record = dict[str, dict[str, dict[str, Any]]]
"""Type and values of each column of each table."""


def run(name: str) -> Record:
    """Return what the scenario of a recorded run gives now."""
    tables = v2xsim.run(v2xsim.load(HERE / f"{name}.yaml")).tables
    return {
        table: {column: _plain(rows.column(column)) for column in rows.column_names} for table, rows in tables.items()
    }


def recorded(name: str) -> Record:
    """Return what it gave when it was recorded."""
    record: Record = json.loads(lzma.decompress((HERE / f"{name}.json.xz").read_bytes()))
    return record


def keep(name: str, record: Record) -> None:
    """Take a run as the one to compare with."""
    text = json.dumps(record, separators=(",", ":"))
    (HERE / f"{name}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def difference(expected: Record, found: Record) -> str:
    """Return the first difference between two runs in words; empty where there is none."""
    if list(expected) != list(found):
        return f"tables: expected {', '.join(expected)}; found {', '.join(found)}"
    for table, columns in expected.items():
        if list(columns) != list(found[table]):
            return f"{table}: expected the columns {', '.join(columns)}; found {', '.join(found[table])}"
        for column, cells in columns.items():
            now = found[table][column]
            if cells["type"] != now["type"]:
                return f"{table}.{column}: expected type {cells['type']}, found {now['type']}"
            rows = zip(cells["values"], now["values"], strict=False)
            for row, (before, after) in enumerate(rows):
                if not _equal(before, after):
                    return f"{table}.{column}, row {row}: expected {before!r}, found {after!r}"
            if len(cells["values"]) != len(now["values"]):
                return f"{table}: expected {len(cells['values'])} rows, found {len(now['values'])}"
    return ""


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        if math.isnan(before) or math.isnan(after):
            return math.isnan(before) and math.isnan(after)
        return math.isclose(before, after, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(before == after)


def _plain(column: pa.ChunkedArray) -> dict[str, Any]:
    values = column.to_pylist()
    if pa.types.is_binary(column.type):
        values = [value.hex() for value in values]
    if pa.types.is_float32(column.type):
        # The shortest text that is this number in 32 bits.
        values = [float(str(np.float32(value))) for value in values]
    if pa.types.is_float64(column.type):
        # More digits than are compared would only make the files larger.
        values = [float(f"{value:.9g}") for value in values]
    return {"type": str(column.type), "values": values}
