"""Row groups of tables: of opened, unfinished and evaluated runs, and of the results of a run."""

import pytest
from small_runs import finished, same, scenario

import v2xsim
from v2xsim.engine.recording import recording
from v2xsim.results.errors import NoColumnError

SETTINGS = "cooperation.fusion=early"
KINDS = ("opened", "unfinished", "evaluated", "results in memory", "results in a folder")


@pytest.fixture(params=KINDS)
def tables(request, tmp_path, monkeypatch):
    results, folder = finished(SETTINGS)
    if request.param == "opened":
        yield v2xsim.open(folder).tables
    elif request.param == "evaluated":
        yield v2xsim.open(folder).evaluate().tables
    elif request.param == "results in memory":
        yield results.tables
    elif request.param == "results in a folder":
        yield v2xsim.run(scenario(SETTINGS), out=tmp_path / "run").tables
    else:
        monkeypatch.setattr(recording, "_HELD_S", -1.0)
        with v2xsim.Simulation(scenario(SETTINGS), out=tmp_path / "run", threads=1) as simulation:
            for _ in range(8):
                simulation.step()
            yield v2xsim.open(tmp_path / "run", partial=True).tables


def test_groups_together_are_the_table(tables):
    (group,) = tables.groups("fusion")
    assert same(group, tables["fusion"])
    (group,) = tables.groups("fusion", ("ego", "frame_us"))
    assert same(group, tables["fusion"].select(["ego", "frame_us"]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["ego", "frame_ms"], r"'fusion' has no column 'frame_ms'; did you mean 'frame_us'\?"),
        ("ego", r"must be a list of names, such as \['ego'\], got the text 'ego'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_and_not_left_out(tables, columns, message):
    with pytest.raises(NoColumnError, match=message):
        list(tables.groups("fusion", columns))


def test_a_table_that_is_not_there_is_named(tables):
    with pytest.raises(KeyError, match=r"no .*'fusions'"):
        list(tables.groups("fusions", ["ego"]))


def test_groups_of_an_evaluation_are_its_own_metrics():
    wide = v2xsim.open(finished(SETTINGS)[1]).evaluate(range_m=20.0).tables
    (group,) = wide.groups("metrics")
    assert same(group, wide["metrics"])
