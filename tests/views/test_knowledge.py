"""What a station knows at a tick: its pose, its frame, its neighbours, its inbox; and no truth."""

from dataclasses import fields, replace

import numpy as np
import pytest

import v2xsim


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


@pytest.fixture
def quiet(demo):
    """The demo with one announcement of each station in two seconds: what arrives at the begin is all there is."""
    return demo.with_({"cooperation.awareness_rule": {"rule": "periodic", "rate_hz": 0.5}, "radio.access": "ideal"})


def test_announcements_age(quiet):
    with v2xsim.Simulation(quiet) as sim:
        ages_s = [sim.knowledge("ego").neighbours["truck"].age_s for instant in sim if instant.time_us > 50_000]
    assert np.diff(ages_s) == pytest.approx(0.1)


def test_a_station_that_fell_silent_is_forgotten(quiet):
    with v2xsim.Simulation(quiet) as sim:
        # Instead of several periods, which would take seconds.
        sim._engine.stations.forget_us = 250_000
        known = ["truck" in sim.knowledge("ego").neighbours for _ in sim]
    assert known[1:] == [True, True, False, False, False]


@pytest.mark.parametrize(("relay", "known_to_truck"), [("none", set()), ("hybrid", {"ego", "helper"})])
def test_all_stations_hear_but_only_egos_and_stations_that_may_relay_keep_announcements(demo, relay, known_to_truck):
    with v2xsim.Simulation(demo.with_({"cooperation.relay": relay})) as sim:
        for _ in range(4):
            sim.step()
        ego, truck = sim.knowledge("ego"), sim.knowledge("truck")
    assert (ego.is_ego, truck.is_ego) == (True, False)
    assert set(ego.neighbours) <= set(ego.heard_snr_db)
    assert known_to_truck <= set(truck.neighbours) <= set(truck.heard_snr_db)
    assert bool(truck.neighbours) == bool(known_to_truck)
    assert (truck.own_frame, truck.fused, truck.tracks, len(truck.detections)) == (None, None, None, 0)
    assert len(truck.heard_snr_db) > 0


def test_a_station_knows_how_well_it_hears_others_and_what_they_announced_of_those_that_they_hear(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            sim.step()
        ego, truck = sim.knowledge("ego"), sim.knowledge("truck")
    assert set(ego.heard_share) == set(ego.heard_snr_db)
    # At most four announcements in a row arrived: 5/6.
    assert all(0.0 < share <= 5 / 6 + 1e-6 for share in ego.heard_share.values())
    said = ego.neighbours["truck"].heard
    assert set(said) <= set(truck.heard_snr_db)
    assert all(name != "truck" for name in said)
    # As the message holds it.
    assert all(
        (2 * snr_db).is_integer() and (255 * share) == pytest.approx(round(255 * share))
        for snr_db, share in said.values()
    )
    assert said["ego"].share <= truck.heard_share["ego"] + 1e-2
    assert (ego.neighbours["truck"].wants_data, truck.neighbours["ego"].wants_data) == (False, True)


@pytest.mark.parametrize(("fusion", "follows"), [("early", False), ("late", True)])
def test_a_helper_follows_road_users_only_where_boxes_are_shared(demo, fusion, follows):
    with v2xsim.Simulation(demo.with_({"cooperation.fusion": fusion})) as sim:
        for _ in range(4):
            sim.step()
        ego, helper = sim.knowledge("ego"), sim.knowledge("helper")
    assert (ego.own_frame.tracks is not None, helper.own_frame.tracks is not None) == (True, follows)


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


def test_every_public_attribute_of_what_a_station_knows_is_described():
    from v2xsim.views.knowledge import KnowledgeView

    for name in (field.name for field in fields(KnowledgeView)):
        assert f"        {name}: " in KnowledgeView.__doc__


def test_all_that_a_station_knows_and_all_that_is_true_fits_a_screen_when_it_is_printed(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            instant = sim.step()
        known = sim.knowledge("ego")
        parts = [
            sim,
            instant,
            instant.road_users,
            instant.stations,
            instant.links,
            instant.links.between("ego", "truck"),
        ]
    neighbour = replace(known.neighbours["truck"], matrix=known.matrix)
    parts += [
        instant.road_users["ego"],
        instant.stations["ego"],
        known,
        known.own_frame,
        known.detections,
        known.tracks,
    ]
    parts += [known.matrix, known.fused, neighbour, *known.inbox[:1], *known.fused.helpers]
    large = [type(part) for part in parts if "array(" in repr(part) or len(repr(part)) > 200]
    assert large == []


def test_printed_views_name_what_they_show(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            instant = sim.step()
        known = sim.knowledge("ego")
    ego, truck, matrix = instant.road_users["ego"], instant.stations["truck"], known.matrix
    x_m, y_m = ego.pose[:2]
    assert repr(ego) == f"<ego, passenger, at ({x_m:.1f}, {y_m:.1f}), {ego.speed_mps:.1f} m/s>"
    assert repr(truck) == f"<station truck at ({truck.pose[0]:.1f}, {truck.pose[1]:.1f}): 0 lidars>"
    assert repr(known.tracks) == f"<{len(known.tracks)} tracks, {known.tracks.confirmed.sum()} confirmed>"
    assert repr(matrix).endswith(f"{(matrix.code == 1).sum()} free, {(matrix.code == 2).sum()} occupied>")


def test_neighbours_are_printed_one_a_line_and_a_wrong_name_gives_the_nearest(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            sim.step()
        known = sim.knowledge("ego")
    for named in (known.neighbours, known.heard_snr_db, known.heard_share, known.neighbours["truck"].heard):
        assert len(repr(named).splitlines()) == len(named) > 1
        with pytest.raises(KeyError, match="there is no 'trukc'"):
            named["trukc"]
        with pytest.raises(TypeError):
            named["truck"] = None
