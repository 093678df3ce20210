"""The tables of a run, filled as it goes on."""

import math

import numpy as np
import pytest

from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    contribution,
    detections,
    fleet_of,
    frame,
    fused_frame,
    instant,
    links_of,
    rectangle_of_buildings,
    scenario,
    snapshot,
)
from v2xsim.engine.recording.recording import Recording
from v2xsim.evaluation.metric import Metric
from v2xsim.mobility.base import Names
from v2xsim.results import row_groups
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.scenario.schema_world import Street
from v2xsim.world.roads import roads_from

BEGIN_US, STEP_US = 500_000, 100_000


def recording(**sections):
    return Recording(scenario(**sections), BEGIN_US)


def rows(record, table):
    return record.tables[table].finished().to_pylist()


def stored(record, table):
    """Return the rows of a table in the store, after the end."""
    return [row for group in record.store.groups(table, schema_of(table).names) for row in group.to_pylist()]


def tick(time_us=BEGIN_US, agents=(EGO, HELPER, OTHER)):
    fleet = fleet_of(agents, [(100 * n, 0) for n in range(len(agents))], antenna_m=2.0)
    return instant(snapshot(agents, fleet.pose[:, :2], time_us=time_us), fleet, links_of(fleet))


def test_a_run_fills_every_table_but_those_that_are_known_at_its_end():
    assert set(recording().tables) == set(COLUMNS) - {"agents", "metrics"}


# Links


def test_each_link_of_a_tick_is_a_row():
    record, now = recording(), tick()
    now.links.state[:], now.links.case[:], now.links.shadowing_db[:] = [0, 1, 2], [0, 3, 0], [0, 1, 2]
    record.tick(now)
    table = rows(record, "links")
    assert [(row["a"], row["b"], row["distance_m"], row["state"]) for row in table] == [
        (EGO, HELPER, 100, "LOS"), (EGO, OTHER, 200, "NLOSv"), (HELPER, OTHER, 100, "NLOSb"),
    ]  # fmt: skip
    # 23 dBm less path loss and shadowing.
    assert [(row["case"], row["loss_db"], row["shadowing_db"], row["power_dbm"]) for row in table] == [
        (0, 60, 0, -37), (3, 61, 1, -39), (0, 62, 2, -41),
    ]  # fmt: skip
    assert np.isnan([row["blocker_height_m"] for row in table]).all()


