"""Runs that have not ended: what they have written is there, and looks like no finished run."""

import errno
import json
import shutil

import pytest
from small_runs import finished, same, scenario
from typer.testing import CliRunner

import v2xsim
from v2xsim.cli.app import app
from v2xsim.engine.recording import recording
from v2xsim.opened import NotRecordedError, OpenError, segments
from v2xsim.ownership import take
from v2xsim.results import results
from v2xsim.results.errors import ResultsError
from v2xsim.results.manifest import manifest_of
from v2xsim.runfolder import RunFolderError, staged

SETTINGS = "cooperation.fusion=early"


@pytest.fixture
def going_on(tmp_path, monkeypatch):
    """Return the folder of a run that has come to its eighth tick and writes its rows at every tick."""
    monkeypatch.setattr(recording, "_HELD_S", -1.0)
    # With more threads, another one writes the rows, some time after the tick.
    with v2xsim.Simulation(scenario(SETTINGS), out=tmp_path / "run", threads=1) as simulation:
        for _ in range(8):
            simulation.step()
        yield tmp_path / "run"


def test_a_run_that_goes_on_is_no_finished_run(going_on):
    assert not list(going_on.glob("*"))
    with pytest.raises(OpenError, match=r"a run into it goes on or was killed; v2xsim\.open\(.*, partial=True\)"):
        v2xsim.open(going_on)


def test_what_a_run_has_written_is_the_beginning_of_its_tables(going_on):
    run, (results, _) = v2xsim.open(going_on, partial=True), finished(SETTINGS)
    assert not run.is_complete
    assert run.until_s == pytest.approx(1.2)
    for name in ("states", "stations", "links", "packets", "detections", "fusion", "awareness"):
        part = run.tables[name]
        assert 0 < part.num_rows < results.tables[name].num_rows
        assert same(part, results.tables[name].slice(0, part.num_rows))


def test_row_groups_of_what_was_written_have_the_columns_that_are_asked_for(going_on):
    tables = v2xsim.open(going_on, partial=True).tables
    (group,) = tables.groups("links", ["a", "b"])
    assert group.to_pylist() == tables["links"].select(["a", "b"]).to_pylist()


def test_the_links_of_what_was_written_are_a_graph(going_on):
    run, whole = v2xsim.open(going_on, partial=True), v2xsim.open(finished(SETTINGS)[1])
    assert list(run.graph(1.1).edges(data=True)) == list(whole.graph(1.1).edges(data=True))
    with pytest.raises(OpenError, match=r"got 1.2 s; links and states were recorded from 0.5 s to 1.1 s"):
        run.graph(1.2)


def test_what_was_written_is_evaluated(going_on):
    run = v2xsim.open(going_on, partial=True)
    evaluation = run.evaluate()
    assert same(evaluation.tables["awareness"], run.tables["awareness"])
    assert evaluation.metrics["coverage_before"].count == run.tables["fusion"].num_rows
    assert len(run.frames()) == run.tables["fusion"].num_rows


@pytest.mark.parametrize(("failure", "stays"), [(ZeroDivisionError, True), (KeyboardInterrupt, False)])
def test_an_error_leaves_the_rows_that_a_run_had_written_and_a_stop_does_not(tmp_path, monkeypatch, failure, stays):
    monkeypatch.setattr(recording, "_HELD_S", -1.0)

    def on_frame(frame):
        if frame.time_s > 1.0:
            raise failure

    with pytest.raises(failure) as caught:
        v2xsim.run(scenario(SETTINGS), out=tmp_path / "run", threads=1, on_frame=on_frame)
    assert any("partial=True" in note for note in getattr(caught.value, "__notes__", [])) == stays
    assert bool(list(tmp_path.iterdir())) == stays
    if stays:
        part = v2xsim.open(tmp_path / "run", partial=True).tables["packets"]
        assert 0 < part.num_rows < finished(SETTINGS)[0].tables["packets"].num_rows
        with pytest.raises(failure), staged(tmp_path / "run", keeps_rows=True):
            raise failure
        assert v2xsim.open(tmp_path / "run", partial=True).tables["packets"].num_rows == part.num_rows
        v2xsim.run(scenario(SETTINGS), out=tmp_path / "run")
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_rows_stay_if_the_files_cannot_be_written_at_the_end(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = finished(SETTINGS)[0].tables["packets"].num_rows
    monkeypatch.setattr(results, "manifest_of", full)
    with (
        pytest.raises(ResultsError, match="free some space") as caught,
        staged(tmp_path / "run", keeps_rows=True) as at,
    ):
        v2xsim.run(scenario(SETTINGS), out=at)
    assert str(tmp_path / "run") in caught.value.__notes__[0]
    part = v2xsim.open(tmp_path / "run", partial=True)
    assert part.tables["packets"].num_rows == whole


def test_an_error_before_any_row_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "run", keeps_rows=True):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_metrics_and_replays_need_a_finished_run(going_on):
    run = v2xsim.open(going_on, partial=True)
    with pytest.raises(NotRecordedError, match="must be a finished run to have metrics"):
        _ = run.metrics
    with pytest.raises(OpenError, match="must be a finished run to be replayed"):
        run.replay()
    assert "not complete: written up to 1.2 s" in repr(run)


