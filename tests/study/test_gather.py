"""One table out of what points left, and what is kept beside it."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.study.small_sweeps import done, finish
from v2xsim.study.continued import StoreError
from v2xsim.study.gather import gather, setting_columns


def gathered(store):
    gather(store)
    return pq.read_table(store.folder / "results.parquet").to_pydict()


def test_each_point_brings_its_metrics_in_the_plans_order(store, plan):
    """Finished in another order, and with different numbers of metrics."""
    finish(store, plan.points[2], 0.25)
    finish(store, plan.points[0], 0.5, 0.75)
    found = gathered(store)
    assert found["point"] == [0, 0, 2]
    assert found["setting"] == [0, 0, 1]
    assert found["seed"] == [1, 1, 1]
    assert found["cooperation.relay"] == ["none", "none", "hybrid"]
    assert found["metric"] == ["m0", "m1", "m0"]
    assert found["value"] == [0.5, 0.75, 0.25]
    assert found["count"] == [1, 2, 1]


def test_points_that_are_not_finished_are_left_out(store, plan):
    finish(store, plan.points[3], 0.5)
    store.note(done(plan.points[1], kind="crash", reason="it broke"))
    assert gathered(store)["point"] == [3]


def test_a_sweep_without_a_finished_point_has_a_table_without_rows(store):
    gather(store)
    table = pq.read_table(store.folder / "results.parquet")
    assert table.num_rows == 0
    assert table.column_names == [
        "point", "setting", "seed", "cooperation.relay", "metric", "bin", "value", "unit", "count",
    ]  # fmt: skip


def test_names_are_kept_once_and_numbers_are_numbers(store, plan):
    finish(store, plan.points[0], 0.5)
    gather(store)
    schema = pq.read_table(store.folder / "results.parquet").schema
    assert all(pa.types.is_dictionary(schema.field(name).type) for name in ("metric", "bin", "unit"))
    assert (schema.field("value").type, schema.field("count").type) == (pa.float64(), pa.int64())


def test_gathering_returns_where_the_table_is(store):
    assert gather(store) == store.folder / "results.parquet"


def test_a_damaged_point_is_named_and_taken_away(store, plan):
    finish(store, plan.points[0], 0.5)
    path = store.folder / "points" / f"{plan.points[0].key}.arrow"
    path.write_bytes(b"half")
    with pytest.raises(StoreError, match=f"{path}: was damaged"):
        gather(store)
    assert not path.exists()


def test_a_point_whose_file_is_gone_is_damaged_too(store, plan):
    finish(store, plan.points[0], 0.5)
    (store.folder / "points" / f"{plan.points[0].key}.arrow").unlink()
    with pytest.raises(StoreError, match=r"was damaged .*; continue with --resume, which runs that point again"):
        gather(store)


def test_failures_are_kept_beside_the_results(store, plan):
    store.note(done(plan.points[1], kind="crash", reason="it broke"))
    gather(store)
    assert json.loads((store.folder / "failures.json").read_text()) == store.failures()


def timing(store):
    gather(store)
    return pq.read_table(store.folder / "timing.parquet").to_pydict()


def test_the_last_word_on_a_points_time_counts(store, plan):
    store.note(done(plan.points[1], kind="crash", reason="it broke", wall_s=1.0, cpu_s=0.5, peak_bytes=3))
    store.note(done(plan.points[1], kind="time", reason="too long", wall_s=9.0, cpu_s=8.0, peak_bytes=70))
    finish(store, plan.points[0], 0.5)
    assert timing(store) == {"point": [0, 1], "wall_s": [2.0, 9.0], "cpu_s": [1.5, 8.0], "peak_bytes": [7, 70]}


@pytest.mark.parametrize("line", ['{"key": "', "[1]", '{"wall_s": 1}', ""])
def test_a_line_of_timing_that_was_cut_is_left_out(store, plan, line):
    (store.folder / "timing.jsonl").write_text(line + "\n")
    finish(store, plan.points[0], 0.5)
    assert timing(store)["point"] == [0]


def test_without_timing_the_table_has_no_rows(store):
    assert timing(store) == {"point": [], "wall_s": [], "cpu_s": [], "peak_bytes": []}


def test_a_full_disk_is_an_error_that_says_how_to_go_on(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("v2xsim.study.gather.write_atomically", full)
    with pytest.raises(
        StoreError,
        match="cannot be written: No space left on device; free some space, or name a place on another disk; then continue",
    ):
        gather(store)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], pa.bool_()),
        ([1, 2], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([1.5, 2.5], pa.float64()),
        ([2**63 - 1, 0], pa.int64()),
        ([2**63, 0], pa.float64()),
        (["a", "b"], pa.string()),
        ([True, 1], pa.string()),
        (["a", 1], pa.string()),
        ([None, 1], pa.string()),
    ],
)
def test_values_of_a_key_have_the_type_that_all_of_them_have(plan, values, kind):
    changed = _with_values(plan, values)
    (column,) = setting_columns(changed)
    assert column.type == kind


def test_values_that_are_no_text_are_written_as_json(plan):
    (column,) = setting_columns(_with_values(plan, ["a", {"y": 1, "x": [2]}, None]))
    assert column.to_pylist() == ["a", '{"x": [2], "y": 1}', "null"]


def test_numbers_keep_their_value(plan):
    (column,) = setting_columns(_with_values(plan, [1, 2.5]))
    np.testing.assert_equal(column.to_numpy(), [1.0, 2.5])


def _with_values(plan, values):
    return replace(plan, keys=("k",), settings=tuple({"k": value} for value in values))
