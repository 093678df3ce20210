"""Graphs of links of opened runs: the same as those of the stepped run, and refused where something was not recorded."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_runs import finished, scenario

import v2xsim
from v2xsim.opened import NotRecordedError, OpenError
from v2xsim.scenario.schema import Scenario


@pytest.fixture(scope="module")
def run():
    return v2xsim.open(finished()[1])


def test_stations_that_come_and_go_buildings_and_errors_are_those_of_the_stepped_run(run):
    with v2xsim.Simulation(scenario()) as sim:
        found = {instant.time_s: sim.graph() for instant in sim}
    assert {"leaver" in graph for graph in found.values()} == {True, False}
    for time_s, graph in found.items():
        again = run.graph(time_s)
        assert again.graph == graph.graph
        assert list(again.nodes(data=True)) == list(graph.nodes(data=True))
        assert list(again.edges(data=True)) == list(graph.edges(data=True))


def test_antennas_on_bumpers_and_on_tractors_are_where_the_run_had_them(tmp_path):
    lorry = {
        "id": "lorry",
        "kind": "truck",
        "size_m": [16.5, 2.55, 4.0],
        "waypoints": [[0, 0, 0], [5, 30, 0], [10, 50, 40]],
    }
    car = {"id": "car", "waypoints": [[0, 60, 50], [10, 60, -50]]}
    world = {
        "name": "bumpers", "run": {"begin_s": 6.0, "duration_s": 0.3, "step_s": 0.1}, "traffic": {"script": [lorry, car]},
        "stations": {"antennas": {"car": {"x_m": 2.5, "height_m": 0.5}}}, "lidars": {"count": 0},
    }  # fmt: skip
    with v2xsim.Simulation(Scenario.model_validate(world), out=tmp_path) as sim:
        found = {instant.time_s: sim.graph() for instant in sim}
        sim.results()
    run = v2xsim.open(tmp_path)
    for time_s, graph in found.items():
        again = run.graph(time_s)
        assert list(again.nodes(data=True)) == list(graph.nodes(data=True))
        assert list(again.edges(data=True)) == list(graph.edges(data=True))
    # The car drives south, and its antenna is on the front bumper, not at the centre; the lorry's is on its tractor.
    assert graph.nodes["car"]["antenna_y_m"] == pytest.approx(graph.nodes["car"]["y_m"] - 2.5, abs=0.01)
    lorry = graph.nodes["lorry"]
    assert np.hypot(lorry["antenna_x_m"] - lorry["x_m"], lorry["antenna_y_m"] - lorry["y_m"]) > 2.0


@pytest.mark.parametrize("time_s", [0.55, 0.4, 1.5, 99.0])
def test_a_time_without_a_tick_is_refused_with_those_that_exist(run, time_s):
    message = rf"must be that of a recorded tick, got {time_s:g} s; .* from 0.5 s to 1.4 s every 0.1 s"
    with pytest.raises(OpenError, match=message) as error:
        run.graph(time_s)
    assert not isinstance(error.value, NotRecordedError)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), "0.5", None, True])
def test_what_is_no_time_is_refused(run, time_s):
    with pytest.raises(OpenError, match="time_s must be the traffic time of a tick in seconds, got"):
        run.graph(time_s)


def test_a_tick_that_was_not_recorded_is_refused_with_the_keys():
    thin = v2xsim.open(finished("record.link_ticks=2", "record.state_ticks=3")[1])
    assert len(thin.graph(1.1)) > 3
    with pytest.raises(NotRecordedError, match=r"got 1.4 s; .* from 0.5 s to 1.1 s every 0.6 s"):
        thin.graph(1.4)
    with pytest.raises(
        NotRecordedError,
        match=r"got 0.7 s; .* from 0.5 s to 1.1 s every 0.6 s \(record.link_ticks: 2, record.state_ticks: 3\); run it again with "
        "record.link_ticks=1 and record.state_ticks=1",
    ):
        thin.graph(0.7)


@pytest.mark.parametrize("key", ["record.link_ticks=0", "record.states=false"])
def test_a_run_without_links_or_states_names_the_key(key):
    wanted = {"record.link_ticks=0": "record.link_ticks=1", "record.states=false": "record.states=true"}[key]
    with pytest.raises(NotRecordedError, match=f"run it again with {wanted}"):
        v2xsim.open(finished(key)[1]).graph(0.5)


def test_a_run_of_format_2_has_no_measurements(tmp_path):
    with zipfile.ZipFile(Path(__file__).with_name("run_of_format_2.zip")) as archive:
        archive.extractall(tmp_path)
    with pytest.raises(NotRecordedError, match="'heard', which came with format 3; this run has format 2"):
        v2xsim.open(tmp_path).graph(0.7)


def test_links_of_another_run_are_refused(tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(finished()[1], folder)
    shutil.copy(finished("stations.penetration=0.0")[1] / "stations.parquet", folder)
    with pytest.raises(OpenError):
        v2xsim.open(folder).graph(0.5)
