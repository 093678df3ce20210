"""Collects the results of all points of a sweep into one table."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.atomic import write_atomically
from v2xsim.errors import reason_of
from v2xsim.notices import Notice
from v2xsim.study.continued import StoreError
from v2xsim.study.plan import Plan
from v2xsim.study.point_notices import NOTICES, PointNotice, merged, notices_in
from v2xsim.study.store import Store, as_json

RESULTS, FAILURES, TIMING = "results.parquet", "failures.json", "timing.parquet"


def gather(store: Store) -> Path:
    """Write results, notices, failures and timing of a sweep from the files of its points; return the path of the results.

    Raises:
        StoreError: If a point's file is damaged (the file is removed, so that --resume runs the point again), or the files
            cannot be written.
    """
    folder = store.folder
    table, notices = _results(store)
    try:
        write_atomically(folder / RESULTS, _parquet(table))
        write_atomically(folder / NOTICES, as_json([notice.as_object() for notice in notices]))
        write_atomically(folder / FAILURES, as_json(store.failures()))
        write_atomically(folder / TIMING, _parquet(_timing(store)))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {reason_of(error)}; then continue with --resume") from None
    return folder / RESULTS


def _results(store: Store) -> tuple[pa.Table, list[PointNotice]]:
    """Return the metrics of all finished points, and the notices of these points."""
    plan, parts, points, rows = store.plan, [], [], []
    notices: list[list[Notice]] = []
    for point in plan.points:
        if point.key not in store.finished:
            continue
        path = store.folder / "points" / f"{point.key}.arrow"
        try:
            with path.open("rb") as stream:
                part = pa.ipc.open_file(stream.read()).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            # Without its file, a point counts as not finished, so --resume runs it again.
            path.unlink(missing_ok=True)
            raise StoreError(
                f"{path}: was damaged ({error}); continue with --resume, which runs that point again"
            ) from None
        parts.append(
            pa.table([part.column(name).cast(column_type) for name, column_type in _PLAIN.items()], names=list(_PLAIN))
        )
        points.append(point)
        notices.append(notices_in(part))
        rows.append(part.num_rows)
    table = pa.concat_tables(parts) if parts else pa.table({n: pa.array([], k) for n, k in _PLAIN.items()})
    counts = pa.array(rows, pa.int64())
    columns: dict[str, Any] = {
        "point": _repeated(pa.array([p.index for p in points], pa.int32()), counts),
        "setting": _repeated(pa.array([p.setting for p in points], pa.int32()), counts),
        "seed": _repeated(pa.array([p.seed for p in points], pa.int64()), counts),
    }
    for key, values in zip(plan.keys, setting_columns(plan), strict=True):
        columns[key] = _repeated(values.take(pa.array([p.setting for p in points], pa.int64())), counts)
    for name in _PLAIN:
        column = table.column(name).combine_chunks()
        columns[name] = column.dictionary_encode() if name in ("metric", "bin", "unit") else column
    return pa.table(columns), merged(notices)


_PLAIN = {"metric": pa.string(), "bin": pa.string(), "value": pa.float64(), "unit": pa.string(), "count": pa.int64()}


def _repeated(values: pa.Array, counts: pa.Array) -> pa.Array:
    """Return an array in which the value of each point is repeated `counts` times, once for each row of the point."""
    import numpy as np

    return values.take(pa.array(np.repeat(np.arange(len(values)), counts.to_numpy())))


def setting_columns(plan: Plan) -> list[pa.Array]:
    """Return, for each varied key, its values by setting: as numbers or truth values if all values are, otherwise as text."""
    columns = []
    for key in plan.keys:
        values = [setting[key] for setting in plan.settings]
        kinds = {type(value) for value in values}
        # bool is tested first, because Python counts a truth value as a number.
        if kinds == {bool}:
            columns.append(pa.array(values, pa.bool_()))
        elif kinds == {int} and all(abs(value) < 2**63 for value in values):
            columns.append(pa.array(values, pa.int64()))
        elif kinds <= {int, float}:
            columns.append(pa.array([float(value) for value in values], pa.float64()))
        else:
            columns.append(
                pa.array([v if isinstance(v, str) else json.dumps(v, sort_keys=True) for v in values], pa.string())
            )
    return columns


def _timing(store: Store) -> pa.Table:
    """Return time and memory of each point, from its latest entry; an incomplete line after a kill is ignored."""
    last: dict[str, dict[str, Any]] = {}
    file = store.folder / "timing.jsonl"
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            timing = json.loads(line)
            last[timing["key"]] = timing
        except (ValueError, KeyError, TypeError):
            continue
    rows = [(p.index, last[p.key]) for p in store.plan.points if p.key in last]
    return pa.table(
        {
            "point": pa.array([index for index, _ in rows], pa.int32()),
            "wall_s": pa.array([timing["wall_s"] for _, timing in rows], pa.float64()),
            "cpu_s": pa.array([timing["cpu_s"] for _, timing in rows], pa.float64()),
            "peak_bytes": pa.array([timing["peak_bytes"] for _, timing in rows], pa.int64()),
        }
    )


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
