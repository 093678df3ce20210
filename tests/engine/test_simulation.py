"""The processes of a run and their times, on three cars that hear each other over an ideal channel."""

import gc
import math
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.roster import Roster
from v2xsim.gpu.bev.fusion.early import EarlyFusion
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.records import Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams


@pytest.fixture(autouse=True)
def rows_stay_in_memory(monkeypatch):
    """A busy machine may need longer for a run than rows are held."""
    monkeypatch.setattr("v2xsim.engine.recording.recording._HELD_S", math.inf)


def simulation(on_tick=None, duration_s=0.5, begin_s=0.0, threads=1, on_frame=None, scheme=None, **sections):
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
    if scheme is not None:
        rule = scenario.cooperation.model_copy(update={"fusion": scheme})
        scenario = scenario.model_copy(update={"cooperation": rule})
    names = Names()
    roster = Roster(scenario, Streams(1), names.register, names.name_of)
    mobility = ScriptMobility(scenario.traffic.script, names)
    return Simulation(scenario, mobility, indexed(Prisms.none()), roster, threads, on_tick, on_frame)


def rows(run, table):
    return run.recording.tables[table].finished().to_pydict()


def test_a_tick_is_every_step_from_the_beginning_to_before_the_end():
    run = simulation(begin_s=1.0, record={"link_ticks": 1})
    run.run()
    assert sorted(set(rows(run, "links")["time_us"])) == [1_000_000 + 100_000 * n for n in range(5)]


def test_progress_counts_from_the_beginning_after_each_tick():
    done_us = []
    simulation(done_us.append, begin_s=1.0).run()
    assert done_us == [100_000, 200_000, 300_000, 400_000, 500_000]


def noted(run, *names):
    """Take notes of calls into the parts of a run: at which time, which method of which part."""
    calls = []

    def noting(name):
        part, method = name.split(".")
        work = getattr(getattr(run, part), method)

        def called(*arguments):
            calls.append((run.clock.now_us, name))
            return work(*arguments)

        setattr(getattr(run, part), method, called)

    for name in names:
        noting(name)
    return calls


def test_every_process_settles_the_channel_before_it_acts_and_the_run_settles_it_at_its_end():
    run = simulation(duration_s=0.1, begin_s=1.0)
    calls = noted(
        run, "_air.tick", "_air.settle", "_air.close", "_cooperation.announce", "_cooperation.match", "recording.tick",
        "recording.fused", "recording.finish", "recording.close", "_workers.close",
    )  # fmt: skip
    run.run()
    assert calls == [
        (1_000_000, "_air.tick"), (1_000_000, "recording.tick"),
        (1_040_000, "_air.settle"), (1_040_000, "_cooperation.announce"),
        (1_040_000, "_air.settle"), (1_040_000, "_cooperation.match"),
        (1_090_000, "_air.settle"), (1_090_000, "recording.fused"),
        (1_090_001, "_air.settle"), (1_090_001, "_air.close"), (1_090_001, "recording.finish"), (1_090_001, "recording.close"),
        (1_090_001, "_workers.close"),
    ]  # fmt: skip


def test_lidars_of_the_next_tick_are_begun_before_a_tick_holds_and_none_after_the_last():
    run = simulation(duration_s=0.3)
    calls, begin = noted(run, "recording.tick"), run._world.begin

    def begun(time_us, before):
        calls.append((run.clock.now_us, time_us, before.time_us))
        return begin(time_us, before)

    run._world.begin = begun
    run.run()
    # Of each tick: now, the tick that is begun, and the tick whose errors it continues.
    assert calls == [
        (0, 0, 0), (0, 100_000, 0), (0, "recording.tick"), (100_000, 200_000, 100_000), (100_000, "recording.tick"),
        (200_000, "recording.tick"),
    ]  # fmt: skip


def test_a_stepped_run_begins_the_next_tick_only_when_own_code_asks_for_it():
    run = simulation(duration_s=0.3)
    calls, begin = noted(run, "recording.tick", "recording.fused"), run._world.begin

    def begun(time_us, before):
        calls.append(("begin", time_us, before.time_us))
        return begin(time_us, before)

    run._world.begin = begun
    while run.step():
        calls.append("own code")
    assert calls == [
        ("begin", 0, 0), (0, "recording.tick"), "own code",
        ("begin", 100_000, 0), (90_000, "recording.fused"), (100_000, "recording.tick"), "own code",
        ("begin", 200_000, 100_000), (190_000, "recording.fused"), (200_000, "recording.tick"), "own code",
        (290_000, "recording.fused"),
    ]  # fmt: skip
    assert run.is_over
    run.close()


def test_a_run_that_is_not_stepped_stores_no_arrivals():
    run = simulation(duration_s=0.3)
    run.run()
    assert not run.inboxes.is_open
    assert run.latest_fused == {}


