"""SUMO runs one simulation per process: a second one is refused, and every way in which the first can end makes room for it."""

import gc
import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import v2xsim
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_tools import libsumo, run_tool
from v2xsim.views.kept import NotThereError

ROAD = v2xsim.load({
    "run": {"duration_s": 3.0, "step_s": 0.5},
    "traffic": {"highway": {"length_m": 400.0, "lanes": 1, "density_per_km": 20.0, "mix": {"passenger": 1.0}}},
    "stations": {"penetration": 0.0}, "record": {"clouds_every_s": 0},
})  # fmt: skip
OPEN = "SUMO runs one simulation per process, and .* is still open; close it first"


def fail_after(instant):
    """Raise an error, as code of a program may do after a step."""
    raise RuntimeError("mine")


def test_a_second_simulation_is_refused_and_the_first_goes_on():
    with v2xsim.Simulation(ROAD) as sim:
        sim.step()
        with pytest.raises(MobilityError, match=OPEN):
            v2xsim.Simulation(ROAD)
        with pytest.raises(MobilityError, match=OPEN):
            v2xsim.run(ROAD)
        assert len(list(sim)) == 5
        stepped = sim.results()
    assert stepped.tables["states"].equals(v2xsim.run(ROAD).tables["states"])


def test_an_error_in_the_loop_makes_room():
    with pytest.raises(RuntimeError, match="mine"), v2xsim.Simulation(ROAD) as sim:
        fail_after(sim.step())
    with v2xsim.Simulation(ROAD) as sim:
        assert sim.step().time_us == 0


def test_an_error_while_a_simulation_is_built_makes_room():
    def fail(done, whole, phase):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        v2xsim.Simulation(ROAD, progress=fail)
    v2xsim.Simulation(ROAD).close()


def test_a_simulation_that_nobody_holds_any_more_makes_room():
    sim = v2xsim.Simulation(ROAD, on_frame=print)
    sim.step()
    del sim
    gc.collect()
    with v2xsim.Simulation(ROAD) as sim:
        assert len(list(sim)) == 6


def test_closing_an_old_simulation_again_leaves_the_new_one_alone():
    old = v2xsim.Simulation(ROAD)
    old.close()
    with v2xsim.Simulation(ROAD) as sim:
        old.close()
        assert len(list(sim)) == 6


def test_a_simulation_that_v2xsim_did_not_start_is_left_alone(tmp_path):
    run_tool("netgenerate", ["--grid", "--grid.number", "2", "-o", "net.net.xml"], tmp_path)
    libsumo().start(["sumo", "-n", str(tmp_path / "net.net.xml"), "--no-step-log"])
    try:
        with pytest.raises(
            MobilityError, match=r"libsumo already runs a simulation .* v2xsim did not start; call libsumo\.close"
        ):
            v2xsim.Simulation(ROAD)
        assert libsumo().isLoaded()
    finally:
        libsumo().close()
    v2xsim.Simulation(ROAD).close()


@pytest.fixture
def config(tmp_path):
    run_tool("netgenerate", ["--grid", "--grid.number", "2", "-o", "net.net.xml"], tmp_path)
    root = ET.Element("configuration")
    ET.SubElement(root, "net-file", value="net.net.xml")
    ET.ElementTree(root).write(tmp_path / "run.sumocfg")
    return tmp_path / "run.sumocfg"


def test_in_a_forked_copy_nothing_runs_and_nothing_is_closed(config):
    with SumoMobility(config, 100_000, 1, Names()) as mobility:
        mobility.snapshot(0)
        child = os.fork()
        if child == 0:
            codes = 0
            for bit, attempt in enumerate(
                (lambda: mobility.snapshot(100_000), lambda: SumoMobility(config, 100_000, 1, Names()))
            ):
                try:
                    attempt()
                except MobilityError as error:
                    codes |= ("forked" in str(error)) << bit
            mobility.close()
            os._exit(codes)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert mobility.snapshot(100_000).time_us == 100_000


def test_a_copy_forked_after_the_end_may_start_its_own(config):
    SumoMobility(config, 100_000, 1, Names()).close()
    child = os.fork()
    if child == 0:
        try:
            SumoMobility(config, 100_000, 1, Names()).close()
        except MobilityError:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---- set speeds ----


def test_a_vehicle_drives_at_the_speed_that_is_set_until_it_is_given_back():
    with v2xsim.Simulation(ROAD.with_({"run.duration_s": 20.0, "traffic.highway.length_m": 2000.0})) as sim:
        # The vehicle with the longest way to drive.
        eastbound = [user for user in sim.step().road_users if abs(user.pose[3]) < 0.1]
        name = min(eastbound, key=lambda user: user.pose[0]).name
        free_mps = sim.step().road_users[name].speed_mps
        sim.set_speed(name, 5.0)
        slowed = [sim.step().road_users[name].speed_mps for _ in range(16)]
        sim.set_speed(name, None)
        freed = [sim.step().road_users[name].speed_mps for _ in range(4)]
    assert free_mps > 10.0
    assert slowed[0] < free_mps
    assert slowed[-1] == pytest.approx(5.0, abs=0.1)
    assert np.all(np.diff(freed) > 0.0)


def test_a_set_speed_holds_from_the_next_tick_on_and_is_reported():
    with v2xsim.Simulation(ROAD) as sim:
        before = sim.step()
        name = before.road_users.names[0]
        sim.set_speed(name, 0.0)
        after = sim.step()
        sim.finish()
        (notice,) = [notice for notice in sim.results().notices if notice.subject == "run.steered"]
    assert after.road_users[name].speed_mps < before.road_users[name].speed_mps - 0.5
    assert "set 1 speed" in notice.text


def test_the_speed_of_a_vehicle_that_is_not_there_is_refused():
    with v2xsim.Simulation(ROAD) as sim:
        sim.step()
        with pytest.raises(NotThereError, match="'nobody' must be the name of a road user"):
            sim.set_speed("nobody", 1.0)
