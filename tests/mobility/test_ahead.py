"""Traffic in a process of its own, one step ahead of the run."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import v2xsim
from v2xsim.children import environment
from v2xsim.mobility.ahead import AheadMobility
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.source import open_mobility

STEP_US = 100_000

GRID = {
    "run": {"begin_s": 20.0, "duration_s": 2.0, "step_s": 0.1},
    "traffic": {"grid": {"blocks": 3, "vehicles_per_hour": 6000, "mix": {"passenger": 0.6, "truck": 0.2, "pedestrian": 0.2}}},
}  # fmt: skip
ROAD = {
    "run": {"begin_s": 5.0, "duration_s": 1.0, "step_s": 0.1},
    "traffic": {"highway": {"length_m": 600.0, "density_per_km": 40.0}},
}


def opened(data, ahead, names=None):
    scenario = v2xsim.load(data)
    return (AheadMobility if ahead else open_mobility)(
        scenario.traffic, scenario.run, Names() if names is None else names
    )


def seen(data, ahead, units=()):
    """Return all that a run asks its traffic for."""
    names, begin_us = Names(), round(data["run"]["begin_s"] * 1e6)
    for unit in units:
        names.register(unit, "a roadside unit")
    with opened(data, ahead, names) as traffic:
        assert isinstance(traffic, AheadMobility) == ahead
        progress = []
        traffic.warm_up(begin_us, progress.append)
        instants = range(begin_us, begin_us + round(data["run"]["duration_s"] * 1e6), STEP_US)
        snapshots, known = [], []
        for time_us in instants:
            snapshots.append(traffic.snapshot(time_us))
            known.append(len(names))
        roads, notices, bounds = traffic.roads(), traffic.notices(), traffic.bounds
    owners = [(names.name_of(agent), names.owner_of(agent)) for agent in range(len(names))]
    return snapshots, known, owners, roads, notices, tuple(bounds), progress


def arrays_of(snapshot):
    return [
        snapshot.agent, snapshot.kind, snapshot.boxes.center_m, snapshot.boxes.size_m, snapshot.boxes.yaw_rad,
        snapshot.velocity_mps, snapshot.antenna_height_m,
    ]  # fmt: skip


@pytest.mark.parametrize("data", [GRID, ROAD], ids=["grid", "highway"])
def test_it_gives_what_sumo_in_this_process_gives(data):
    """A run asks it for nothing else, so its results do not depend on where SUMO runs."""
    here, there = seen(data, False, ["mast"]), seen(data, True, ["mast"])
    assert len(here[0]) > 5
    assert len(here[0][-1]) > 5
    for mine, other in zip(here[0], there[0], strict=True):
        assert mine.time_us == other.time_us
        for a, b in zip(arrays_of(mine), arrays_of(other), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    # The names at each instant, bounds, notices and progress, and the roads.
    assert (*here[1:3], *here[4:]) == (*there[1:3], *there[4:])
    assert here[3].name == there[3].name
    for field in ("kind", "users", "width_m", "points_m", "offset"):
        np.testing.assert_array_equal(getattr(here[3], field), getattr(there[3], field))


def test_a_wrong_input_is_refused_in_the_same_words(tmp_path):
    data = {"traffic": {"sumocfg": str(tmp_path / "run.sumocfg")}}
    (tmp_path / "run.sumocfg").write_text('<configuration><net-file value="missing.net.xml"/></configuration>')
    texts = []
    for ahead in (False, True):
        with pytest.raises(MobilityError) as refused, opened(data, ahead) as traffic:
            traffic.warm_up(0)
        texts.append(str(refused.value))
    assert texts[0] == texts[1]


def test_a_vehicle_with_the_name_of_a_roadside_unit_is_refused_when_it_appears():
    names = seen(ROAD, False)[2]
    with pytest.raises(MobilityError, match=f"same name '{names[-1][0]}'"):
        seen(ROAD, True, [names[-1][0]])


def test_instants_must_follow_each_other():
    with opened(ROAD, True) as traffic:
        traffic.warm_up(5_000_000)
        first = traffic.snapshot(5_000_000)
        assert traffic.snapshot(5_000_000) is first
        with pytest.raises(ValueError, match="must rise"):
            traffic.snapshot(4_900_000)
        with pytest.raises(ValueError, match="must follow each other by 100000 us"):
            traffic.snapshot(5_200_000)


def test_a_process_that_is_killed_is_reported():
    with opened(ROAD, True) as traffic:
        traffic._process.kill()
        with pytest.raises(MobilityError, match="the process of the traffic ended with signal 9"):
            traffic.warm_up(5_000_000)


def test_an_error_of_the_program_is_shown_with_its_place():
    with opened(ROAD, True) as traffic, pytest.raises(RuntimeError, match="has no attribute '_dance'"):
        traffic._asked("dance")


def test_after_the_end_the_process_and_its_files_are_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    traffic = opened(ROAD, True)
    traffic.warm_up(5_000_000)
    traffic.snapshot(5_000_000)
    assert list(tmp_path.iterdir())
    # An answer is on its way.
    traffic.close()
    traffic.close()
    assert traffic._process.returncode == 0
    assert not list(tmp_path.iterdir())
    with pytest.raises(MobilityError, match="closed"):
        traffic.warm_up(6_000_000)


def test_it_ends_with_the_process_that_started_it():
    script = (
        "import v2xsim, time\n"
        "from v2xsim.mobility.ahead import AheadMobility, Names\n"
        f"scenario = v2xsim.load({ROAD!r})\n"
        "traffic = AheadMobility(scenario.traffic, scenario.run, Names())\n"
        "print(traffic._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment()) as started:
        pid = int(started.stdout.readline())
        os.kill(pid, 0)
        started.kill()
    until = time.monotonic() + 20
    while time.monotonic() < until and is_running(pid):
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid):
    """Return whether a process runs; one that has ended may wait for its parent."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_ctrl_c_reaches_only_the_process_of_the_run():
    with opened(ROAD, True) as traffic:
        assert os.getsid(traffic._process.pid) != os.getsid(0)
        traffic.warm_up(5_000_000)


