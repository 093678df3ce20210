"""Opening of a finished run: tables, metrics, notices, and everything that a folder can lack."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_runs import finished, same, scenario

import v2xsim
from v2xsim.opened import NoTableError, NotRecordedError, OpenError
from v2xsim.results.columns import COLUMNS, SINCE
from v2xsim.results.manifest import FORMAT


@pytest.fixture
def folder(tmp_path):
    """Return a copy of a finished run, to be damaged."""
    return shutil.copytree(finished("cooperation.fusion=early")[1], tmp_path / "run")


def test_a_run_has_its_folder_and_its_manifest(folder):
    run = v2xsim.open(str(folder))
    assert run.folder == folder
    assert run.manifest["scenario"]["name"] == "small"


def test_tables_are_those_of_the_run(folder):
    results, _ = finished("cooperation.fusion=early")
    tables = v2xsim.open(folder).tables
    assert list(tables) == list(COLUMNS)
    assert all(same(tables[name], results.tables[name]) for name in tables)


def test_tables_are_read_when_they_are_used(folder):
    run = v2xsim.open(folder)
    (folder / "clouds.parquet").unlink()
    assert run.tables["agents"].num_rows == 7


def test_a_table_that_does_not_exist_is_named_with_the_nearest(folder):
    tables = v2xsim.open(folder).tables
    with pytest.raises(NoTableError, match=r"has no table 'detection'; did you mean 'detections'\?"):
        tables["detection"]
    assert "detection" not in tables
    assert tables.get("detection") is None


def test_notices_are_those_of_the_manifest(folder):
    edit(folder, notices=[{"subject": "buildings.left_out", "count": 2, "text": "Two are left out."}])
    (notice,) = v2xsim.open(folder).notices
    assert (notice.subject, notice.count, notice.text) == ("buildings.left_out", 2, "Two are left out.")


def test_what_is_printed_fits_a_screen(folder):
    run = v2xsim.open(folder)
    evaluation = run.evaluate()
    for thing in (
        run,
        run.tables,
        run.metrics,
        run.names,
        run.manifest,
        run.notices,
        run.scenario,
        evaluation,
        evaluation.metrics,
        evaluation.tables,
        run.frames(),
        run.frames()[0],
        run.frames()[0].cloud,
    ):
        lines = repr(thing).splitlines()
        assert len(lines) <= 46
        assert max(map(len, lines)) <= 400
    assert "detections" in repr(run.tables)


def test_a_damaged_table_does_not_hide_the_others(folder):
    (folder / "links.parquet").write_bytes(b"")
    assert "unreadable" in repr(v2xsim.open(folder).tables)


# Folders that are no finished runs


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OpenError, match=r"nowhere: must be the folder of a finished run; there is no such folder"):
        v2xsim.open(tmp_path / "nowhere")


def test_a_file_is_refused(folder):
    with pytest.raises(OpenError, match=r"manifest.json: must be the folder of a finished run, got a file"):
        v2xsim.open(folder / "manifest.json")


def test_a_folder_without_a_manifest_is_refused(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(OpenError, match=r"has \d+ tables but no manifest.json, which `v2xsim run` writes last"):
        v2xsim.open(folder)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty, so the folder was not copied completely"),
    (b"\0" * 4096, "is empty"),
    (b'{"format": 2, "scen', "is cut off in line 1"),
    (b"\xff\xfe{", "is no text in UTF-8"),
    (b"[" * 100_000, "is nested too deeply"),
    (b"[]", "it has no scenario"),
    (b'{"scenario": {}}', "it has no format number"),
    (b'{"scenario": {}, "format": "2"}', "it has no format number"),
    (b'{"scenario": {}, "format": true}', "it has no format number"),
])  # fmt: skip
def test_a_damaged_or_foreign_manifest_is_refused(folder, content, message):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(OpenError, match=message):
        v2xsim.open(folder)


@pytest.mark.parametrize(("changes", "message"), [
    ({"scenario": {}}, "its scenario has no name"),
    ({"scenario": {"name": "a", "run": []}}, "its scenario has no run.seed"),
    ({"notices": [{"subject": "a"}]}, "its entries tables or notices have another form"),
    ({"notices": "none"}, "its entries tables or notices have another form"),
    ({"tables": []}, "its entries tables or notices have another form"),
])  # fmt: skip
def test_a_manifest_with_entries_of_another_form_is_refused(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(OpenError, match=message):
        v2xsim.open(folder)


def test_a_setting_of_another_type_is_refused(folder):
    scenario = json.loads((folder / "manifest.json").read_text())["scenario"]
    edit(folder, scenario=scenario | {"record": scenario["record"] | {"state_ticks": "1"}})
    with pytest.raises(OpenError, match=r"record.state_ticks of its scenario is '1'"):
        v2xsim.open(folder)


def test_a_run_of_an_earlier_format_is_refused_with_the_command_that_runs_it_again(folder):
    edit(folder, format=1)
    with pytest.raises(OpenError, match=rf"got 1 of v2xsim .*run it again: v2xsim run {folder}/manifest.json"):
        v2xsim.open(folder)


def test_a_run_of_a_later_format_is_refused_with_the_version_that_it_needs(folder):
    edit(folder, format=FORMAT + 1, versions={"v2xsim": "9.1.0"})
    with pytest.raises(OpenError, match=rf"got {FORMAT + 1}; it needs v2xsim 9.1.0 or a later version"):
        v2xsim.open(folder)


def test_a_run_that_is_not_complete_is_refused(folder):
    edit(folder, complete=False)
    with pytest.raises(OpenError, match="must be of a finished run"):
        v2xsim.open(folder)


# Tables that cannot be read


def test_a_table_that_is_missing_is_refused_with_its_path(folder):
    (folder / "states.parquet").unlink()
    with pytest.raises(OpenError, match=r"states.parquet: is missing.*run it again: v2xsim run .*manifest.json"):
        v2xsim.open(folder).evaluate()


@pytest.mark.parametrize("cut", [0, 4, 400, -1])
def test_a_table_that_is_cut_off_is_refused_with_its_path(folder, cut):
    path = folder / "detections.parquet"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(OpenError, match=r"detections.parquet: cannot be read as a Parquet table"):
        v2xsim.open(folder).tables["detections"]


def test_a_table_with_changed_bytes_is_refused(folder):
    path = folder / "detections.parquet"
    content = bytearray(path.read_bytes())
    content[200:600] = bytes(400)
    path.write_bytes(bytes(content))
    with pytest.raises(OpenError, match=r"detections.parquet: "):
        v2xsim.open(folder).tables["detections"]


def test_a_table_of_another_run_of_the_same_scenario_is_refused(folder):
    other = finished("cooperation.fusion=early", "run.seed=4")[1]
    shutil.copy(other / "detections.parquet", folder / "detections.parquet")
    with pytest.raises(
        OpenError, match=r"detections.parquet: has changed since the run \(sha256 .*, now .*\); copy the folder"
    ):
        v2xsim.open(folder).evaluate()


def test_one_wrong_bit_in_a_table_is_found(folder):
    path = folder / "states.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(
        OpenError, match=r"states.parquet: (has changed since the run|cannot be read as a Parquet table)"
    ):
        v2xsim.open(folder).evaluate()


# Tables without a digest in the manifest, as a program may write them


def test_another_table_under_its_name_is_refused(folder):
    edit(folder, tables={})
    shutil.copy(folder / "agents.parquet", folder / "states.parquet")
    with pytest.raises(
        OpenError, match=r"states.parquet: must be the table 'states' of a run; it has no column 'time_us'"
    ):
        v2xsim.open(folder).tables["states"]


def test_a_column_of_another_type_is_refused(folder):
    edit(folder, tables={})
    table = pq.read_table(folder / "states.parquet")
    at = table.column_names.index("x_m")
    pq.write_table(table.set_column(at, "x_m", table["x_m"].cast(pa.float32())), folder / "states.parquet")
    with pytest.raises(OpenError, match=r"its column 'x_m' must be double, got float"):
        v2xsim.open(folder).tables["states"]


def test_a_column_more_is_no_reason_to_refuse(folder):
    edit(folder, tables={})
    table = pq.read_table(folder / "states.parquet")
    pq.write_table(table.append_column("mine", table["x_m"]), folder / "states.parquet")
    assert "mine" in v2xsim.open(folder).tables["states"].column_names


def test_tables_of_two_runs_in_one_folder_are_refused(folder):
    edit(folder, tables={})
    other = finished("cooperation.fusion=early", "run.begin_s=2.5")[1]
    shutil.copy(other / "stations.parquet", folder / "stations.parquet")
    with pytest.raises(OpenError, match="the tables are not of one run"):
        v2xsim.open(folder).evaluate()
    shutil.copytree(finished("cooperation.fusion=early")[1], folder, dirs_exist_ok=True)
    edit(folder, tables={})
    table = pq.read_table(folder / "hits.parquet")
    pq.write_table(table.set_column(2, "agent", pa.array([99] * table.num_rows)), folder / "hits.parquet")
    with pytest.raises(OpenError, match="the tables are not of one run"):
        v2xsim.open(folder).evaluate()


def test_a_table_that_was_sorted_otherwise_is_refused(folder):
    edit(folder, tables={})
    path = folder / "detections.parquet"
    pq.write_table(pq.read_table(path).sort_by("x_m"), path)
    with pytest.raises(OpenError, match=r"rows with equal frame_us and ego must follow each other, in order of time"):
        v2xsim.open(folder).evaluate()


# What came with a later format


@pytest.fixture
def later(monkeypatch):
    """Let the table `hits` and a column of `states` have come with the next format."""
    monkeypatch.setitem(SINCE, "hits", FORMAT + 1)
    monkeypatch.setitem(SINCE, "states.height_m", FORMAT + 1)


def test_a_table_of_a_later_format_is_refused_with_the_command_that_records_it(folder, later):
    tables = v2xsim.open(folder).tables
    assert "hits" not in tables
    assert "hits" not in list(tables)
    with pytest.raises(NotRecordedError, match=rf"'hits', which came with format {FORMAT + 1}.*v2xsim run {folder}"):
        tables["hits"]


def test_a_column_of_a_later_format_may_be_missing(folder, later):
    edit(folder, tables={})
    table = pq.read_table(folder / "states.parquet")
    pq.write_table(table.drop_columns(["height_m"]), folder / "states.parquet")
    assert "height_m" not in v2xsim.open(folder).tables["states"].column_names


def edit(folder, **changes):
    """Change some entries of a manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_table_is_read_row_group_by_row_group_with_the_columns_that_are_asked_for(folder):
    tables = v2xsim.open(folder).tables
    groups = list(tables.groups("packets", ["tx", "outcome"]))
    assert [row for group in groups for row in group.to_pylist()] == tables["packets"].select(
        ["tx", "outcome"]
    ).to_pylist()


def test_row_groups_of_a_damaged_file_are_refused(folder):
    file = folder / "packets.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(OpenError, match=r"packets\.parquet: cannot be read as a Parquet table"):
        next(v2xsim.open(folder).tables.groups("packets"))


def test_a_table_that_another_run_replaced_since_it_was_read_is_refused(folder):
    run = v2xsim.open(folder)
    _ = run.tables["stations"], list(run.tables.groups("stations", ["station"]))
    shutil.copy(folder / "states.parquet", folder / "stations.parquet")
    with pytest.raises(OpenError, match="has changed since the run"):
        list(run.tables.groups("stations", ["station"]))


def test_results_are_read_from_their_folder_after_the_working_folder_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elsewhere = shutil.copytree(finished("cooperation.fusion=early")[1], tmp_path / "elsewhere" / "run").parent
    results = v2xsim.run(
        scenario("cooperation.fusion=late"), out="run", on_frame=lambda _: monkeypatch.chdir(elsewhere)
    )
    assert results.tables.folder == tmp_path / "run"
    assert same(results.tables["fusion"], v2xsim.open(tmp_path / "run").tables["fusion"])
