"""Stores of rows: whatever keeps them, the tables are the same."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import v2xsim
from v2xsim.opened.segments import SegmentTables
from v2xsim.results import row_groups
from v2xsim.results import store as stores
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.results import Results, metrics_table
from v2xsim.results.store import SEGMENTS, MemoryStore, MetricStore, SegmentStore, end_segments
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.manifests import sha256_of

BLOCKS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), max_size=6)
STATES = ("LOS", "NLOSv", "NLOSb")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 7)


def unheard(codes):
    columns = Columns("unheard")
    columns.add(bin_m=np.array(codes), link_state=Coded(np.array(codes), STATES), count=1)
    return columns.take()


def fill(store, blocks):
    """Add blocks of rows to a store, and return the row groups that it reported."""
    groups = [group for codes in blocks for group in store.put("unheard", unheard(codes))]
    store.replace("agents", schema_of("agents").empty_table())
    store.written(5)
    return [*groups, *store.join().get("unheard", [])]


def groups(store, table="unheard"):
    return [group.to_pydict() for group in store.groups(table, schema_of(table).names)]


@settings(deadline=None)
@given(BLOCKS)
def test_all_stores_give_the_same_row_groups(tmp_path_factory, blocks):
    folder = tmp_path_factory.mktemp("stores")
    (folder / "metrics").mkdir()
    every = MemoryStore(), SegmentStore(folder, {}), MetricStore(folder / "metrics", ["unheard"], ["unheard"])
    reported = [[group.to_pydict() for group in fill(store, blocks)] for store in every]
    memory, segments, only_metrics = map(groups, every)
    assert reported == [memory, memory, memory]
    assert memory == segments == only_metrics
    assert [row for group in memory for row in group["link_state"]] == [STATES[c] for codes in blocks for c in codes]


def test_files_do_not_depend_on_when_rows_were_written(tmp_path):
    codes = [0, 1, 2, 2, 0, 1, 0, 0, 2, 1, 1]
    for name, blocks in (("often", [[code] for code in codes]), ("once", [codes])):
        (tmp_path / name).mkdir()
        store = SegmentStore(tmp_path / name, {})
        fill(store, blocks)
        store.finish()
    assert (tmp_path / "often" / "unheard.parquet").read_bytes() == (tmp_path / "once" / "unheard.parquet").read_bytes()


def test_the_end_leaves_the_files_of_all_tables_and_nothing_else(tmp_path):
    store = SegmentStore(tmp_path, {"complete": False})
    assert (tmp_path / SEGMENTS).is_dir()
    fill(store, [[0], [1]])
    store.put("metrics", metrics_table([]))
    tables = store.finish()
    assert sorted(path.name for path in (tmp_path / SEGMENTS).iterdir()) == ["run.json", "written.jsonl"]
    end_segments(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in COLUMNS)
    assert tables["unheard"].schema.equals(schema_of("unheard"))
    assert tables["unheard"].to_pylist() == unheard([0, 1]).to_pylist()
    assert tables.rows("unheard") == 2
    assert len(tables) == len(COLUMNS)


def test_who_is_killed_at_the_end_leaves_no_run_without_rows(tmp_path, monkeypatch):
    left = []
    monkeypatch.setattr(stores, "rmtree", lambda folder: left.extend(path.name for path in folder.iterdir()))
    fill(SegmentStore(tmp_path, {}), [])
    end_segments(tmp_path)
    assert left == ["written.jsonl"]


def test_rows_that_replace_others_are_all_that_is_left(tmp_path):
    for store in (MemoryStore(), SegmentStore(tmp_path, {})):
        store.replace("unheard", unheard([0, 0]))
        store.replace("unheard", unheard([2]))
        store.join()
        assert [group["link_state"] for group in groups(store)] == [["NLOSb"]]


def test_a_store_for_metrics_keeps_no_other_table(tmp_path):
    store = MetricStore(tmp_path, ["unheard", "channel"], ["unheard"])
    store.put("agents", schema_of("agents").empty_table())
    store.put(
        "buildings", pa.Table.from_pylist([dict.fromkeys(schema_of("buildings").names, 0)], schema_of("buildings"))
    )
    store.put("unheard", unheard([0]))
    last = store.join()
    assert {table for table, groups in last.items() if groups} == {"unheard"}
    assert [path.name for path in tmp_path.iterdir()] == ["unheard.parquet"]
    assert list(store.finish()) == ["metrics"]


@pytest.fixture(params=[1, 7])
def full_disk(request, tmp_path):
    """Return a function that writes rows of a store onto a full disk: one row, which goes into a file of its own, or a whole row group."""
    file = tmp_path / (f"{SEGMENTS}/unheard-0.arrows" if request.param == 1 else "unheard.parquet")

    def write(store):
        file.symlink_to("/dev/full")
        with closing(store):
            store.put("unheard", unheard([0] * request.param))
            store.written(5)

    return write


def test_a_full_disk_ends_a_run_with_the_folder_named(tmp_path, full_disk):
    store = SegmentStore(tmp_path, {})
    with pytest.raises(ResultsError, match=f"{tmp_path}: results cannot be written: .*No space left on device"):
        full_disk(store)


def test_an_error_names_the_folder_that_the_user_knows(tmp_path, full_disk):
    store = SegmentStore(tmp_path, {}, shown=Path("runs/one"))
    with pytest.raises(ResultsError, match=r"^runs/one: results cannot be written: .*No space left on device"):
        full_disk(store)


@settings(deadline=None)
@given(BLOCKS, st.integers(0, 6))
def test_what_was_written_can_be_read_at_any_time(tmp_path_factory, blocks, noted):
    folder = tmp_path_factory.mktemp("going_on")
    store = SegmentStore(folder, {})
    for number, codes in enumerate(blocks):
        store.put("unheard", unheard(codes))
        if number < noted:
            store.written(number)
    known = [code for codes in blocks[:noted] for code in codes]
    tables = SegmentTables(folder)
    assert ("unheard" in tables) == bool(blocks[:noted])
    if "unheard" in tables:
        assert tables["unheard"].column("bin_m").to_pylist() == known
        assert [code for group in tables.groups("unheard", ["bin_m"]) for code in group["bin_m"].to_pylist()] == known
    store.close()


def test_rows_wait_in_no_file_once_they_are_in_a_row_group(tmp_path):
    store = SegmentStore(tmp_path, {})
    for codes in ([0, 1], [2] * 6):
        store.put("unheard", unheard(codes))
        store.written(5)
    store.close()
    files = sorted(path.name for path in (tmp_path / SEGMENTS).glob("unheard*"))
    assert files == ["unheard-7.arrows", "unheard.footers"]


def test_the_digest_of_a_file_is_known_without_reading_it(tmp_path):
    store = SegmentStore(tmp_path, {})
    fill(store, [[0] * 9, [1]])
    tables = store.finish()
    assert tables.digests == {table: sha256_of(tmp_path / f"{table}.parquet") for table in COLUMNS}


def results_in(folder):
    """Return the results of a run with one row, which wrote its tables into a folder."""
    folder.mkdir(exist_ok=True)
    store = SegmentStore(folder, {})
    fill(store, [[0]])
    results = Results(v2xsim.load("demo"), store.finish(), {})
    end_segments(folder)
    results.moved(folder)
    return results


def test_tables_of_another_run_are_not_written_as_those_of_this_one(tmp_path):
    results = results_in(tmp_path / "one")
    results_in(tmp_path / "one")
    with pytest.raises(ResultsError, match="is not the file that this run wrote any more"):
        results.write(tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_results_may_be_written_into_their_own_folder(tmp_path):
    results = results_in(tmp_path / "one")
    results.write(tmp_path / "one")
    assert results.tables["unheard"].num_rows == 1


def test_tables_whose_file_was_replaced_are_refused(tmp_path):
    store = SegmentStore(tmp_path, {})
    fill(store, [[0]])
    tables = store.finish()
    tables.moved(tmp_path)
    assert tables["unheard"].num_rows == 1
    pq.write_table(unheard([1, 1]), tmp_path / "unheard.parquet")
    with pytest.raises(ResultsError, match="is not the file that this run wrote any more"):
        _ = tables["unheard"]
