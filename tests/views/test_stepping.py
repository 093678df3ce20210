"""A program steps a run from tick to tick, sets speeds, and leaves nothing behind when it fails."""

import gc
import os
import signal
import threading

import pytest

import v2xsim
from tests.views.written import same_bytes
from v2xsim.mobility.base import MobilityError
from v2xsim.results import store
from v2xsim.results.errors import ResultsError
from v2xsim.run_arguments import SteppingError


def fail_after(instant):
    """Raise an error, as code of a program may do after a step."""
    raise RuntimeError("mine")


def test_stepping_gives_the_bytes_of_a_run(demo, ran, tmp_path):
    with v2xsim.Simulation(demo) as sim:
        times_s = [instant.time_s for instant in sim]
        same_bytes(sim.results(), tmp_path, ran)
    assert times_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_looking_at_everything_changes_nothing(demo, ran, tmp_path):
    with v2xsim.Simulation(demo, threads=3) as sim:
        for instant in sim:
            for name in instant.stations.names:
                known = sim.knowledge(name)
                assert repr(known)
                assert known.own_frame is None or len(known.own_frame.points_m) >= 0
            assert len(list(instant.road_users)) == len(instant.road_users)
        same_bytes(sim.results(), tmp_path, ran)


def test_a_run_may_be_stepped_for_a_while_and_then_run_to_its_end(demo, ran, tmp_path):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        sim.step()
        sim.finish()
        same_bytes(sim.results(), tmp_path, ran)


def test_a_loop_may_be_left_and_taken_up_again(demo, ran, tmp_path):
    with v2xsim.Simulation(demo) as sim:
        for instant in sim:
            if instant.time_s > 0.15:
                break
        assert sim.step().time_us == 300_000
        assert [instant.time_us for instant in sim] == [400_000, 500_000]
        same_bytes(sim.results(), tmp_path, ran)


def test_after_the_last_tick_there_is_nothing_to_step_to(demo):
    with v2xsim.Simulation(demo) as sim:
        assert len(list(sim)) == 6
        assert sim.step() is None
        assert list(sim) == []
        sim.finish()
        assert sim.results() is sim.results()


def test_results_and_views_stay_after_the_simulation_is_closed(demo):
    with v2xsim.Simulation(demo) as sim:
        instants = list(sim)
    assert sim.results().metrics["prr"].count > 0
    assert instants[2].road_users["ego"].pose[1] == pytest.approx(-78.0 + 6.0 * 0.2)
    assert len(sim.knowledge("ego").neighbours) > 0


def test_a_simulation_writes_into_a_folder_of_its_own(demo, ran, tmp_path):
    with v2xsim.Simulation(demo, out=tmp_path / "run") as sim:
        sim.finish()
        results = sim.results()
    same_bytes(results, tmp_path / "again", ran)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "run"]
    for file in (tmp_path / "again").glob("*.parquet"):
        assert file.read_bytes() == (tmp_path / "run" / file.name).read_bytes()


def test_rows_on_the_disk_go_with_a_simulation_that_is_closed(demo, tmp_path):
    with v2xsim.Simulation(demo, out=tmp_path / "run") as sim:
        sim.finish()
    with pytest.raises(SteppingError, match=r"call results\(\) before close\(\)"):
        sim.results()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_tables_has_the_metrics_of_one_with_tables(demo, ran):
    results = v2xsim.run(demo, tables=False)
    assert list(results.tables) == ["metrics"]
    assert repr(results.metrics) == repr(v2xsim.open(ran).metrics)


def test_results_without_tables_make_no_run_folder(demo, tmp_path):
    results = v2xsim.run(demo, tables=False)
    with pytest.raises(ResultsError, match="this run kept only its metrics"):
        results.write(tmp_path / "run")
    with pytest.raises(KeyError, match="the run kept only its metrics"):
        results.tables["states"]
    assert list(tmp_path.iterdir()) == []


def test_tables_are_needed_to_write_them(demo, tmp_path):
    with pytest.raises(SteppingError, match="out needs the tables of the run"):
        v2xsim.run(demo, out=tmp_path / "run", tables=False)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tables": "no"}, "tables must be True or False, got 'no'"),
        ({"out": ""}, "out must be the path of a folder, got an empty text"),
        ({"threads": -1}, "threads must be a whole number from 1 on, or None for the default, got -1"),
        ({"threads": "2"}, "threads must be a whole number from 1 on, or None for the default, got '2'"),
    ],
)
def test_options_that_no_run_can_have_are_refused(demo, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SteppingError, match=message):
        v2xsim.Simulation(demo, **options)
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_tick_there_is_nothing_to_look_at(demo):
    with v2xsim.Simulation(demo) as sim:
        for attempt in (lambda: sim.knowledge("ego"), lambda: sim.send("ego", b"x"), lambda: sim.set_speed("ego", 1.0)):
            with pytest.raises(SteppingError, match=r"there is no tick yet; call step\(\) first"):
                attempt()
        assert sim.step().time_us == 0


def test_results_of_half_a_run_are_refused(demo):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(SteppingError, match=r"is at 0 s, before its end.*finish\(\)"):
            sim.results()


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("value", ["demo", None, {"traffic": {}}])
def test_only_a_scenario_can_be_simulated(value):
    with pytest.raises(SteppingError, match=r"must be a scenario as v2xsim\.load returns it"):
        v2xsim.Simulation(value)


