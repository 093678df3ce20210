"""Who took part in a run, and the buildings, as rows."""

import numpy as np

from tests.engine.small_world import fleet_of, instant, rectangle_of_buildings, snapshot
from v2xsim.engine.recording.participants import Participants, write_buildings, write_roads
from v2xsim.mobility.base import Names
from v2xsim.records import Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema_stations import Roadside
from v2xsim.world.road_users import TRUCK
from v2xsim.world.roads import BICYCLE, JUNCTION, LANE, MOTOR, Road, Roads

MAST = Roadside(id="mast", position_m=(1, 2), height_m=6.0)


def written(*instants, names=("car0", "car1", "car2"), units=()):
    """Return the row of each participant by its name."""
    participants, table, known = Participants(), Columns("agents"), Names()
    for name in names:
        known.register(name)
    for one in instants:
        participants.note(one)
    participants.write(table, known, list(units))
    return {row["name"]: row for row in table.finished().to_pylist()}


def tick(agents, stations=(), *, lidars=1, egos=(), clock_offset_us=None, **about):
    world = snapshot(agents, [(0, 0)] * len(agents), **about)
    return instant(
        world, fleet_of(stations, [(0, 0)] * len(stations), lidars=lidars, egos=egos), clock_offset_us=clock_offset_us
    )


def test_a_road_user_is_a_row_with_its_body():
    row = written(tick([1], kind=TRUCK, antenna_m=2.5))["car1"]
    assert (row["agent"], row["kind"]) == (1, "truck")
    assert (row["length_m"], row["width_m"], row["height_m"], row["antenna_m"]) == (4, 2, 1.5, 2.5)
    assert (row["station"], row["lidars"], row["ego"], row["clock_offset_us"]) == (False, 0, False, 0)


def test_a_road_user_has_the_body_that_it_first_appeared_with():
    later = tick([1], antenna_m=9)
    assert written(tick([1], antenna_m=2.5), later)["car1"]["antenna_m"] == 2.5


def test_everybody_who_ever_appeared_is_a_row_and_nobody_else():
    assert list(written(tick([0]), tick([2]))) == ["car0", "car2"]


def test_a_station_stays_one_after_it_was_one():
    row = written(tick([1], [1], egos=[1]), tick([1]))["car1"]
    assert (row["station"], row["lidars"], row["ego"]) == (True, 1, True)


def test_a_station_has_the_most_lidars_that_it_ever_carried():
    assert written(tick([1], [1], lidars=2), tick([1], [1], lidars=1))["car1"]["lidars"] == 2


def test_a_station_without_a_lidar_carried_none():
    assert written(tick([1], [1], lidars=0))["car1"]["lidars"] == 0


def test_a_station_that_becomes_an_ego_is_one():
    assert written(tick([1], [1]), tick([1], [1], egos=[1]))["car1"]["ego"]


def test_a_station_that_never_fused_is_no_ego():
    assert not written(tick([1], [1]))["car1"]["ego"]


def test_a_station_of_the_last_tick_has_the_offset_of_its_clock():
    rows = written(tick([0, 1], [0, 1], clock_offset_us=[300, -700]))
    assert [row["clock_offset_us"] for row in rows.values()] == [300, -700]


def test_a_station_that_has_left_keeps_the_offset_of_its_clock():
    rows = written(tick([0, 1], [0, 1], clock_offset_us=[300, -700]), tick([0], [0], clock_offset_us=[300]), tick([0]))
    assert [row["clock_offset_us"] for row in rows.values()] == [300, -700]


def test_a_roadside_unit_is_a_row_with_its_mast():
    row = written(tick([1], [0, 1]), names=("mast", "car"), units=[MAST])["mast"]
    assert (row["kind"], row["length_m"], row["width_m"]) == ("roadside", 0, 0)
    assert (row["height_m"], row["antenna_m"], row["station"]) == (6, 6, True)


def test_a_roadside_unit_that_never_was_a_station_is_a_row_too():
    assert not written(tick([1]), names=("mast", "car"), units=[MAST])["mast"]["station"]


def test_a_run_without_ticks_has_only_its_roadside_units():
    assert list(written(names=("mast", "car"), units=[MAST])) == ["mast"]


# Buildings


def buildings(prisms):
    table = Columns("buildings")
    write_buildings(table, prisms)
    return table.finished().to_pylist()


def test_each_corner_of_each_building_is_a_row():
    prisms = rectangle_of_buildings((0, 0, 1, 2), (5, 6, 7, 8))
    prisms.base_m[1], prisms.top_m[1] = 3.0, 12.0
    rows = buildings(prisms)
    assert [row["building"] for row in rows] == [0] * 4 + [1] * 4
    assert [(row["x_m"], row["y_m"]) for row in rows[4:]] == [(5, 6), (7, 6), (7, 8), (5, 8)]
    assert [(row["base_m"], row["top_m"]) for row in rows[3:5]] == [(0, 10), (3, 12)]


def test_buildings_may_have_any_number_of_corners():
    vertices = np.array([(0, 0), (1, 0), (0, 1), (5, 5), (6, 5), (6, 6), (5, 6)], float)
    prisms = Prisms(vertices, np.array([0, 3, 7]), np.zeros(2), np.array([4.0, 8.0]))
    assert [row["top_m"] for row in buildings(prisms)] == [4] * 3 + [8] * 4


def test_a_map_without_buildings_has_no_rows():
    assert buildings(Prisms.none()) == []


def test_a_single_building_has_its_corners_too():
    assert len(buildings(rectangle_of_buildings((0, 0, 1, 2)))) == 4


# Roads


def roads(*given):
    table = Columns("roads")
    write_roads(table, Roads.of(given))
    return table.finished().to_pylist()


def test_each_point_of_each_road_is_a_row():
    lane = Road("a_0", LANE, BICYCLE, 1.5, np.array([(0.0, 1.0), (1 / 3, 5_500_000.25)]), 25 / 3)
    crossing = Road("J", JUNCTION, MOTOR, 0.0, np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)]))
    rows = roads(lane, crossing)
    assert rows[1] == {
        "road": 0, "name": "a_0", "kind": "lane", "users": "bicycle", "width_m": 1.5, "limit_mps": 25 / 3, "x_m": 1 / 3, "y_m": 5_500_000.25,
    }  # fmt: skip
    assert [(row["road"], row["name"], row["kind"]) for row in rows[2:]] == [(1, "J", "junction")] * 3


def test_a_map_without_roads_has_no_rows():
    assert roads() == []
