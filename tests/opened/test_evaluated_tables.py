"""The tables of an evaluation: new rows in memory or in a temporary file, and the columns of `fusion` that are replaced."""

import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import finished, same

import v2xsim
from v2xsim.errors import UserError
from v2xsim.opened import new_rows
from v2xsim.opened.new_rows import NewRows
from v2xsim.results import row_groups

TABLES = ("metrics", "awareness", "episodes", "fusion")


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(new_rows, "GROUP_ROWS", 5)
    monkeypatch.setattr(new_rows, "HELD_ROWS", 12)


def filled(lengths):
    rows = NewRows("unheard")
    for number, length in enumerate(lengths):
        rows.columns().add(
            bin_m=np.arange(length), link_state=["LOS", "NLOSv"][number % 2], count=np.full(length, number)
        )
    return rows


@pytest.mark.usefixtures("small_memory")
@given(st.lists(st.integers(1, 9), max_size=30))
def test_all_rows_come_back_in_order_and_as_often_as_they_are_read(lengths):
    rows = filled(lengths)
    wanted = [(n, ["LOS", "NLOSv"][number % 2], number) for number, length in enumerate(lengths) for n in range(length)]
    for _ in range(2):
        found = [tuple(row.values()) for piece in rows.pieces() for row in piece.to_pylist()]
        assert found == wanted
        wanted.append((0, "LOS", 7))
        rows.columns().add(bin_m=np.zeros(1, int), link_state="LOS", count=np.full(1, 7))


@pytest.mark.usefixtures("small_memory")
def test_no_more_rows_are_in_memory_than_allowed_but_for_those_of_one_tick(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = NewRows("unheard")
    for _ in range(40):
        rows.columns().add(bin_m=np.arange(3), link_state="LOS", count=np.arange(3))
        assert len(rows) <= 12 + 5 + 3
    assert [path.name for path in tmp_path.rglob("*.arrows")] == ["rows.arrows"]
    del rows
    assert list(tmp_path.rglob("*.arrows")) == []


@pytest.mark.usefixtures("small_memory")
def test_rows_that_cannot_be_read_again_are_no_short_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = filled([5] * 4)
    (file,) = tmp_path.rglob("rows.arrows")
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(UserError, match=r"of the 15 rows in rows\.arrows, [05] can be read again"):
        list(rows.pieces())


@pytest.mark.usefixtures("small_memory")
def test_no_file_is_made_for_rows_that_fit_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = filled([5, 5])
    assert sum(piece.num_rows for piece in rows.pieces()) == 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_memory")
def test_a_folder_for_temporary_files_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match="must have room for temporary files"):
        filled([5] * 4)


@pytest.mark.usefixtures("small_memory")
def test_an_evaluation_of_small_row_groups_and_a_temporary_file_has_the_tables_of_the_run(monkeypatch):
    results, folder = finished("cooperation.fusion=early")
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 7)
    again = v2xsim.open(folder).evaluate()
    for name in TABLES[1:]:
        assert same(again.tables[name], results.tables[name]), name
    for name, metric in again.metrics.items():
        assert metric.value == pytest.approx(results.metrics[name].value, rel=1e-6, nan_ok=True), name


def test_an_evaluation_lists_its_tables_and_names_those_that_it_has_not():
    evaluation = v2xsim.open(finished("cooperation.fusion=early")[1]).evaluate()
    assert tuple(evaluation.tables) == TABLES
    lines = [f"{name:<9}  table of {evaluation.tables[name].num_rows:,} rows" for name in TABLES]
    assert repr(evaluation.tables).split("\n") == lines
    with pytest.raises(KeyError, match="an evaluation has no table 'packets'; it has metrics, awareness"):
        evaluation.tables["packets"]
