"""The road users of a finished run as a source of traffic."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import v2xsim
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.recorded import RecordedMobility, RecordedStates, buildings_from, recorded_buildings
from v2xsim.mobility.source import open_mobility
from v2xsim.scenario.schema_world import Recorded, Run, Traffic

FORMER = {
    "name": "former",
    "run": {"begin_s": 2.0, "duration_s": 0.6, "step_s": 0.1},
    "world": {
        "buildings": [
            {"footprint_m": [[30, 30], [40, 30], [40, 45]], "height_m": 7.0},
            {"footprint_m": [[-30, 30], [-20, 30], [-20, 45], [-30, 45]], "height_m": 9.0},
        ]
    },
    "traffic": {
        "script": [
            {"id": "car", "waypoints": [[0, 0, 0], [10, 37, 3]]},
            {"id": "truck", "kind": "truck", "size_m": [9.0, 2.4, 3.1], "waypoints": [[0, 20, 5]], "heading_deg": 30},
            {"id": "walker", "kind": "pedestrian", "waypoints": [[0, 4, 4], [10, 4, 14]]},
        ]
    },
    "stations": {"roadside": [{"id": "pole", "position_m": [9, 9], "height_m": 5.0}]},
    "lidars": {"include": ["car"], "model": {"beams": 4, "columns": 40, "range_m": 30}},
    "record": {"clouds_every_s": 0},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("former")
    v2xsim.run(v2xsim.load(FORMER), out=folder)
    return folder / "manifest.json"


def mobility(manifest, *, units=("pole",), begin_s=2.0, duration_s=0.6, step_s=0.1):
    names = Names()
    for unit in units:
        names.register(unit, "a roadside unit")
    return RecordedMobility(
        Recorded(run=manifest), Run(begin_s=begin_s, duration_s=duration_s, step_s=step_s), names
    )  # fmt: skip


def original(time_us):
    """Return the road users of the script itself."""
    names = Names()
    names.register("pole", "a roadside unit")
    traffic = v2xsim.load(FORMER).traffic
    return open_mobility(traffic, Run(), names).snapshot(time_us)


@pytest.mark.parametrize("time_us", [2_000_000, 2_300_000, 2_500_000])
def test_road_users_are_those_of_the_run_bit_for_bit(manifest, time_us):
    again, was = mobility(manifest).snapshot(time_us), original(time_us)
    assert again.time_us == time_us
    for name in ("agent", "kind", "velocity_mps", "antenna_height_m"):
        assert np.array_equal(getattr(again, name), getattr(was, name)), name
    for name in ("center_m", "size_m", "yaw_rad"):
        assert np.array_equal(getattr(again.boxes, name), getattr(was.boxes, name)), name


@pytest.mark.parametrize("rows", [1, 4, 7])
def test_ticks_may_lie_in_several_row_groups(manifest, tmp_path, rows):
    table = pq.read_table(manifest.parent / "states.parquet")
    pq.write_table(table, tmp_path / "states.parquet", row_group_size=rows)
    cut, whole = RecordedStates(tmp_path / "states.parquet"), RecordedStates(manifest.parent / "states.parquet")
    assert cut.bounds == whole.bounds
    for time_us in (2_000_000, 2_500_000, 2_100_000, 9_000_000):
        one, other = cut.snapshot(time_us), whole.snapshot(time_us)
        assert np.array_equal(one.agent, other.agent)
        assert np.array_equal(one.boxes.center_m, other.boxes.center_m)
    assert len(cut.snapshot(2_500_000)) == 3


def test_road_users_have_their_names_and_numbers(manifest):
    source = mobility(manifest)
    assert [source.name_of(agent) for agent in source.snapshot(2_000_000).agent.tolist()] == ["car", "truck", "walker"]
    assert source.snapshot(2_000_000).agent.tolist() == [1, 2, 3]


def test_with_one_more_roadside_unit_they_have_other_numbers_and_the_same_names(manifest):
    source = mobility(manifest, units=("pole", "mast"))
    shown = source.snapshot(2_000_000)
    assert shown.agent.tolist() == [2, 3, 4]
    assert [source.name_of(agent) for agent in shown.agent.tolist()] == ["car", "truck", "walker"]


def test_a_roadside_unit_with_the_name_of_a_recorded_road_user_is_refused(manifest):
    with pytest.raises(MobilityError, match=r"manifest.json: a road user and a roadside unit have the same name 'car'"):
        mobility(manifest, units=("pole", "car"))


def test_a_longer_step_replays_every_second_tick(manifest):
    source = mobility(manifest, step_s=0.2)
    assert np.array_equal(source.snapshot(2_200_000).boxes.center_m, original(2_200_000).boxes.center_m)


def test_a_part_of_the_time_is_replayed(manifest):
    source = mobility(manifest, begin_s=2.2, duration_s=0.2)
    assert np.array_equal(source.snapshot(2_300_000).boxes.center_m, original(2_300_000).boxes.center_m)


@pytest.mark.parametrize("times", [
    {"begin_s": 0.0}, {"begin_s": 1.9}, {"duration_s": 0.7}, {"step_s": 0.05}, {"begin_s": 2.05, "duration_s": 0.2},
    {"step_s": 0.15},
])  # fmt: skip
def test_ticks_that_were_not_recorded_are_refused(manifest, times):
    with pytest.raises(
        MobilityError, match=r"the run recorded states from 2 s to 2.5 s every 0.1 s, and the new run has"
    ):
        mobility(manifest, **times)


def test_the_bounds_are_those_of_all_recorded_positions(manifest):
    low_x, low_y, high_x, high_y = mobility(manifest).bounds
    assert (low_x, low_y) == (4.0, 0.6)
    assert high_x == 20.0
    assert high_y > 5


def test_the_buildings_of_the_run_are_its_own_to_the_last_digit(manifest):
    prisms = recorded_buildings(Recorded(run=manifest))
    assert prisms.vertices_m.tolist() == [
        [30, 30], [40, 30], [40, 45], [-30, 30], [-20, 30], [-20, 45], [-30, 45],
    ]  # fmt: skip
    assert (prisms.offset.tolist(), prisms.top_m.tolist()) == ([0, 3, 7], [7, 9])
    assert len(recorded_buildings(Recorded(run=manifest, buildings=False))) == 0
    assert len(buildings_from(pq.read_table(manifest.parent / "buildings.parquet").slice(0, 0))) == 0


def test_a_scenario_names_it_by_its_manifest(manifest):
    keys = {"name": "again", "traffic": {"recorded": {"run": str(manifest)}}, "run": FORMER["run"]}
    results = v2xsim.run(v2xsim.load(keys))
    assert results.tables["states"].num_rows == 18
    assert results.tables["buildings"].num_rows == 7
    assert results.rung["traffic"] == "recorded"


# Folders that cannot be replayed


@pytest.fixture
def copied(manifest, tmp_path):
    for path in manifest.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / "manifest.json"


def test_ticks_between_those_of_a_run_that_recorded_every_second_one_are_refused(tmp_path):
    v2xsim.run(v2xsim.load(FORMER | {"record": {"clouds_every_s": 0, "state_ticks": 2}}), out=tmp_path)
    with pytest.raises(MobilityError, match=r"recorded states from 2 s to 2.4 s every 0.2 s"):
        mobility(tmp_path / "manifest.json", duration_s=0.5)
    source = mobility(tmp_path / "manifest.json", duration_s=0.6, step_s=0.2)
    assert np.array_equal(source.snapshot(2_400_000).boxes.center_m, original(2_400_000).boxes.center_m)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"complete": true, "scenario": []}', "[" * 50_000])
def test_a_file_that_is_no_manifest_is_refused(copied, content):
    copied.write_text(content)
    with pytest.raises(
        MobilityError, match=r"manifest.json: is (empty|not the manifest of a run|no manifest of a run)"
    ):
        mobility(copied)


def test_a_run_without_states_is_refused(copied):
    content = json.loads(copied.read_text())
    content["scenario"]["record"]["states"] = False
    copied.write_text(json.dumps(content))
    with pytest.raises(MobilityError, match=r"recorded no states.*run it again with record.states=true"):
        mobility(copied)


@pytest.mark.parametrize("table", ["states", "agents"])
def test_a_run_with_a_changed_table_is_refused(copied, table):
    path = copied.parent / f"{table}.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")
    with pytest.raises(
        MobilityError, match=rf"{table}.parquet: must be the table '{table}'.*has changed since the run"
    ):
        mobility(copied)


@pytest.mark.parametrize("table", ["states", "agents"])
def test_a_run_with_a_damaged_table_is_refused(copied, table):
    without_digests(copied)
    (copied.parent / f"{table}.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        MobilityError, match=rf"{table}.parquet: must be the table '{table}'.*v2xsim run .*manifest.json"
    ):
        mobility(copied)


def without_digests(manifest):
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"tables": {}}))


def test_a_run_with_another_table_in_place_of_its_states_is_refused(copied):
    without_digests(copied)
    (copied.parent / "states.parquet").write_bytes((copied.parent / "agents.parquet").read_bytes())
    with pytest.raises(MobilityError, match=r"states.parquet: must be the table 'states' of a run"):
        mobility(copied)


def test_the_source_is_one_of_those_of_the_schema():
    with pytest.raises(ValueError, match="traffic needs exactly one of sumocfg, fcd, script, grid, highway, recorded"):
        Traffic()
