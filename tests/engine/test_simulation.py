"""The processes of a run and their times, on three cars that hear each other over an ideal channel."""

import numpy as np
import pytest

from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.records import Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams


def simulation(on_tick=None, duration_s=0.5, begin_s=0.0, **sections):
    """Cars `a`, `b` and `c` drive east in a row; `a` fuses."""
    scenario = Scenario.model_validate({
        "run": {"duration_s": duration_s, "begin_s": begin_s, "step_s": 0.1},
        "traffic": {"script": [
            {"id": name, "waypoints": [[0, 20.0 * i, 0], [10, 20.0 * i + 100, 0]]} for i, name in enumerate("abc")
        ]},
        "stations": {"penetration": 1.0}, "lidars": {"model": "beam16", "include": ["a", "b"]},
        "radio": {"access": "ideal"},
        **sections,
        "cooperation": {"egos": ["a"], "detect_ms": 40, "deadline_ms": 90, "awareness_rule": {"rule": "periodic", "rate_hz": 10}, **sections.get("cooperation", {})},
    })  # fmt: skip
    names = Names()
    roster = Roster(scenario, Streams(1), names.register, names.name_of)
    mobility = ScriptMobility(scenario.traffic.script, names)
    return Simulation(scenario, mobility, indexed(Prisms.none()), roster, 1, on_tick)


def rows(run, table):
    return run.recording.tables[table].finished().to_pydict()


def test_a_tick_is_every_step_from_the_beginning_to_before_the_end():
    run = simulation(begin_s=1.0, record={"link_ticks": 1})
    run.run()
    assert sorted(set(rows(run, "links")["time_us"])) == [1_000_000 + 100_000 * n for n in range(5)]


def test_progress_is_told_after_each_tick():
    done_us = []
    simulation(done_us.append).run()
    assert done_us == [100_000, 200_000, 300_000, 400_000, 500_000]


def test_stations_announce_themselves_when_their_first_frame_is_detected_and_then_each_period():
    run = simulation()
    run.run()
    packets = rows(run, "packets")
    announced = {t for t, kind in zip(packets["queued_us"], packets["kind"], strict=True) if kind == "awareness"}
    assert sorted(announced) == [40_000 + 100_000 * n for n in range(5)]


def test_nobody_announces_itself_after_the_last_tick():
    run = simulation(duration_s=0.3)
    run.run()
    assert max(rows(run, "packets")["queued_us"]) < 300_000


def test_each_frame_is_fused_at_its_deadline():
    run = simulation()
    run.run()
    fusion = rows(run, "fusion")
    assert fusion["frame_us"] == [100_000 * n for n in range(5)]
    assert (np.array(fusion["fuse_us"]) - np.array(fusion["frame_us"]) == 90_000).all()
    assert (np.array(fusion["detect_us"]) - np.array(fusion["frame_us"]) == 40_000).all()


def test_an_ego_asks_when_its_frame_is_detected_and_fuses_the_answer_for_that_frame():
    run = simulation()
    run.run()
    transfers = rows(run, "transfers")
    requests = [i for i, kind in enumerate(transfers["kind"]) if kind == "request"]
    assert [transfers["queue_us"][i] - transfers["frame_us"][i] for i in requests] == [40_000] * len(requests)
    used = [outcome for kind, outcome in zip(transfers["kind"], transfers["outcome"], strict=True) if kind == "data"]
    assert used == ["used"] * len(requests)
    # At 40 ms everybody announces itself first, so that the first frame has somebody to ask already.
    assert len(requests) == 5


def test_an_answer_carries_the_newest_detected_frame():
    run = simulation()
    run.run()
    transfers = rows(run, "transfers")
    answers = [i for i, kind in enumerate(transfers["kind"]) if kind == "data"]
    assert [transfers["capture_us"][i] for i in answers] == [transfers["frame_us"][i] for i in answers]
    assert [transfers["detect_us"][i] - transfers["capture_us"][i] for i in answers] == [40_000] * len(answers)


def test_a_detection_that_takes_longer_than_a_step_makes_data_older():
    run = simulation(cooperation={"detect_ms": 150, "deadline_ms": 190})
    run.run()
    fusion = rows(run, "fusion")
    assert set(fusion["age_us"]) == {0}
    assert fusion["asked"] == [1] * 5


@pytest.mark.parametrize(("fusion", "kinds"), [("none", {"awareness"}), ("cpm", {"awareness", "cpm"})])
def test_what_stations_send_depends_on_the_fusion_scheme(fusion, kinds):
    run = simulation(cooperation={"fusion": fusion})
    run.run()
    assert set(rows(run, "packets")["kind"]) == kinds


def test_who_fuses_alone_uses_nothing():
    run = simulation(cooperation={"fusion": "none"})
    run.run()
    assert rows(run, "fusion")["used"] == [0] * 5
    assert len(rows(run, "awareness")["agent"]) > 0


def test_reports_reach_the_ego():
    run = simulation(cooperation={"fusion": "cpm"}, duration_s=1.0)
    run.run()
    assert max(rows(run, "fusion")["used"]) == 1


def test_the_ego_knows_the_other_stations_from_the_first_announcement_on():
    run = simulation()
    run.run()
    assert rows(run, "fusion")["known"] == [2] * 5


def test_links_are_recorded_as_often_as_wished():
    run = simulation(record={"link_ticks": 2})
    run.run()
    assert sorted(set(rows(run, "links")["time_us"])) == [0, 200_000, 400_000]


def test_no_links_are_recorded_where_none_are_wished():
    run = simulation(record={"link_ticks": 0})
    run.run()
    assert rows(run, "links")["time_us"] == []


def test_an_error_in_traffic_ends_the_run_with_that_error():
    run = simulation()

    def broken(time_us):
        if time_us >= 200_000:
            raise KeyError("no such street")
        return type(mobility).snapshot(mobility, time_us)

    mobility = run._world._mobility
    mobility.snapshot = broken
    with pytest.raises(KeyError, match="no such street"):
        run.run()
