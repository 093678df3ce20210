"""Which lidars a station carries, and where on its body they may be."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.engine.small_world import fleet_in, snapshot
from tests.engine.stations.test_roster import Town, cars
from v2xsim.cli.app import app
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.workers import Workers
from v2xsim.errors import UserError
from v2xsim.records import Prisms
from v2xsim.scenario import ScenarioError, load
from v2xsim.scenario.schema import Scenario
from v2xsim.simulate import run
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

SCRIPT = [
    {"id": "ego", "waypoints": [[0, 0, 0], [10, 50, 0]]},
    {"id": "other", "waypoints": [[0, 20, 4], [10, 70, 4]]},
    {"id": "line7", "kind": "bus", "waypoints": [[0, -30, -4], [10, 20, -4]]},
]
NEAR = {"beams": 8, "columns": 180, "range_m": 25.0}
FRONT, REAR = {"x_m": 2.6, "z_m": -0.6}, {"x_m": -2.6, "z_m": -0.6, "yaw_deg": 180}
WORLD = snapshot([3, 5, 8], [(0, 0), (20, 0), (0, 30)], time_us=100_000)


def points_of(rig=0, lidars=1, **settings):
    """The points of a car with that rig, with noise and lost returns, 20 m behind another car."""
    data = {"traffic": {"script": SCRIPT}, "lidars": {"model": "beam16", **settings}}
    stations = fleet_in(WORLD, [0, 1], lidars=[lidars, 0])
    stations = replace(stations, rig=np.array([rig, 0]))
    errors = StationErrors(stations.agent, 100_000, np.zeros((2, 3)), np.zeros(2, np.int64))
    nothing = indexed(Prisms(np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(0), np.zeros(0)))
    sensing = Sensing(Scenario.model_validate(data), nothing, Streams(1), Workers(1))
    return sensing.begin(WORLD, stations, errors).result()[0][0].points_m


def scenario(tmp_path, lidars, stations="{penetration: 1}"):
    file = tmp_path / "rigs.yaml"
    text = f"run: {{duration_s: 0.3}}\ntraffic:\n  script: {SCRIPT}\nstations: {stations}\nlidars: {lidars}\n"
    file.write_text(text.replace("'", ""))
    return file


def test_the_same_mounts_as_a_rig_give_the_same_points_to_the_last_bit():
    mounts = [FRONT, REAR]
    as_before = points_of(lidars=2, mounts=mounts)
    as_rig = points_of(rig=1, lidars=2, rigs={"both": mounts}, carry={"ego": "both"})
    np.testing.assert_array_equal(as_before, as_rig)


def test_another_lidar_adds_returns_and_leaves_those_of_the_others_as_they_were():
    one, three = points_of(), points_of(rig=1, lidars=3, rigs={"three": [{}, FRONT, REAR]})
    assert len(three) > 2 * len(one)
    np.testing.assert_array_equal(three[: len(one)], one)


def test_each_mount_has_its_own_model_and_others_that_of_the_scenario():
    near = points_of(rig=1, lidars=1, rigs={"near": [{"model": NEAR}]}, range_noise_m=0.0, dropout=0.0)
    far = points_of(range_noise_m=0.0, dropout=0.0)
    assert np.linalg.norm(near - [0.0, 0.0, near[:, 2].max()], axis=1).max() < 26.0
    assert np.linalg.norm(far, axis=1).max() > 30.0
    both = points_of(rig=1, lidars=2, rigs={"both": [{"model": NEAR}, {}]}, range_noise_m=0.0, dropout=0.0)
    np.testing.assert_array_equal(both, np.concatenate([near, far]))


def test_a_mount_of_another_beam_model_in_the_list_of_mounts_counts_too():
    assert len(points_of(mounts=[{"model": "beam64"}])) > 2 * len(points_of())


@pytest.mark.parametrize(
    "form",
    [
        "{mounts: [{x_m: 1.0}, {yaw_deg: 90}]}",
        "{rigs: {two: [{x_m: 1.0}, {yaw_deg: 90}]}, carry: {passenger: two, bus: two}}",
    ],
)
def test_a_run_with_one_rig_for_all_equals_a_run_with_mounts(form, tmp_path):
    tables = run(load(scenario(tmp_path, form.replace("}]", ", model: beam16}]")))).tables
    expected = run(load(scenario(tmp_path, "{mounts: [{x_m: 1.0}, {yaw_deg: 90, model: beam16}]}"))).tables
    assert tables["detections"].num_rows > 0
    for name in expected:
        # As text, in which a missing number equals a missing number.
        assert repr(tables[name].to_pydict()) == repr(expected[name].to_pydict()), name


def rig_town(**lidars):
    rigs = {"three": [{}, {}, {}], "pole": [{}, {}]}
    return Town(lidars={"rigs": rigs, **lidars}, stations={"penetration": 1.0, "roadside": [
        {"id": "rsu", "position_m": [0, 0]}, {"id": "dark", "position_m": [9, 0], "lidar": False},
    ]})  # fmt: skip


def carried(town, vehicles, kinds=None):
    fleet = town.fleet(vehicles, kinds)
    names = [town.names.name_of(int(agent)) for agent in fleet.agent]
    return {
        name: (rig, lidars)
        for name, rig, lidars in zip(names, fleet.rig.tolist(), fleet.lidars.tolist(), strict=True)
        if lidars
    }


def test_a_rig_goes_by_name_before_kind_and_to_roadside_units():
    town = rig_town(carry={"a": "three", "bus": "pole", "rsu": "pole"})
    found = carried(town, "abc", ["bus", "bus", "passenger"])
    assert found == {"a": (1, 3), "b": (2, 2), "rsu": (2, 2)}


def test_all_roadside_units_with_lidars_take_the_rig_for_roadside_units():
    assert carried(rig_town(carry={"roadside": "three"}), "") == {"rsu": (1, 3)}


def test_a_rig_for_roadside_units_alone_leaves_every_vehicle_its_lidar():
    assert carried(rig_town(carry={"rsu": "none"}), "ab") == {"a": (0, 1), "b": (0, 1)}


def test_a_vehicle_that_must_carry_none_carries_none():
    assert carried(rig_town(carry={"bus": "none", "rsu": "none"}), "ab", ["bus", "van"]) == {"b": (0, 1)}


def test_named_carriers_are_part_of_the_count_and_the_rest_is_drawn():
    found = carried(rig_town(count=5, carry={"car3": "three", "car7": "mounts", "rsu": "none"}), cars(40))
    assert found["car3"] == (1, 3)
    assert found["car7"] == (0, 1)
    assert len(found) == 5


def test_a_rig_changes_nobody_elses_draw():
    drawn = set(carried(rig_town(count=5), cars(40)))
    with_rig = set(carried(rig_town(count=5, carry={"car3": "three"}), cars(40)))
    assert len(with_rig - drawn - {"car3"}) == 0


@pytest.mark.parametrize(
    ("kind", "z_m", "stands"), [("passenger", -1.4, True), ("passenger", -1.5, False), ("passenger", -2.0, False)]
)
def test_a_lidar_below_the_ground_is_refused(kind, z_m, stands):
    town = Town(lidars={"mounts": [{"z_m": z_m}]})
    if stands:
        assert carried(town, "a", [kind])
    else:
        with pytest.raises(
            UserError, match=r"lidars\.mounts\.0\.z_m: must leave the lidar above ground .*'a' \(passenger\)"
        ):
            town.fleet("a", [kind])


def test_a_low_pole_is_refused_before_any_traffic():
    with pytest.raises(
        UserError, match=r"lidars\.rigs\.pole\.1\.z_m: .*the roadside unit 'rsu', whose antenna is 0\.4 m"
    ):
        Town(
            stations={"roadside": [{"id": "rsu", "position_m": [0, 0], "height_m": 0.4}]},
            lidars={"rigs": {"pole": [{}, {"z_m": -0.4}]}, "carry": {"rsu": "pole"}},
        )


@pytest.mark.parametrize(
    ("lidars", "refused"),
    [
        ("{mounts: [{z_m: -1.8}]}", True),
        ("{mounts: [{z_m: -1.8}], carry: {truck: mounts}}", False),
        ("{rigs: {low: [{z_m: -1.8}]}, carry: {van: low}}", False),
        ("{rigs: {low: [{z_m: -2.4}]}, carry: {van: low}}", True),
    ],
)
def test_generated_traffic_is_checked_by_its_kinds_before_it_runs(lidars, refused):
    found = CliRunner().invoke(app, ["check", "highway", "--set", f"lidars={lidars}"])
    assert found.exit_code == (2 if refused else 0)
    assert ("must leave the lidar above ground" in found.stderr) == refused


@pytest.mark.parametrize(
    ("mount", "subject"),
    [
        ({}, None), ({"z_m": 0.0}, None), ({"z_m": -0.2}, "lidars.inside_body"), ({"x_m": 2.1, "z_m": -1.0}, None),
        ({"x_m": 1.9, "z_m": -1.0}, "lidars.inside_body"), ({"x_m": 2.6}, "lidars.beside_body"),
        ({"y_m": -1.6, "z_m": -1.0}, "lidars.beside_body"),
    ],
)  # fmt: skip
def test_lidars_inside_or_far_beside_a_body_of_4_by_2_metres_are_reported(mount, subject):
    town = Town(lidars={"mounts": [mount]})
    town.fleet("ab")
    found = [(notice.subject, notice.count) for notice in town.roster.notices()]
    assert found == ([(subject, 2)] if subject else [])


@pytest.mark.parametrize(("vehicles", "words"), [("abc", "'a', 'b', 'c';"), ("abcde", "'a', 'b', 'c' and 2 more;")])
def test_of_many_vehicles_three_are_named_and_the_others_counted(vehicles, words):
    town = Town(lidars={"mounts": [{"z_m": -0.2}]})
    town.fleet(vehicles)
    (notice,) = town.roster.notices()
    assert f" of {words}" in notice.text


def test_a_carrier_that_never_is_a_station_is_reported():
    town = rig_town(carry={"a": "three", "bus": "pole", "ghost": "pole", "roadside": "pole"})
    town.fleet("ab", ["van", "van"])
    (notice,) = town.roster.notices()
    assert (notice.subject, notice.count) == ("lidars.carry_without_station", 2)
    assert "'bus', 'ghost'" in notice.text


@pytest.mark.parametrize(
    ("lidars", "said"),
    [
        ("{carry: {ego: three}}", "lidars.carry.ego: must be a rig (mounts, none), got 'three'"),
        ("{rigs: {none: [{}]}}", "lidars.rigs.none: must have another name"),
        ("{rigs: {a: []}}", "lidars.rigs.a: must have at least 1 entry"),
        ("{rigs: {a: [{model: beam65}]}, carry: {ego: a}}", "lidars.rigs.a.0.model: must be a lidar of the catalogue"),
        ("{rigs: {a: [{}]}, carry: {ergo: a}}", "lidars.carry.ergo: must be the id of a road user in the scenario"),
        ("{rigs: {a: [{}]}, ego: a}", "lidars.ego: unknown key"),
        ("{rigs: {a: [{}]}, ego: a}", "to give a station a rig, write lidars.carry: {ego: a}"),
        ("{mounts: [{}, {model: beam1}]}", "lidars.mounts.1.model"),
        (
            "{rigs: {a: [{}]}, carry: {rsu: a}}",
            "stations.roadside.0.lidar: must be true, because lidars.carry gives 'rsu'",
        ),
    ],
)
def test_a_wrong_rig_is_refused_with_its_key(lidars, said, tmp_path):
    stations = "{roadside: [{id: rsu, position_m: [0, 9], lidar: false}]}"
    with pytest.raises(ScenarioError) as refused:
        load(scenario(tmp_path, lidars, stations))
    assert said in str(refused.value)


def test_a_rig_that_nobody_carries_is_noted(tmp_path):
    (note,) = load(scenario(tmp_path, "{rigs: {spare: [{}]}}")).notes
    assert "lidars.rigs.spare has no effect" in note


def test_check_prints_who_carries_what(tmp_path):
    rigs = "{rigs: {three: [{}, {model: beam16}, {}]}, carry: {ego: three, bus: none}, model: beam32}"
    printed = CliRunner().invoke(app, ["check", str(scenario(tmp_path, rigs))]).stdout
    assert "3 of beam32 and beam16 (three) on ego; none on bus" in printed