@pytest.mark.parametrize("table", ["metrics", "episodes"])
def test_tables_that_come_at_the_end_are_refused_and_not_empty(going_on, table):
    tables = v2xsim.open(going_on, partial=True).tables
    with pytest.raises(NotRecordedError, match=rf"has no table '{table}' yet.*evaluate\(\)\.tables\['{table}'\]"):
        _ = tables[table]
    assert table not in tables
    assert table not in repr(tables)


def test_what_is_known_at_the_start_is_there_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_HELD_S", -1.0)
    street = {"center_m": [[-80, 0], [80, 0]], "lanes": 2}
    unusual = scenario(SETTINGS, f"world.roads={json.dumps([street])}", "lidars.dropout=0.99")
    with v2xsim.Simulation(unusual, out=tmp_path / "run", threads=1) as simulation:
        for _ in range(2):
            simulation.step()
        run = v2xsim.open(tmp_path / "run", partial=True)
        places = {name: run.tables[name] for name in ("roads", "buildings")}
        simulation.finish()
        whole = simulation.results()
    assert all(table.num_rows and same(table, whole.tables[name]) for name, table in places.items())
    assert run.notices
    assert run.notices == whole.notices[: len(run.notices)]
    assert run.manifest["models"] == whole.rung


def test_a_run_that_was_killed_before_its_first_rows_says_so(tmp_path):
    with v2xsim.Simulation(scenario(SETTINGS), out=tmp_path / "run", threads=1):
        with pytest.raises(OpenError, match="goes on, or was killed, and has written no rows"):
            v2xsim.open(tmp_path / "run")
        run = v2xsim.open(tmp_path / "run", partial=True)
        assert repr(run).endswith("not complete: it has written no rows")
        assert list(run.tables) == []
        with pytest.raises(NotRecordedError, match="must have rows to be read, but the run has written none"):
            _ = run.tables["states"]


def test_a_run_that_was_killed_while_it_was_being_built_is_not_called_missing(tmp_path):
    owned = take(tmp_path, "run")
    owned.leave()
    for partial in (False, True):
        with pytest.raises(OpenError, match="goes on, or was killed, and has written no rows"):
            v2xsim.open(tmp_path / "run", partial=partial)


def error_of(command, folder):
    """Return the error of a command about a folder, in one line."""
    result = CliRunner().invoke(app, [command, str(folder)])
    assert result.exit_code == 2
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["view", "report", "compare"])
def test_commands_say_that_a_run_has_not_ended_and_how_to_open_it(going_on, command):
    error = error_of(command, going_on)
    assert "a run into it goes on or was killed" in error
    assert "partial=True) opens what it has written" in error


@pytest.mark.parametrize("command", ["view", "report", "compare"])
def test_commands_name_the_folder_of_a_run_that_was_killed_after_its_end(tmp_path, command):
    owned = take(tmp_path, "run")
    shutil.copytree(finished(SETTINGS)[1], owned.folder, dirs_exist_ok=True)
    owned.leave()
    error = error_of(command, tmp_path / "run")
    assert f"the finished run for it is still in {owned.folder}" in error
    run = v2xsim.open(tmp_path / "run", partial=True)
    assert run.is_complete
    assert run.metrics


def test_a_finished_run_that_cannot_be_moved_to_its_folder_stays(tmp_path):
    def ended_in_vain():
        with staged(tmp_path / "run", keeps_rows=True) as at:
            v2xsim.run(scenario(SETTINGS), out=at, threads=1)
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "mine.txt").write_text("")

    with pytest.raises(RunFolderError) as caught:
        ended_in_vain()
    assert "partial=True" in caught.value.__notes__[0]
    assert v2xsim.open(tmp_path / "run", partial=True).is_complete


def test_rows_that_were_being_written_when_a_run_was_killed_are_left_out(going_on):
    (kept,) = going_on.parent.glob(".run.*.partial")
    killed = shutil.copytree(kept, going_on.parent / "killed")
    whole = {name: table.num_rows for name, table in v2xsim.open(killed, partial=True).tables.items()}
    # The last record batch of two tables and the last note are cut off.
    for name in ("states", "links"):
        file = killed / "segments" / f"{name}-0.arrows"
        file.write_bytes(file.read_bytes()[:-100])
    notes = killed / "segments" / "written.jsonl"
    notes.write_bytes(notes.read_bytes()[:-5])
    run = v2xsim.open(killed, partial=True)
    assert run.until_s == pytest.approx(1.1)
    assert all(table.num_rows <= whole[name] for name, table in run.tables.items() if name != "agents")


