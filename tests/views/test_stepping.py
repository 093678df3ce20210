"""A program steps a run from tick to tick, looks at the truth and at what stations know, and sends messages."""

import gc
import os
import threading
from dataclasses import fields

import numpy as np
import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.mobility.base import MobilityError
from v2xsim.simulate import SteppingError
from v2xsim.views.kept import NotThereError

SHORT = ["run.duration_s=0.6", "lidars.model=beam16"]


@pytest.fixture(scope="module")
def demo():
    return v2xsim.load("demo", SHORT)


@pytest.fixture(scope="module")
def ran(demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    v2xsim.run(demo, out=folder)
    return folder


def same_bytes(results, folder, expected):
    """Check that results written into a folder have the bytes of an earlier run."""
    results.write(folder)
    names = sorted(file.name for file in expected.iterdir() if file.name != "timing.json")
    assert len(names) > 15
    for name in names:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def fail_after(instant):
    """Raise an error, as code of a program may do after a step."""
    raise RuntimeError("mine")


# ---- stepping ----


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


def test_before_the_first_tick_there_is_nothing_to_look_at(demo):
    with v2xsim.Simulation(demo) as sim:
        for attempt in (lambda: sim.knowledge("ego"), lambda: sim.send("ego", b"x"), lambda: sim.set_speed("ego", 1.0)):
            with pytest.raises(SteppingError, match=r"there is no tick yet; call step\(\) first"):
                attempt()
        assert sim.step().time_us == 0


def test_results_of_half_a_run_are_refused(demo):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(SteppingError, match=r"has come to 0 s and not to its end.*finish\(\)"):
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
    assert "0.6 s) is no whole number of steps of 0.25 s; 0.5 s are simulated" in notice.text
    sent = {
        (row["message"], row["hop"], row["fragment"]): row["size_bytes"]
        for row in results.tables["packets"].to_pylist()
    }
    assert results.metrics["on_air"].value == pytest.approx(sum(sent.values()) / 0.5, rel=0.2)


# ---- what is left behind ----


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


# ---- the truth ----


@pytest.fixture(scope="module")
def instants(demo):
    with v2xsim.Simulation(demo) as sim:
        return list(sim)


def test_road_users_are_where_the_script_puts_them(instants):
    users = instants[5].road_users
    assert len(users) == 16
    assert users["ego"].pose[:2] == pytest.approx([2.0, -78.0 + 6.0 * 0.5])
    assert users["ego"].velocity_mps == pytest.approx([0.0, 6.0])
    assert (users["ego"].speed_mps, users["ego"].kind, users["truck"].kind) == (
        pytest.approx(6.0),
        "passenger",
        "truck",
    )
    assert [user.name for user in users] == list(users.names)
    assert "ego" in users
    assert "nobody" not in users


def test_stations_and_links_are_those_of_the_tables(demo, instants):
    results = v2xsim.run(demo)
    names = dict(zip(*(results.tables["agents"].column(c).to_pylist() for c in ("agent", "name")), strict=True))
    rows = [row for row in results.tables["links"].to_pylist() if row["time_us"] == 300_000]
    links = instants[3].links
    assert len(links) == len(rows) > 3
    for row in rows:
        link = links.between(names[row["a"]], names[row["b"]])
        assert (link.state, link.distance_m) == (row["state"], pytest.approx(row["distance_m"]))
        assert links.between(names[row["b"]], names[row["a"]]) == link
    assert links.between("ego", "ego") is None
    assert instants[3].stations["ego"].is_ego
    assert instants[3].stations.egos == ("ego",)
    assert not instants[3].stations["truck"].lidars


def test_a_kept_view_stays_what_it_was(demo):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        instant, known = sim.step(), sim.knowledge("ego")
        neighbours, ages_s = dict(known.neighbours), [item.age_s for item in known.neighbours.values()]
        list(sim)
    assert instant.road_users["ego"].pose[1] == pytest.approx(-77.4)
    assert (known.time_s, dict(known.neighbours)) == (0.1, neighbours)
    assert [item.age_s for item in known.neighbours.values()] == ages_s
    assert all(message.time_s <= 0.1 for message in known.inbox)


def arrays_of(view):
    # `PerceptionMatrix.observed` is a new array at each access.
    names = [name for name in dir(view) if not name.startswith("_") and name != "observed"]
    return [(name, getattr(view, name)) for name in names if isinstance(getattr(view, name), np.ndarray)]


def test_no_array_of_a_view_can_be_written(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            instant = sim.step()
        known = sim.knowledge("ego")
    neighbour = next(iter(known.neighbours.values()))
    views = [instant.road_users, instant.road_users["ego"], instant.stations, instant.stations["ego"], instant.links, known,
             known.own_frame, known.detections, known.tracks, known.matrix, known.fused, known.fused.detections, neighbour]  # fmt: skip
    arrays = [(type(view).__name__, name, array) for view in views for name, array in arrays_of(view)]
    assert len(arrays) > 40
    for *where, array in arrays:
        assert not array.flags.writeable, where
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


def test_an_unknown_name_is_refused_with_the_nearest(demo, instants):
    for names in (instants[0].road_users, instants[0].stations):
        with pytest.raises(NotThereError, match=r"'folower' must be the name of .*; did you mean 'follower'"):
            names["folower"]
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(NotThereError, match="'cyclist' must be the name of a station at 0 s; there are ego"):
            sim.knowledge("cyclist")


# ---- what a station knows ----


def test_a_station_knows_its_pose_with_its_error_and_its_own_clock(demo):
    scenario = demo.with_({"errors.gnss_sigma_m": 5.0, "errors.clock_sigma_ms": 50.0})
    with v2xsim.Simulation(scenario) as sim:
        instant, known = sim.step(), sim.knowledge("ego")
    assert np.hypot(*(known.pose[:2] - instant.road_users["ego"].pose[:2])) > 0.5
    assert abs(known.clock_s - known.time_s) > 1e-3


def test_a_frame_is_known_once_its_detection_is_finished(demo):
    with v2xsim.Simulation(demo.with_({"cooperation.detect_ms": 150, "cooperation.deadline_ms": 200})) as sim:
        captured = [None if (frame := sim.knowledge("ego").own_frame) is None else frame.time_s for _ in sim]
    assert captured == [None, None, 0.0, pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3)]


def test_knowledge_tells_no_truth(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(3):
            sim.step()
        known = sim.knowledge("ego")
    for view in (known, known.detections, known.tracks, known.own_frame, known.fused, known.fused.detections):
        public = {name for name in dir(view) if not name.startswith("_")}
        assert not public & {"truth", "capture", "object_id", "agent", "snapshot", "road_users", "instant"}


def test_announcements_age_and_are_forgotten(demo):
    # One message in two seconds: what arrives at the begin is all there is.
    scenario = demo.with_({"cooperation.awareness_rule": {"rule": "periodic", "rate_hz": 0.5}, "radio.access": "ideal"})
    with v2xsim.Simulation(scenario) as sim:
        ages_s = [sim.knowledge("ego").neighbours["truck"].age_s for instant in sim if instant.time_us > 50_000]
    assert np.diff(ages_s) == pytest.approx(0.1)


def test_only_egos_keep_announcements_but_all_stations_hear(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            sim.step()
        ego, truck = sim.knowledge("ego"), sim.knowledge("truck")
    assert (ego.is_ego, truck.is_ego) == (True, False)
    assert set(ego.neighbours) <= set(ego.heard_snr_db)
    assert (len(truck.neighbours), truck.own_frame, truck.fused, truck.tracks, len(truck.detections)) == (
        0,
        None,
        None,
        None,
        0,
    )
    assert len(truck.heard_snr_db) > 0


def test_the_fused_frame_is_that_of_the_tables(demo):
    scenario = demo.with_({"run.begin_s": 7.0})
    with v2xsim.Simulation(scenario) as sim:
        seen = {known.fused.time_s: known.fused for _ in sim if (known := sim.knowledge("ego")).fused is not None}
        rows = sim.results().tables["fusion"].to_pylist()
    for row in rows[:-1]:
        fused = seen[row["frame_us"] / 1e6]
        assert (len(fused.helpers), len(fused.received_m)) == (row["used"], row["added_points"])
        assert len(fused.received_from) == row["added_points"]
    assert sum(row["used_by_relay"] for row in rows[:-1]) == sum(
        helper.relay is not None for fused in seen.values() for helper in fused.helpers
    )


def test_a_function_is_called_with_each_fused_frame_and_the_truth_behind_it(demo, ran, tmp_path):
    frames = []
    results = v2xsim.run(demo, on_frame=frames.append)
    same_bytes(results, tmp_path, ran)
    assert [(frame.ego, frame.time_s) for frame in frames] == [("ego", pytest.approx(0.1 * k)) for k in range(6)]
    assert frames[5].road_users["ego"].pose[1] == pytest.approx(-75.0)


def test_the_inbox_holds_what_arrived_since_the_step_before(demo):
    with v2xsim.Simulation(demo) as sim:
        last_s, counts = -1.0, 0
        for instant in sim:
            inbox = sim.knowledge("ego").inbox
            assert all(last_s < message.time_s <= instant.time_s for message in inbox)
            last_s, counts = instant.time_s, counts + len(inbox)
        results = sim.results()
    ego = next(row["agent"] for row in results.tables["agents"].to_pylist() if row["name"] == "ego")
    packets = [
        row for row in results.tables["packets"].to_pylist()
        if row["rx"] == ego and row["outcome"] == "delivered" and row["addressed"] and row["end_us"] <= 500_000
    ]  # fmt: skip
    assert len({row["message"] for row in packets}) <= counts <= len(packets)


# ---- own messages ----


def arrivals(scenario, payload=b"brake", to=None, steps=2):
    """Return the names and messages of the arrivals of a message that the truck sends at the second tick."""
    arrived = []
    with v2xsim.Simulation(scenario) as sim:
        sim.step()
        sim.step()
        number = sim.send("truck", payload, to=to, on_arrival=lambda name, message: arrived.append((name, message)))
        for _ in range(steps):
            sim.step()
            inbox = [message for message in sim.knowledge("ego").inbox if message.kind == "application"]
            if "ego" in dict(arrived) and inbox:
                assert inbox == [dict(arrived)["ego"]]
        sim.finish()
        return arrived, number, sim.results()


def test_a_broadcast_arrives_at_all_stations_that_receive_it(demo):
    arrived, number, results = arrivals(demo)
    assert {message.payload for _, message in arrived} == {b"brake"}
    assert all(0.1 < message.time_s < 0.15 and message.sender == "truck" for _, message in arrived)
    packets = [row for row in results.tables["packets"].to_pylist() if row["message"] == number]
    assert {row["kind"] for row in packets} == {"application"}
    assert len(arrived) == sum(row["outcome"] == "delivered" for row in packets) > 1


def test_a_message_to_one_station_arrives_there_only(demo):
    arrived, _, _ = arrivals(demo, to="ego")
    assert [name for name, _ in arrived] == ["ego"]


def test_a_large_message_arrives_once_all_its_fragments_have(demo):
    arrived, number, results = arrivals(demo, payload=bytes(range(200)) * 20, to="ego")
    packets = [row for row in results.tables["packets"].to_pylist() if row["message"] == number]
    assert len({row["fragment"] for row in packets}) == 3
    assert len(arrived) == 1
    assert arrived[0][1].payload == bytes(range(200)) * 20
    assert arrived[0][1].time_s == pytest.approx(max(row["end_us"] for row in packets) / 1e6)


@pytest.mark.parametrize("changes", [{"radio.access": "ideal"}, {"cooperation.transport": "synchronous"}])
def test_without_delay_and_loss_a_message_arrives_at_its_own_instant_and_changes_nothing_else(demo, changes):
    scenario = demo.with_(changes)
    arrived, _, results = arrivals(scenario)
    assert {message.time_s for _, message in arrived} == {0.1}
    assert len(arrived) == 5
    alone = v2xsim.run(scenario)
    for name in ("detections", "fusion", "awareness", "transfers", "states"):
        assert results.tables[name].equals(alone.tables[name]), name


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4", "nr_mode2"])
def test_messages_travel_over_every_access_scheme(demo, access):
    arrived, _, _ = arrivals(demo.with_({"radio.access": access}), payload=b"x" * 300, steps=4)
    assert len(arrived) > 0


def test_a_station_may_answer_when_a_message_arrives(demo):
    answers = []
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        sim.step()

        def answer(name, message):
            sim.send(name, b"yes, " + message.payload, to=message.sender, on_arrival=lambda *it: answers.append(it))

        sim.send("follower", b"there?", to="ego", on_arrival=answer)
        sim.step()
        sim.step()
    assert [(name, message.payload, message.sender) for name, message in answers] == [
        ("follower", b"yes, there?", "ego")
    ]


def test_a_run_that_was_steered_says_so(demo):
    _, _, results = arrivals(demo)
    (notice,) = results.notices
    assert (notice.subject, notice.count) == ("run.steered", 1)
    assert "sent 1 messages" in notice.text


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(("arguments", "says"), [
    (("truk", b"x"), "'truk' must be the name of a station.*did you mean 'truck'"),
    (("cyclist", b"x"), "'cyclist' must be the name of a station"),
    (("truck", b""), "payload must be 1 to 1,000,000 bytes, got 0 bytes"),
    (("truck", b"x" * 1_000_001), "got 1,000,001 bytes"),
    (("truck", "text"), "payload must be .* bytes, got str"),
])  # fmt: skip
def test_a_message_that_cannot_be_sent_is_refused(demo, arguments, says):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(UserError, match=says):
            sim.send(*arguments)
        with pytest.raises(UserError, match="to must be another station"):
            sim.send("truck", b"x", to="truck")
        with pytest.raises(UserError, match="'nobody' must be the name of a station"):
            sim.send("truck", b"x", to="nobody")
        list(sim)
        with pytest.raises(SteppingError, match="the run has come to its end"):
            sim.send("truck", b"x")


def test_an_error_where_a_message_arrives_ends_the_simulation(demo):
    def fail(name, message):
        raise RuntimeError("mine")

    with v2xsim.Simulation(demo) as sim:
        sim.step()
        sim.send("truck", b"x", on_arrival=fail)
        with pytest.raises(RuntimeError, match="mine"):
            list(sim)


# ---- speeds ----


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


def test_every_public_attribute_of_what_a_station_knows_is_described():
    from v2xsim.views.knowledge import KnowledgeView

    for name in (field.name for field in fields(KnowledgeView)):
        assert f"        {name}: " in KnowledgeView.__doc__
