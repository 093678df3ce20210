"""The table of all results of a sweep, or of the metrics of a run, as arrays by metric, setting and seed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float, Int64

from v2xsim.study.folders import damaged

Cube = tuple[tuple[tuple[str, str, str], ...], Float[np.ndarray, "m s k"], Int64[np.ndarray, "m s k"]]
"""Name, bin and unit of each metric; values, and numbers of samples, by metric, setting and seed."""

_WORDS, _NUMBERS = ("metric", "bin", "unit"), ("value", "count")


def cube_in(path: Path, settings: int, seeds: list[int], repair: str, one_run: bool = False) -> Cube:
    """Return the metrics in a file; a count of -1 means that there is no such point.

    Args:
        path: The Parquet file.
        settings: Number of settings of the study.
        seeds: Seeds of the study.
        repair: What the user can do if the file is damaged.
        one_run: Whether the file has the metrics of one run, without columns for setting and seed.

    Raises:
        StudyError: If the file cannot be read, lacks a column, or has points that the study has not.
    """
    places = () if one_run else ("setting", "seed")
    try:
        file = pq.ParquetFile(path)
        lacking = [name for name in (*_WORDS, *_NUMBERS, *places) if name not in file.schema_arrow.names]
        if lacking:
            raise damaged(path, f"it has no column {lacking[0]}", repair)
        table = file.read([*places, *_WORDS, *_NUMBERS])
        columns = {name: pc.cast(table.column(name), pa.int64()).to_numpy() for name in (*places, "count")}
        value = pc.cast(table.column("value"), pa.float64()).to_numpy()
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error).splitlines()[0] if str(error) else "", repair) from None
    setting, seed = (
        columns.get(name, np.full(table.num_rows, only)) for name, only in (("setting", 0), ("seed", seeds[0]))
    )
    known = np.array(sorted(seeds), np.int64)
    if not (np.isin(seed, known).all() and ((setting >= 0) & (setting < settings)).all()):
        raise damaged(path, "it has settings or seeds that the plan of the sweep has not", repair)
    seed_column = np.argsort(np.array(seeds), kind="stable")[np.searchsorted(known, seed)]
    metrics, row = _metrics(table)
    values = np.full((len(metrics), settings, len(seeds)), np.nan)
    counts = np.full(values.shape, -1, np.int64)
    values[row, setting, seed_column] = value
    counts[row, setting, seed_column] = columns["count"]
    return metrics, values, counts


def _metrics(table: pa.Table) -> tuple[tuple[tuple[str, str, str], ...], Int64[np.ndarray, " rows"]]:
    """Return name, bin and unit of each metric in the order in which they were written, and the metric of each row."""
    if table.num_rows == 0:
        return (), np.zeros(0, np.int64)
    codes, words = [], []
    for name in _WORDS:
        column = table.column(name).combine_chunks()
        column = column.cast(pa.string()).dictionary_encode() if not pa.types.is_dictionary(column.type) else column
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries().combine_chunks()
        codes.append(column.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        words.append([str(word) for word in column.dictionary.to_pylist()])
    shape = (len(words[0]), len(words[1]), len(words[2]))
    joined = np.ravel_multi_index((codes[0], codes[1], codes[2]), shape)
    distinct, first, which = np.unique(joined, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    a, b, c = np.unravel_index(distinct[order], shape)
    metrics = tuple((words[0][i], words[1][j], words[2][k]) for i, j, k in zip(a, b, c, strict=True))
    return metrics, rank[which]
