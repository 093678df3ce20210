"""Who is drawn as a station, who carries lidars, who fuses."""

import numpy as np
import pytest

from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names, snapshot_of
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.road_users import KINDS


class Town:
    """A roster and the names of its vehicles."""

    def __init__(self, seed=3, **sections):
        self.names = Names()
        scenario = Scenario.model_validate({"traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}, **sections})
        for unit in scenario.stations.roadside:
            self.names.register(unit.id)
        self.roster = Roster(scenario, Streams(seed), self.names.register, self.names.name_of)

    def fleet(self, vehicles, kinds=None, x_m=None):
        agent = np.array([self.names.register(v) for v in vehicles], np.int64)
        order, count = np.argsort(agent), len(agent)
        position = np.column_stack([np.arange(count) if x_m is None else x_m, np.zeros(count)]).astype(float)
        kind = np.zeros(count, np.int8) if kinds is None else np.array([KINDS.index(k) for k in kinds], np.int8)
        return self.roster.update(snapshot_of(
            0, agent[order], kind[order], position[order], np.tile([4.0, 2.0, 1.5], (count, 1)), np.zeros(count),
            np.ones((count, 2)),
        ))  # fmt: skip

    def named(self, agents):
        return {self.names.name_of(int(a)) for a in agents}

    def stations(self, vehicles, **more):
        return self.named(self.fleet(vehicles, **more).agent)


def cars(count):
    return [f"car{i}" for i in range(count)]


def test_one_more_vehicle_changes_nobody_elses_draw():
    few = Town(stations={"penetration": 0.3}).stations(cars(200))
    more = Town(stations={"penetration": 0.3}).stations(["new", *cars(200)])
    assert more - {"new"} == few


def test_the_penetration_rate_is_the_share_of_stations():
    # 2,000 draws: three standard deviations are 0.031.
    share = len(Town(stations={"penetration": 0.3}).stations(cars(2000))) / 2000
    assert abs(share - 0.3) < 0.031


def test_a_vehicle_that_is_a_station_remains_one():
    town = Town(stations={"penetration": 0.3})
    assert town.stations(cars(100)) == town.stations(cars(100))


@pytest.mark.parametrize(
    ("stations", "share"),
    [({}, 1.0), ({"include": ["car0"]}, 0.1), ({"roadside": [{"id": "mast", "position_m": [0, 0]}]}, 0.0)],
)
def test_without_a_number_all_are_stations_unless_some_are_named(stations, share):
    found = Town(stations=stations).stations(cars(10)) - {"mast"}
    assert len(found) == round(10 * share)


def test_a_count_of_stations_is_kept():
    assert len(Town(stations={"count": 7}).stations(cars(50))) == 7


def test_a_station_that_leaves_is_replaced_and_the_others_stay():
    town = Town(stations={"count": 7})
    first = town.stations(cars(50))
    gone = sorted(first)[0]
    second = town.stations([car for car in cars(50) if car != gone])
    assert len(second) == 7
    assert first - {gone} < second


def test_a_count_larger_than_the_traffic_takes_all():
    assert len(Town(stations={"count": 7}).stations(cars(3))) == 3


def test_named_vehicles_are_stations_within_the_count():
    found = Town(stations={"count": 3, "include": ["car49", "car48"]}).stations(cars(50))
    assert len(found) == 3
    assert {"car48", "car49"} < found


@pytest.mark.parametrize("kind", ["pedestrian", "bicycle"])
def test_who_has_no_motor_is_no_station(kind):
    assert Town().stations(["a", "b"], kinds=["passenger", kind]) == {"a"}


def test_the_region_counts_with_its_edges():
    region = [10.0, -1.0, 20.0, 1.0]
    found = Town(stations={"region": region, "penetration": 1.0}).stations(list("abcd"), x_m=[9.9, 10.0, 20.0, 20.1])
    assert found == {"b", "c"}


def test_all_stations_have_the_lidars_of_the_scenario():
    mounts = [{"x_m": 0.0, "z_m": 0.2}, {"x_m": 1.0, "z_m": 0.2}]
    assert Town(lidars={"mounts": mounts}).fleet(cars(5)).lidars.tolist() == [2] * 5


def test_a_count_of_lidars_is_kept_among_the_stations():
    town = Town(stations={"count": 20}, lidars={"count": 4})
    fleet = town.fleet(cars(60))
    assert (fleet.lidars > 0).sum() == 4
    carried = town.named(fleet.agent[fleet.lidars > 0])
    again = town.fleet([car for car in cars(60) if car != sorted(carried)[0]])
    assert (again.lidars > 0).sum() == 4
    assert carried - {sorted(carried)[0]} < town.named(again.agent[again.lidars > 0])


def test_who_carries_a_lidar_is_drawn_apart_from_who_has_a_radio():
    lidars = Town(lidars={"count": 6}).fleet(cars(60))
    carriers = set(lidars.agent[lidars.lidars > 0].tolist())
    radios = set(Town(stations={"count": 6}).fleet(cars(60)).agent.tolist())
    assert carriers != radios
    # Nor is it simply the first who came.
    assert carriers != set(range(6))


def test_more_vehicles_named_than_counted_are_all_stations():
    assert Town(stations={"count": 1, "include": ["car4", "car5"]}).stations(cars(20)) == {"car4", "car5"}


def test_only_named_vehicles_carry_lidars_where_no_count_is_given():
    town = Town(lidars={"include": ["car3", "car7"]})
    fleet = town.fleet(cars(10))
    assert town.named(fleet.agent[fleet.lidars > 0]) == {"car3", "car7"}


def test_the_number_of_lidars_follows_the_shares_given():
    mounts = [{"x_m": float(i), "z_m": 0.2} for i in range(3)]
    town = Town(lidars={"mounts": mounts, "per_vehicle": {3: 0.8, 1: 0.2}})
    lidars = town.fleet(cars(1000)).lidars
    assert set(lidars.tolist()) == {1, 3}
    # Three deviations of 1,000 draws are 0.038.
    assert abs((lidars == 3).mean() - 0.8) < 0.038


def test_every_station_with_a_lidar_fuses_unless_some_are_named():
    every = Town(lidars={"count": 4}, cooperation={"egos": "all"})
    fleet = every.fleet(cars(10))
    np.testing.assert_array_equal(fleet.ego, fleet.lidars > 0)
    assert not Town(lidars={"include": ["car1"]}, cooperation={"egos": ["car3"]}).fleet(cars(10)).ego.any()
    named = Town(lidars={"include": ["car3", "car4"]}, cooperation={"egos": ["car3"]})
    fleet = named.fleet(cars(10))
    assert named.named(fleet.agent[fleet.ego]) == {"car3"}


UNIT = {"id": "mast", "position_m": [30.0, 40.0], "height_m": 6.0, "heading_deg": 90.0}


@pytest.mark.parametrize(("lidar", "lidars"), [(True, 1), (False, 0)])
def test_a_roadside_unit_stands_where_it_is_put(lidar, lidars):
    fleet = Town(stations={"roadside": [{**UNIT, "lidar": lidar}]}).fleet(cars(2))
    assert fleet.row.tolist() == [-1]
    np.testing.assert_allclose(fleet.pose, [[30.0, 40.0, 0.0, np.pi / 2]])
    np.testing.assert_allclose(fleet.antenna_m, [[30.0, 40.0, 6.0]])
    assert fleet.mount_base_m.tolist() == [6.0]
    assert fleet.lidars.tolist() == [lidars]
    assert fleet.velocity_mps.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(("egos", "ego"), [(["mast"], True), ("all", False)])
def test_a_roadside_unit_fuses_only_if_it_is_named(egos, ego):
    fleet = Town(stations={"roadside": [{**UNIT, "lidar": True}]}, cooperation={"egos": egos}).fleet(cars(2))
    assert fleet.ego.tolist() == [ego]


def test_a_vehicle_has_its_antenna_above_its_centre_and_its_lidar_on_the_roof():
    fleet = Town().fleet(["a"], x_m=[7.0])
    assert fleet.mount_base_m.tolist() == [1.5]
    np.testing.assert_allclose(fleet.antenna_m[0, :2], [7.0, 0.0])
    assert fleet.antenna_m[0, 2] > 1.0
    assert fleet.velocity_mps.tolist() == [[1.0, 1.0]]


def test_stations_come_in_the_order_of_their_agents():
    fleet = Town(stations={"roadside": [UNIT], "penetration": 1.0}).fleet(cars(5))
    assert fleet.agent.tolist() == sorted(fleet.agent.tolist())
    np.testing.assert_array_equal(fleet.row[fleet.row >= 0], np.arange(5))