def test_rows_that_cannot_be_read_any_more_are_no_short_table(going_on):
    (kept,) = going_on.parent.glob(".run.*.partial")
    damaged = shutil.copytree(kept, going_on.parent / "damaged")
    links = damaged / "segments" / "links-0.arrows"
    links.write_bytes(links.read_bytes()[: links.stat().st_size // 2])
    with pytest.raises(OpenError, match=r"its table 'links' must have [0-9,]+ rows, but only [0-9,]+ can be read"):
        _ = v2xsim.open(damaged, partial=True).tables["links"]


def test_a_run_that_is_killed_just_before_its_end_is_opened_with_what_it_has_written(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_HELD_S", -1.0)

    def killed(*arguments):
        (kept,) = tmp_path.glob(".run.*.partial")
        shutil.copytree(kept, tmp_path / "killed")
        return manifest_of(*arguments)

    monkeypatch.setattr(results, "manifest_of", killed)
    whole = v2xsim.run(scenario(SETTINGS), out=tmp_path / "run")
    run = v2xsim.open(tmp_path / "killed", partial=True)
    assert not run.is_complete
    assert run.until_s == pytest.approx(1.5)
    for name, table in whole.tables.items():
        assert name == "metrics" or same(run.tables[name], table)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "run"]
    assert not (tmp_path / "run" / "segments").exists()


def test_the_finished_run_is_opened_where_no_other_was_begun():
    _, folder = finished(SETTINGS)
    run = v2xsim.open(folder, partial=True)
    assert run.is_complete
    assert run.until_s == pytest.approx(1.5)


def test_where_nothing_was_begun_there_is_nothing_to_open(tmp_path):
    with pytest.raises(OpenError, match="there is no such folder"):
        v2xsim.open(tmp_path / "run", partial=True)


def test_what_a_run_had_before_it_wrote_rows_is_not_evaluated(tmp_path):
    with v2xsim.Simulation(scenario(SETTINGS), out=tmp_path / "run", threads=1) as simulation:
        simulation.step()
        run = v2xsim.open(tmp_path / "run", partial=True)
    assert run.until_s == 0.5
    with pytest.raises(NotRecordedError, match="must have rows to be evaluated"):
        run.evaluate()


def test_tables_of_a_run_that_has_ended_since_are_not_called_damaged(going_on):
    run = v2xsim.open(going_on, partial=True)
    (kept,) = going_on.parent.glob(".run.*.partial")
    shutil.rmtree(kept / "segments")
    with pytest.raises(
        OpenError, match="has ended since it was opened, or another one was begun; open its folder again"
    ):
        _ = run.tables["links"]


def test_a_run_that_moves_rows_while_they_are_read_is_read_completely(going_on, monkeypatch):
    run = v2xsim.open(going_on, partial=True)
    read, missing = segments.pieces_in, [True]

    def moved(path, rows=None):
        return iter(()) if missing and missing.pop() else read(path, rows)

    whole = run.tables["links"]
    monkeypatch.setattr(segments, "pieces_in", moved)
    assert same(run.tables["links"], whole)


def test_of_a_run_of_an_earlier_version_only_rows_up_to_the_last_note_are_read(going_on):
    """It had one file for all rows of a table, and was killed before it noted the last ones."""
    (kept,) = going_on.parent.glob(".run.*.partial")
    earlier = shutil.copytree(kept, going_on.parent / "earlier")
    whole, segments_of = v2xsim.open(earlier, partial=True).tables["links"], earlier / "segments"
    (segments_of / "links-0.arrows").rename(segments_of / "links.arrows")
    note = json.loads((segments_of / "written.jsonl").read_text().splitlines()[-1])
    note["rows"]["links"] -= 3
    (segments_of / "written.jsonl").write_text(json.dumps(note) + "\n")
    assert same(v2xsim.open(earlier, partial=True).tables["links"], whole.slice(0, whole.num_rows - 3))


def test_a_file_of_another_table_is_damage(going_on):
    (kept,) = going_on.parent.glob(".run.*.partial")
    damaged = shutil.copytree(kept, going_on.parent / "damaged") / "segments"
    shutil.copy(damaged / "links-0.arrows", damaged / "states-0.arrows")
    with pytest.raises(OpenError, match=r"its table .states. must have .* rows, but only 0 can be read; it is damaged"):
        _ = v2xsim.open(damaged.parent, partial=True).tables["states"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("written.jsonl", b"\xff\x00\n", "is damaged: it must have the number of rows of each table"),
        (
            "written.jsonl",
            b'{"time_us": 1e999, "rows": {}}\n',
            "is damaged: it must have the number of rows of each table",
        ),
        (
            "run.json",
            b'{"format": 99, "scenario": {}, "versions": {"v2xsim": "9"}}',
            "must have format 2 to [0-9]+, got 99; it needs v2xsim 9",
        ),
    ],
)
def test_notes_of_a_run_that_cannot_be_read_are_no_empty_run(going_on, name, content, message):
    (kept,) = going_on.parent.glob(".run.*.partial")
    damaged = shutil.copytree(kept, going_on.parent / "damaged")
    (damaged / "segments" / name).write_bytes(content)
    with pytest.raises(OpenError, match=message):
        v2xsim.open(damaged, partial=True)
