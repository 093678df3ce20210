"""Rows of a table at an instant, read from the row groups that hold it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.opened import OpenError
from v2xsim.opened.blocks import Instants
from v2xsim.opened.parts import FileParts, StreamParts

KEYS = ("time_us", "station")
PATH = Path("folder")


def table(rows):
    """Return a table of rows of instant and station, numbered in the column `x`."""
    time_us, station = np.array(rows, np.int64).reshape(-1, 2).T
    return pa.table({"time_us": time_us, "station": station, "x": np.arange(len(rows))})


class Counted:
    """Row groups of a table in memory, which note each one that is read."""

    def __init__(self, whole, ends):
        bounds = sorted({0, whole.num_rows, *(min(end, whole.num_rows) for end in ends)})
        self.groups = [whole.slice(first, end - first) for first, end in pairwise(bounds)]
        self.whole, self.was_read = whole, []

    def read(self, part, columns):
        self.was_read.append(part)
        return self.groups[part].select(list(columns))

    def none(self):
        return self.whole.slice(0, 0)

    def instants(self, column):
        return np.array(
            [(g[column].to_numpy().min(), g[column].to_numpy().max()) for g in self.groups], np.int64
        ).reshape(-1, 2)


def instants(parts):
    return Instants(parts, KEYS, ("x",), PATH)


ROWS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), max_size=40).map(sorted)


@given(ROWS, st.sets(st.integers(0, 40), max_size=6), st.lists(st.integers(-1, 9), min_size=1))
def test_the_rows_of_an_instant_are_found_in_any_row_groups_and_in_any_order_of_instants(rows, ends, asked):
    found = instants(Counted(table(rows), ends))
    for time_us in asked:
        block = found.at(time_us)
        for station in range(4):
            numbers = [number for number, row in enumerate(rows) if row == (time_us, station)]
            assert block.column("x")[block.rows(station)].tolist() == numbers
            assert block.matrix(block.rows(station), "x", "x").tolist() == [[n, n] for n in numbers]


def test_only_the_row_groups_that_hold_an_instant_are_read():
    parts = Counted(table([(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]), [1, 3, 5])
    found = instants(parts)
    assert found.at(1).column("x").tolist() == [2, 3]
    assert parts.was_read == [1, 2]
    found.at(1)
    found.at(2)
    assert parts.was_read == [1, 2, 3]


def test_an_instant_without_rows_reads_nothing_of_a_later_row_group():
    parts = Counted(table([(0, 0), (5, 0), (9, 0)]), [1, 2])
    assert instants(parts).at(7).column("x").tolist() == []
    assert parts.was_read == []


@pytest.mark.parametrize("rows", [[(1, 0), (0, 0)], [(0, 0), (1, 0), (0, 0)], [(0, 1), (0, 2), (0, 1)]])
@pytest.mark.parametrize("ends", [[], [1], [2]])
def test_rows_in_another_order_are_refused(rows, ends):
    with pytest.raises(OpenError, match="folder: rows with equal time_us and station must follow each other, in order"):
        list(map(instants(Counted(table(rows), ends)).at, range(2)))


def test_a_file_has_the_instants_of_its_row_groups_with_and_without_statistics(tmp_path):
    whole = table([(0, 0), (3, 0), (3, 1), (4, 0), (9, 9)])
    for statistics in (True, False):
        path = tmp_path / f"{statistics}.parquet"
        pq.write_table(whole, path, row_group_size=2, write_statistics=statistics)
        parts = FileParts(path, OpenError("damaged"))
        assert parts.instants("time_us").tolist() == [[0, 3], [3, 4], [9, 9]]
        assert instants(parts).at(3).column("x").tolist() == [1, 2]


def test_a_row_group_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(table([(n, 0) for n in range(1000)]), path, row_group_size=100, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    with pytest.raises(OpenError, match="damaged"):
        instants(FileParts(path, OpenError("damaged"))).at(5)


@given(ROWS, st.sets(st.integers(0, 40), max_size=6), st.lists(st.integers(-1, 9)))
def test_tables_that_are_read_in_order_have_the_same_rows(rows, ends, asked):
    whole = Counted(table(rows), ends)
    stream = StreamParts(lambda columns: (group.select(list(columns)) for group in whole.groups), whole.none())
    one, other = instants(stream), instants(whole)
    for time_us in asked:
        assert one.at(time_us).column("x").tolist() == other.at(time_us).column("x").tolist()


def test_row_groups_that_are_read_in_order_can_be_read_again():
    whole = Counted(table([(n, 0) for n in range(6)]), [1, 3])
    stream = StreamParts(lambda columns: (group.select(list(columns)) for group in whole.groups), whole.none())
    for part in (2, 0, 1, 1, 2, 0):
        assert stream.read(part, ("x",))["x"].to_pylist() == whole.groups[part]["x"].to_pylist()
    assert stream.read(1, ("station",)).column_names == ["station"]
