"""What a run takes, before it starts."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import v2xsim
from v2xsim.bench.scale_point import measured
from v2xsim.cli.app import app
from v2xsim.estimate import estimate as estimates
from v2xsim.estimate.costs import (
    CPU_US,
    DISK_BYTES,
    MEMORY_BYTES,
    cpu_amounts,
    disk_amounts,
    fitted,
    memory_amounts,
    total,
)
from v2xsim.estimate.estimate import RunEstimate, estimate_notices, estimated, machine_slowness
from v2xsim.estimate.workload import Workload, workload_of

WORK = Workload(
    ticks=100, warm_up_s=0.0, is_sumo=True, vehicles=50, buildings=0, stations=20, links=190, lidar_stations=5, rays=576_000,
    egos=5, announcements=20.0, clouds=11.5, has_messages=True,
)  # fmt: skip


def crowd(**changed):
    return Workload(**{**WORK.as_object(), **changed})


def test_the_work_of_a_scenario_is_that_of_its_first_tick():
    work = workload_of(v2xsim.load("demo", ["run.duration_s=2", "lidars.model=beam16"]))
    assert (work.ticks, work.vehicles, work.buildings, work.stations, work.lidar_stations, work.egos) == (
        20,
        16,
        5,
        6,
        3,
        1,
    )
    assert work.links == 15  # all six reach each other
    assert work.rays == 3 * 16 * 1800
    assert work.clouds == pytest.approx(2 / 0.5 * 16 * 1800 / 1e5)
    assert (work.is_sumo, work.warm_up_s) == (False, 0.0)


def test_every_amount_has_its_cost():
    assert set(cpu_amounts(WORK, 0.1)) == set(CPU_US)
    assert set(memory_amounts(WORK)) == set(MEMORY_BYTES)
    assert set(disk_amounts(WORK)) == set(DISK_BYTES)


def test_costs_of_runs_that_are_sums_are_found_again():
    works = [
        crowd(vehicles=v, links=n, rays=r) for v, n, r in ((10, 5, 0), (80, 5, 10**6), (20, 900, 10**5), (5, 50, 10**7))
    ]
    own = {"vehicle tick": 30.0, "link tick": 4.0, "100,000 rays": 2000.0}
    amounts = [{name: cpu_amounts(work, 0.1)[name] for name in own} for work in works]
    found = fitted(amounts, [total(one, own) for one in amounts])
    assert found.costs == pytest.approx(own)
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_an_estimate_grows_with_the_duration_and_threads_share_the_ticks_alone():
    short, long = (v2xsim.load("demo", [f"run.duration_s={s}"]) for s in (2, 200))
    assert estimated(long).cpu_s > 3 * estimated(short).cpu_s
    one, two = estimated(long, threads=1), estimated(long, threads=2)
    assert (one.wall_s, one.cpu_s) == (one.cpu_s, two.cpu_s)
    assert one.wall_s / 2 < two.wall_s < one.wall_s
    assert estimated(long, slowness=3.0).wall_s == pytest.approx(3 * one.wall_s)


def test_the_slowness_of_this_machine_is_within_limits(monkeypatch):
    assert 0.2 <= machine_slowness() <= 5.0
    monkeypatch.setattr(estimates, "calibration_s", lambda: 1e9)
    assert machine_slowness() == 5.0


def subjects(work, tmp_path, memory=10**9, disk=10**6):
    scenario = v2xsim.load("demo")
    cost = RunEstimate(1.0, 1.0, memory, disk, 0.25, work, 0.1)
    return {notice.subject for notice in estimate_notices(scenario, cost, tmp_path / "not" / "there")}


def test_a_run_that_needs_more_than_the_machine_has_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "available_memory_bytes", lambda: 2 * 10**9)
    assert subjects(WORK, tmp_path) == set()
    assert subjects(WORK, tmp_path, memory=3 * 10**9) == {"estimate.memory"}
    assert subjects(WORK, tmp_path, disk=10**18) == {"estimate.disk"}


def test_a_run_needs_as_much_disk_as_its_folder(tmp_path, monkeypatch):
    """Rows go into the final files while the run goes on, so they are nowhere twice."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 10**9))
    assert subjects(WORK, tmp_path, disk=19 * 10**8) == set()
    assert subjects(WORK, tmp_path, disk=21 * 10**8) == {"estimate.disk"}


def test_stations_that_all_reach_each_other_are_reported_if_they_are_many(tmp_path):
    assert subjects(crowd(stations=300, links=44_850), tmp_path) == {"estimate.all_in_range"}
    assert subjects(crowd(stations=300, links=10_000), tmp_path) == set()
    assert subjects(crowd(stations=100, links=4950), tmp_path) == set()


def test_many_egos_that_may_ask_all_lidars_are_reported(tmp_path):
    many = {"egos": 100, "lidar_stations": 100}
    assert subjects(crowd(**many, has_messages=False), tmp_path) == {"estimate.all_asked"}
    assert subjects(crowd(**many), tmp_path) == set()


def test_the_check_prints_time_memory_and_disk():
    done = CliRunner().invoke(app, ["check", "demo", "--estimate"], catch_exceptions=False)
    assert done.exit_code == 0
    line = next(line for line in done.stdout.splitlines() if "estimate" in line)
    for words in (
        "GB of memory",
        "MB on disk",
        "16 road users",
        "6 stations with 15 links, 3 of the stations with lidars",
    ):
        assert words in line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", "highway", "urban_grid"])
def test_memory_and_disk_of_shipped_scenarios_are_estimated_within_half(name, tmp_path):
    """Not the time, which depends on the machine."""
    cost = estimated(v2xsim.load(name, ["run.duration_s=3"]))
    found = json.loads(json.dumps(measured(["run.duration_s=3"], 1, name)))
    np.testing.assert_allclose(cost.disk_bytes, found["disk_bytes"], rtol=0.5)
    # This process has loaded more than a run needs.
    assert 0.3e9 < cost.peak_bytes < 2 * found["peak_bytes"]
    assert Path(tmp_path).is_dir()


def test_at_most_one_cloud_is_recorded_in_a_tick():
    each_tick, more = (
        workload_of(v2xsim.load("demo", ["run.duration_s=2", f"record.clouds_every_s={every_s}"])).clouds
        for every_s in (0.1, 0.01)
    )
    assert each_tick == more


def test_links_and_packets_that_are_not_recorded_take_no_disk():
    keys = ["run.duration_s=2", "record.link_ticks=100", "record.packet_share=0.01"]
    few = workload_of(v2xsim.load("demo", keys))
    assert disk_amounts(few)["link tick"] < 0.02 * few.links * few.ticks
    assert cpu_amounts(few, 0.1)["link tick"] == few.links * few.ticks


def test_a_run_that_never_records_links_has_an_estimate():
    never, always = (
        workload_of(v2xsim.load("demo", ["run.duration_s=2", f"record.link_ticks={every}"])).recorded_rows
        for every in (0, 1)
    )
    assert 0.0 < never < always == 1.0


def test_an_estimate_of_an_empty_road_is_reported(tmp_path):
    assert subjects(crowd(vehicles=0, stations=0, links=0), tmp_path) == {"estimate.no_road_users"}