def test_a_run_that_nobody_can_steer_has_its_traffic_there():
    """A program that steps a run may set speeds, which must hold from the next step on: its SUMO is not ahead."""
    scenario = v2xsim.load({**ROAD, "stations": {"penetration": 0.0}, "record": {"clouds_every_s": 0}})
    kinds = []

    def note(done, whole, phase):
        if phase == "simulating" and not kinds:
            kinds.append(children())

    v2xsim.run(scenario, threads=2, progress=note)
    v2xsim.run(scenario, threads=1, progress=lambda done, whole, phase: None)
    with v2xsim.Simulation(scenario, threads=2) as sim:
        sim.step()
        kinds.append(children())
    assert kinds == [1, 0]


def children():
    """Return the number of child processes of this one that compute traffic."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            found += parent == os.getpid() and b"traffic_process" in (stat.parent / "cmdline").read_bytes()
    return found


def test_a_process_that_cannot_start_is_refused_with_the_way_without_it(monkeypatch):
    def fail(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", fail)
    with pytest.raises(
        MobilityError, match=r"does not start \(Resource temporarily unavailable\); with one thread \(`threads=1`"
    ):
        opened(ROAD, True)


def test_it_imports_what_the_program_can_import_but_nothing_of_the_programs_folder(tmp_path):
    """A program may have added folders of packages itself, and its own files may have names of libraries."""
    packages = str(Path(np.__file__).resolve().parents[1])
    (tmp_path / "pydantic.py").write_text("raise SystemExit('a file of the program')\n")
    (tmp_path / "script.py").write_text(
        f"import sys\nhere = sys.path.pop(0)\nsys.path.append({packages!r})\nsys.path.append({str(Path(v2xsim.__file__).parents[1])!r})\n"
        "import v2xsim\nfrom v2xsim.mobility.ahead import AheadMobility, Names\n"
        f"scenario = v2xsim.load({ROAD!r})\nsys.path.insert(0, here)\n"
        "with AheadMobility(scenario.traffic, scenario.run, Names()) as traffic:\n    print(traffic.bounds)\n"
    )
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    python = Path(sys.executable).resolve()
    done = subprocess.run([python, "script.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "600" in done.stdout


def test_what_is_printed_at_its_start_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('hello')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with opened(ROAD, True) as traffic:
        assert traffic.bounds[2] > 0.0


def test_its_temporary_files_lie_where_the_program_wants_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with opened(ROAD, True) as traffic:
        traffic.warm_up(0)
        assert list(tmp_path.iterdir())


def test_a_forked_copy_of_the_program_does_not_keep_it_alive():
    with opened(ROAD, True) as traffic:
        traffic.warm_up(0)
        copy = os.fork()
        if copy == 0:
            time.sleep(30)
            os._exit(0)
        began = time.monotonic()
        traffic.close()
        assert traffic._process.returncode == 0
        assert time.monotonic() - began < 20
        os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)


def test_it_works_for_a_program_without_standard_streams():
    script = (
        "import os, v2xsim\nfrom v2xsim.mobility.ahead import AheadMobility, Names\n"
        f"scenario = v2xsim.load({ROAD!r})\nfor stream in range(3):\n    os.close(stream)\n"
        "with AheadMobility(scenario.traffic, scenario.run, Names()) as traffic:\n    os._exit(7 if traffic.bounds[2] > 0 else 8)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], env=environment(), check=False).returncode == 7


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_it_leaves_nothing_whenever_it_is_closed(after_s, tmp_path, monkeypatch):
    """It may be importing, building the road or starting SUMO."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    traffic = opened(ROAD, True)
    time.sleep(after_s)
    traffic.close()
    assert not list(tmp_path.iterdir())


def test_signals_that_the_program_may_handle_do_not_end_it():
    with opened(ROAD, True) as traffic:
        traffic.warm_up(0)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            traffic._process.send_signal(number)
        assert len(traffic.roads())


def test_it_leaves_nothing_when_the_system_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with opened(ROAD, True) as traffic:
        traffic.warm_up(0)
        traffic._process.terminate()
        traffic._process.wait(20)
        assert not list(tmp_path.iterdir())


def test_a_process_that_ends_after_the_last_instant_costs_only_the_notices():
    with opened(ROAD, True) as traffic:
        traffic.warm_up(5_000_000)
        traffic._process.kill()
        (notice,) = traffic.notices()
        assert notice.subject == "traffic.notices_lost"
        assert "ended with signal 9" in notice.text
