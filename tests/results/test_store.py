"""Stores of rows: whatever keeps them, the tables are the same."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.results import row_groups
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.results import metrics_table
from v2xsim.results.store import SEGMENTS, MemoryStore, MetricStore, SegmentStore
from v2xsim.results.tables import Coded, Columns

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
    for codes in blocks:
        store.put("unheard", unheard(codes))
    store.replace("agents", schema_of("agents").empty_table())
    store.written(5)
    store.join()


def groups(store, table="unheard"):
    return [group.to_pydict() for group in store.groups(table, schema_of(table).names)]


@settings(deadline=None)
@given(BLOCKS)
def test_all_stores_give_the_same_row_groups(tmp_path_factory, blocks):
    folder = tmp_path_factory.mktemp("stores")
    (folder / "metrics").mkdir()
    stores = MemoryStore(), SegmentStore(folder, {}), MetricStore(folder / "metrics", ["unheard"])
    for store in stores:
        fill(store, blocks)
    memory, segments, only_metrics = map(groups, stores)
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
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in COLUMNS)
    assert tables["unheard"].equals(
        pa.concat_tables([unheard([0]), unheard([1])]).unify_dictionaries().combine_chunks()
    )
    assert tables.rows("unheard") == 2
    assert len(tables) == len(COLUMNS)


def test_rows_that_replace_others_are_all_that_is_left(tmp_path):
    for store in (MemoryStore(), SegmentStore(tmp_path, {})):
        store.replace("unheard", unheard([0, 0]))
        store.replace("unheard", unheard([2]))
        store.join()
        assert [group["link_state"] for group in groups(store)] == [["NLOSb"]]


def test_a_store_for_metrics_keeps_no_other_table(tmp_path):
    store = MetricStore(tmp_path, ["unheard"])
    store.put("agents", schema_of("agents").empty_table())
    store.put(
        "buildings", pa.Table.from_pylist([dict.fromkeys(schema_of("buildings").names, 0)], schema_of("buildings"))
    )
    store.put("unheard", unheard([0]))
    store.join()
    assert [path.name for path in tmp_path.iterdir()] == ["unheard.arrows"]
    assert list(store.finish()) == ["metrics"]


def test_a_full_disk_ends_a_run_with_the_folder_named(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    store = SegmentStore(tmp_path, {})
    monkeypatch.setattr(pa, "OSFile", full)
    with pytest.raises(ResultsError, match=f"{tmp_path}: results cannot be written: No space left on device"):
        store.put("unheard", unheard([0]))


def test_tables_whose_file_was_replaced_are_refused(tmp_path):
    store = SegmentStore(tmp_path, {})
    fill(store, [[0]])
    tables = store.finish()
    tables.moved(tmp_path)
    assert tables["unheard"].num_rows == 1
    pq.write_table(unheard([1, 1]), tmp_path / "unheard.parquet")
    with pytest.raises(ResultsError, match="is not the file that this run wrote any more"):
        _ = tables["unheard"]