@pytest.fixture
def three_milliseconds():
    """Let threads take turns every 3 ms, which no run does."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(0.003)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.parametrize("usual", [(700, 10, 10), (0, 10, 10), (20_000, 5, 5)])
def test_python_looks_for_unreachable_objects_rarely_during_a_run_alone(usual):
    before, during = gc.get_threshold(), []
    gc.set_threshold(*usual)
    try:
        simulation(lambda _: during.append(gc.get_threshold()), duration_s=0.1).run()
        assert during == [{700: (10_000, 10, 10)}.get(usual[0], usual)]
        assert gc.get_threshold() == usual
    finally:
        gc.set_threshold(*before)


def test_products_of_matrices_have_one_thread_during_a_run_alone(monkeypatch):
    """The result of a product may depend on their number, and threads that wait for products keep a processor busy."""
    limits = []

    class Libraries:
        @contextmanager
        def limit(self, *, limits, user_api):
            set_to.append((limits, user_api))
            yield
            set_to.clear()

    set_to = []
    monkeypatch.setattr("v2xsim.engine.simulation.ThreadpoolController", Libraries)
    simulation(lambda _: limits.append(list(set_to)), duration_s=0.1).run()
    assert limits == [[(1, "blas")]]
    assert set_to == []


@pytest.mark.usefixtures("three_milliseconds")
@pytest.mark.parametrize("fails", [False, True])
def test_threads_take_turns_quickly_during_a_run_alone(fails):
    intervals_s = []

    def on_tick(_):
        intervals_s.append(sys.getswitchinterval())
        if fails:
            raise KeyError("stopped")

    run = simulation(on_tick, duration_s=0.1)
    closed = noted(run, "_workers.close")
    if fails:
        with pytest.raises(KeyError, match="stopped"):
            run.run()
    else:
        run.run()
    assert intervals_s == [pytest.approx(0.0005)]
    assert sys.getswitchinterval() == pytest.approx(0.003)
    assert len(closed) == 1


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


def test_stations_do_not_announce_themselves_at_the_end_of_the_last_step():
    run = simulation(begin_s=1.0, cooperation={"detect_ms": 100, "deadline_ms": 150})
    run.run()
    packets = rows(run, "packets")
    announced = {t for t, kind in zip(packets["queued_us"], packets["kind"], strict=True) if kind == "awareness"}
    assert sorted(announced) == [1_100_000 + 100_000 * n for n in range(4)]


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


@pytest.mark.parametrize(
    ("fusion", "kinds"), [("none", {"awareness"}), ("matrices", {"awareness"}), ("cpm", {"awareness", "cpm"})]
)
def test_what_stations_send_depends_on_the_fusion_scheme(fusion, kinds):
    run = simulation(cooperation={"fusion": fusion})
    run.run()
    assert set(rows(run, "packets")["kind"]) == kinds


def test_synchronous_stations_fuse_at_once_and_without_packets():
    run = simulation(cooperation={"transport": "synchronous"})
    run.run()
    assert rows(run, "packets")["queued_us"] == []
    assert rows(run, "fusion")["used"] == [1] * 5


def test_stations_fuse_what_arrives_by_radio():
    """At the first match, nobody has announced itself yet; at the second one, nobody has announced yet that it hears the others."""
    run = simulation(
        run={"duration_s": 0.3, "step_s": 0.1, "seed": 2}, radio={"access": "random_slot", "range_m": 500.0},
        record={"packet_share": 1e-9}, cooperation={"detect_ms": 4, "deadline_ms": 90},
    )  # fmt: skip
    run.run()
    assert rows(run, "fusion")["used"] == [0, 0, 1]
    assert set(rows(run, "packets")["kind"]) == {"request", "data"}
    # Windows of 100 ms up to the end of the run, although the last frame is fused at 290 ms.
    assert sorted(set(rows(run, "channel")["time_us"])) == [100_000, 200_000]


@pytest.mark.parametrize(("deadline_ms", "kept"), [(90, 2), (100, 3), (250, 4)])
def test_frames_are_kept_until_they_are_fused(deadline_ms, kept):
    run = simulation(cooperation={"deadline_ms": deadline_ms})
    assert run.stations.knowledge_of(0).frames.maxlen == kept


def test_a_station_is_forgotten_after_five_of_the_longest_pauses_of_the_message_rule():
    assert (
        simulation(cooperation={"awareness_rule": {"rule": "periodic", "rate_hz": 4}}).stations.forget_us == 1_250_000
    )


@pytest.mark.parametrize(
    ("fusion", "followed"), [("early", {"a"}), ("none", {"a"}), ("matrices", {"a"}), ("late", {"a", "b"})]
)
def test_stations_track_what_they_detect_where_somebody_reads_it(fusion, followed):
    run = simulation(cooperation={"fusion": fusion}, duration_s=0.3)
    run.run()
    assert {name for agent, name in enumerate("abc") if agent in run.tracks._stations._latest} == followed
    # The second frame in which the ego sees the car ahead confirms its track.
    awareness = rows(run, "awareness")
    seen = [t for agent, t in zip(awareness["agent"], awareness["tracked_ego"], strict=True) if "abc"[agent] == "b"]
    assert seen == [False, True, True]


def test_an_ego_without_a_frame_of_the_time_fuses_nothing():
    run = simulation(duration_s=0.1)
    # Car `c` carries no lidar, so it has no frame.
    run.stations._ego_agents.add(2)
    run.run()
    assert rows(run, "fusion")["ego"] == [0]


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


class Users(EarlyFusion):
    """A fusion scheme of a user's file."""

    file = Path("own.py")


@pytest.mark.parametrize(("settings", "is_left"), [
    ({"threads": 2}, True), ({"threads": 1}, False), ({"threads": 2, "on_frame": lambda frame: None}, False),
    ({"threads": 2, "scheme": Users()}, False),
])  # fmt: skip
def test_fusion_is_left_to_other_threads_unless_the_program_or_a_users_scheme_could_notice(settings, is_left):
    run, left = simulation(duration_s=0.3, **settings), []
    record = run.recording.fused

    def noting(frames):
        left.append(callable(frames))
        record(frames)

    run.recording.fused = noting
    run.run()
    assert left == [is_left] * 3


def test_a_stepped_run_fuses_before_own_code_goes_on():
    run = simulation(duration_s=0.3, threads=2)
    run.inboxes.is_open = True
    fused = [list(run.latest_fused) for _ in iter(run.step, False)]
    assert fused == [[], [0], [0]]
    run.close()
