"""The recorded traffic of a finished run as the traffic of another."""

import pytest
from small_runs import finished, same

import v2xsim
from v2xsim.opened import NotRecordedError

# The name, the paths and the buildings differ in the manifest; tables have none of them.
KINDS = ["early", "cpm"]


@pytest.mark.parametrize("fusion", KINDS)
def test_a_replay_gives_all_tables_of_the_run(fusion):
    results, folder = finished(f"cooperation.fusion={fusion}")
    again = v2xsim.run(v2xsim.open(folder).replay())
    for name, table in results.tables.items():
        assert same(again.tables[name], table), name


@pytest.mark.slow
def test_a_replay_of_sumo_traffic_gives_all_tables_of_the_run(tmp_path):
    scenario = v2xsim.load("urban_grid", ["run.duration_s=1", "run.begin_s=20", "lidars.model=beam16"])
    results = v2xsim.run(scenario, out=tmp_path)
    again = v2xsim.run(v2xsim.open(tmp_path).replay())
    for name, table in results.tables.items():
        assert same(again.tables[name], table), name


def test_a_replay_of_a_replay_gives_all_tables_of_the_run(tmp_path):
    results, folder = finished("cooperation.fusion=early")
    v2xsim.run(v2xsim.open(folder).replay(), out=tmp_path)
    again = v2xsim.run(v2xsim.open(tmp_path).replay())
    for name, table in results.tables.items():
        assert same(again.tables[name], table), name


def test_other_keys_change_what_happens_in_the_same_traffic():
    results, folder = finished("cooperation.fusion=early")
    other = v2xsim.run(v2xsim.open(folder).replay().with_({"cooperation.fusion": "none"}))
    assert same(other.tables["states"], results.tables["states"])
    assert other.metrics["helpers_used"].value == 0 < results.metrics["helpers_used"].value


def test_values_that_follow_from_other_keys_follow_again():
    _, folder = finished("cooperation.fusion=early")
    run = v2xsim.open(folder)
    changed = run.replay().with_({"radio.access": "nr_mode2"})
    assert changed.radio.mtu_bytes != run.scenario.radio.mtu_bytes


def test_a_replay_has_a_name_of_its_own():
    assert v2xsim.open(finished("cooperation.fusion=early")[1]).replay().name == "small-replay"


def test_a_run_without_states_is_not_replayed():
    _, folder = finished("cooperation.fusion=early", "record.states=false")
    with pytest.raises(NotRecordedError, match="to replay its traffic"):
        v2xsim.open(folder).replay()


def test_a_run_with_states_of_every_second_tick_is_replayed_with_a_longer_step():
    results, folder = finished("cooperation.fusion=early", "record.state_ticks=2")
    run = v2xsim.open(folder)
    with pytest.raises(NotRecordedError, match=r"states every 0.2 s, .* a step of 0.1 s; .* replay\(step_s=0.2\)"):
        run.replay()
    again = v2xsim.run(run.replay(step_s=0.2))
    assert same(again.tables["states"], results.tables["states"])


@pytest.mark.parametrize(("step_s", "ticks"), [(0.2, [5, 7, 9, 11, 13]), (0.3, [5, 8, 11, 14]), (0.9, [5, 14])])
def test_a_longer_step_has_the_ticks_that_fit(step_s, ticks):
    replay = v2xsim.open(finished("cooperation.fusion=early")[1]).replay(step_s=step_s)
    again = v2xsim.run(replay.with_({"cooperation.fusion": "none"}))
    assert sorted({round(us / 1e5) for us in again.tables["states"]["time_us"].to_pylist()}) == ticks


@pytest.mark.parametrize("step_s", [0.25, 0.05, 0.0, -0.1])
def test_a_step_between_the_recorded_ticks_is_refused(step_s):
    with pytest.raises(NotRecordedError, match="replay it with a multiple"):
        v2xsim.open(finished("cooperation.fusion=early")[1]).replay(step_s=step_s)


def test_the_scenario_of_a_run_is_run_and_changed_like_any_other():
    results, folder = finished("cooperation.fusion=early")
    scenario = v2xsim.open(folder).scenario
    assert scenario == results.scenario
    assert scenario.automatic == results.scenario.automatic
    assert same(v2xsim.run(scenario).tables["metrics"], results.tables["metrics"])
    assert scenario.with_({"radio.tx_power_dbm": 3}).radio.tx_power_dbm == 3