@pytest.mark.parametrize(("every", "ticks"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3]), (0, [])])
def test_links_are_listed_every_so_many_ticks_from_the_first(every, ticks):
    record = recording(record={"link_ticks": every})
    for n in range(5):
        record.tick(tick(BEGIN_US + n * STEP_US))
    assert sorted({(row["time_us"] - BEGIN_US) // STEP_US for row in rows(record, "links")}) == ticks


def test_ticks_are_counted_in_steps_of_the_run():
    record = recording(record={"link_ticks": 2}, run={"step_s": 0.05})
    for n in range(4):
        record.tick(tick(BEGIN_US + n * 50_000))
    assert sorted({row["time_us"] for row in rows(record, "links")}) == [BEGIN_US, BEGIN_US + 100_000]


def test_a_tick_without_links_has_no_rows():
    record = recording()
    record.tick(tick(agents=(EGO,)))
    assert rows(record, "links") == []


# Frames


def seen_by(agent, time_us=BEGIN_US, **about):
    world = snapshot([EGO, HELPER], [(0, 0), (20, 0)], time_us=time_us)
    return fused_frame(frame(agent, time_us), world=world, **about)


def fuse(record, *frames):
    """Record a tick and the frames that were captured at it."""
    record.tick(instant(frames[0].capture.snapshot, fleet_of([EGO, HELPER], [(0, 0), (20, 0)])))
    record.fused(list(frames))


def test_every_fused_frame_is_recorded():
    record = recording()
    fuse(record, seen_by(EGO), seen_by(HELPER))
    assert [row["ego"] for row in rows(record, "fusion")] == [EGO, HELPER]


def test_the_end_of_detection_is_that_of_the_scenario():
    record = recording(cooperation={"detect_ms": 30})
    fuse(record, seen_by(EGO))
    assert rows(record, "fusion")[0]["detect_us"] == BEGIN_US + 30_000


def test_road_users_beyond_the_range_of_the_scenario_are_not_scored():
    record = recording(record={"evaluation_range_m": 19})
    fuse(record, seen_by(EGO))
    assert rows(record, "fusion")[0]["objects"] == 0


def test_of_the_frames_of_a_tick_the_best_is_kept_for_pictures():
    record = recording(record={"clouds_every_s": 1})
    fuse(record, seen_by(EGO), seen_by(HELPER, contributions=[contribution(OTHER)]))
    fuse(record, seen_by(EGO, BEGIN_US + STEP_US))
    assert [row["ego"] for row in rows(record, "frames")] == [HELPER]


def test_average_precision_is_of_all_recorded_frames():
    record = recording()
    fuse(record, seen_by(EGO, seen=detections([(20, 0)], truth=[HELPER])))
    metrics = {name: metric.value for name, _, metric in record.metrics(1.0)}
    assert metrics["ap_0.5_fused"] == 1.0


@pytest.mark.parametrize("rows", [1, 2, 65_536])
def test_metrics_are_of_all_row_groups(monkeypatch, rows):
    """Three frames, in three row groups, in two or in one; the rows of the last one may be in none until the end."""
    monkeypatch.setattr(row_groups, "GROUP_ROWS", rows)
    record = recording()
    for tick in range(3):
        fuse(record, seen_by(EGO, BEGIN_US + tick * STEP_US, contributions=[contribution(OTHER)] * tick))
    record.join(BEGIN_US + 3 * STEP_US)
    metrics = {name: metric for name, _, metric in record.metrics(1.0)}
    assert metrics["helpers_used"] == Metric(1.0, "helpers/frame", 3)
    assert metrics["ap_0.5_fused"].count == 3


# The end of a run


def test_hidden_conflicts_are_rows_at_the_end_of_a_run():
    world = snapshot([EGO, HELPER], [(0, 0), (20, 0)], time_us=BEGIN_US)
    record = recording()
    fuse(record, fused_frame(frame(EGO, BEGIN_US, velocity_mps=(10, 0)), world=world))
    record.finish()
    assert [row["agent"] for row in rows(record, "episodes")] == [HELPER]


def test_who_took_part_is_recorded_by_name_with_the_buildings():
    names = Names()
    for name in ("nobody", "ego", "helper"):
        names.register(name)
    record = Recording(scenario(), BEGIN_US, rectangle_of_buildings((0, 0, 1, 1)), names)
    record.tick(tick(agents=(EGO, HELPER)))
    record.join(2_000_000)
    assert [row["name"] for row in stored(record, "agents")] == ["ego", "helper"]
    assert len(stored(record, "buildings")) == 4


def test_roads_are_recorded_with_the_first_rows():
    record = recording()
    record.add_roads(roads_from([Street(center_m=[(0, 0), (9, 0)], lanes=2)]))
    record.join(2_000_000)
    assert len(stored(record, "roads")) == 4


def test_roadside_units_of_the_scenario_are_recorded():
    names = Names()
    names.register("mast")
    with_mast = scenario(stations={"roadside": [{"id": "mast", "position_m": [1, 2], "height_m": 6}]})
    record = Recording(with_mast, BEGIN_US, names=names)
    record.join(2_000_000)
    assert [(row["name"], row["kind"]) for row in stored(record, "agents")] == [("mast", "roadside")]


# Where the rows go


def test_rows_go_to_the_store_after_a_while(monkeypatch):
    record = recording()
    record.tick(tick())
    monkeypatch.setattr("time.monotonic", lambda: math.inf)
    record.tick(tick(BEGIN_US + 100_000))
    assert len(rows(record, "links")) == 3
    record.join(2_000_000)
    assert len(stored(record, "links")) == 6


def test_many_rows_go_to_the_store_at_once(monkeypatch):
    monkeypatch.setattr("v2xsim.engine.recording.recording.GROUP_ROWS", 2)
    record = recording()
    record.tick(tick())
    record.tick(tick(BEGIN_US + 100_000))
    assert len(rows(record, "links")) == 3


def test_only_a_table_with_many_rows_goes_to_the_store_before_its_time(monkeypatch):
    monkeypatch.setattr("v2xsim.engine.recording.recording.GROUP_ROWS", 5)
    record, agents = recording(), (1, 2, 3, 4)
    record.tick(tick(agents=agents))
    record.tick(tick(BEGIN_US + 100_000, agents))
    assert len(rows(record, "links")) == 6
    assert len(rows(record, "states")) == 8