def test_the_time_between_ticks_may_be_longer_or_shorter_than_a_fusion(demo):
    for step_s in (0.05, 0.3):
        changed = demo.with_({"run.step_s": step_s})
        with v2xsim.Simulation(changed) as sim:
            count = len(list(sim))
            stepped = sim.results()
        assert count == round(0.6 / step_s)
        assert stepped.tables["fusion"].equals(v2xsim.run(changed).tables["fusion"])


def test_a_duration_that_is_no_whole_number_of_steps_is_reported_and_counts_as_simulated(demo):
    results = v2xsim.run(demo.with_({"run.step_s": 0.25, "run.duration_s": 0.6}))
    (notice,) = results.notices
    assert notice.subject == "run.duration_rounded"
    assert "0.6 s) is not a whole number of steps of 0.25 s; 0.5 s are simulated" in notice.text
    sent = {
        (row["message"], row["hop"], row["fragment"]): row["size_bytes"]
        for row in results.tables["packets"].to_pylist()
    }
    assert results.metrics["on_air"].value == pytest.approx(sum(sent.values()) / 0.5, rel=0.2)


def test_an_error_in_the_loop_leaves_no_thread_behind(demo):
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="mine"), v2xsim.Simulation(demo, threads=3) as sim:
        fail_after(sim.step())
    assert threading.active_count() == before
    with pytest.raises(SteppingError, match="the simulation is closed"):
        sim.step()


def test_a_simulation_that_nobody_closed_leaves_no_thread_behind(demo):
    before = threading.active_count()
    sim = v2xsim.Simulation(demo, threads=3, on_frame=print)
    sim.step()
    assert threading.active_count() > before
    del sim
    gc.collect()
    assert threading.active_count() == before


def test_an_error_in_the_callback_of_a_frame_ends_the_run(demo, tmp_path):
    before = threading.active_count()

    def fail(frame):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        v2xsim.run(demo, on_frame=fail, threads=3, out=tmp_path / "run")
    assert threading.active_count() == before
    assert not (tmp_path / "run").exists()


def test_after_an_error_of_the_simulation_the_reason_is_repeated(demo):
    def fail(frame):
        raise RuntimeError("mine")

    sim = v2xsim.Simulation(demo, on_frame=fail)
    with pytest.raises(RuntimeError, match="mine"):
        list(sim)
    with pytest.raises(SteppingError, match=r"has ended with an error \(RuntimeError: mine\)"):
        sim.step()


def test_a_forked_copy_of_a_simulation_is_refused(demo):
    with v2xsim.Simulation(demo, threads=2) as sim:
        sim.step()
        child = os.fork()
        if child == 0:
            try:
                sim.step()
            except SteppingError as error:
                os._exit(7 if "belongs to the process that forked this one" in str(error) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert sim.step().time_us == 100_000


def test_a_forked_copy_makes_no_results(demo):
    """The thread that stores rows did not come along."""
    with v2xsim.Simulation(demo, threads=2) as sim:
        sim.finish()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                sim.results()
            except SteppingError as error:
                os._exit(7 if "belongs to the process that forked this one" in str(error) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert sim.results().metrics["prr"].count > 0


def test_results_that_could_not_be_written_are_not_made_once_more(demo, ran, tmp_path, monkeypatch):
    """By then, some rows are gone from where they were, and the tables would be empty."""

    def full(_folder):
        raise OSError(28, "No space left on device")

    with v2xsim.Simulation(demo, out=tmp_path / "run") as sim:
        sim.finish()
        with monkeypatch.context() as disk:
            disk.setattr(store, "rmtree", full)
            with pytest.raises(ResultsError, match=rf"{tmp_path}/run: .*No space left"):
                sim.results()
        with pytest.raises(SteppingError, match=r"has ended with an error .*No space left"):
            sim.results()
    assert not (tmp_path / "run").exists()
    # What was written stays.
    left = v2xsim.open(tmp_path / "run", partial=True)
    assert len(left.tables["states"]) == len(v2xsim.open(ran).tables["states"])


def test_a_function_is_called_with_each_fused_frame_and_the_truth_behind_it(demo, ran, tmp_path):
    frames = []
    results = v2xsim.run(demo, on_frame=frames.append)
    same_bytes(results, tmp_path, ran)
    assert [(frame.ego, frame.time_s) for frame in frames] == [("ego", pytest.approx(0.1 * k)) for k in range(6)]
    assert frames[5].road_users["ego"].pose[1] == pytest.approx(-75.0)


def test_the_speed_of_scripted_traffic_cannot_be_set(demo):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(
            MobilityError, match=r"the speed of ego cannot be set: its motion is replayed.*traffic\.sumocfg"
        ):
            sim.set_speed("ego", 3.0)
        assert sim.step() is not None


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("speed_mps", [-1.0, 151.0, float("nan"), float("inf"), "3", True])
def test_an_impossible_speed_is_refused(demo, speed_mps):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(SteppingError, match=r"speed_mps must be 0 to 150 m/s, or None, got"):
            sim.set_speed("ego", speed_mps)
