"""Who is drawn as a station, who carries lidars, who fuses."""

import numpy as np
import pytest

from tests.engine.small_world import snapshot
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names, snapshot_of
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.road_users import KINDS


class Draws(Streams):
    """Streams whose draws are given by purpose and name, 0 to 1; 0.5 for all others."""

    def __init__(self, draws):
        super().__init__(3)
        object.__setattr__(self, "draws", draws)

    def key(self, name, *keys):
        return int(self.draws.get(name, 0.5) * 2**64)


class Town:
    """A roster and the names of its vehicles."""

    def __init__(self, draws=None, **sections):
        self.names = Names()
        scenario = Scenario.model_validate({"traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}, **sections})
        for unit in scenario.stations.roadside:
            self.names.register(unit.id)
        streams = Streams(3) if draws is None else Draws(draws)
        self.roster = Roster(scenario, streams, self.names.register, self.names.name_of)

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

    def with_lidar(self, vehicles):
        fleet = self.fleet(vehicles)
        return self.named(fleet.agent[fleet.lidars > 0])


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


def test_the_vehicles_with_the_lowest_draws_are_stations():
    draws = {"radio/a": 0.9, "radio/b": 0.2, "radio/c": 0.6, "lidar/a": 0.1, "lidar/b": 0.7, "lidar/c": 0.8}
    assert Town(draws, stations={"count": 2}).stations("abcd") == {"b", "d"}
    assert Town(draws, stations={"penetration": 0.55}).stations("abcd") == {"b", "d"}


def test_of_vehicles_with_the_same_draw_the_first_registered_is_a_station():
    assert Town({}, stations={"count": 1}).stations("dcba") == {"d"}


def test_a_station_is_a_vehicle_whose_draw_is_below_the_penetration_rate():
    assert Town({"radio/a": 0.3, "radio/b": 0.25}, stations={"penetration": 0.3}).stations("ab") == {"b"}
    assert Town({"radio/a": 0.0}, stations={"penetration": 0.0}).stations("a") == set()


def test_a_named_vehicle_is_a_station_whatever_its_draw():
    draws = {"radio/a": 0.9, "radio/b": 0.2}
    assert Town(draws, stations={"penetration": 0.3, "include": ["a"]}).stations("abc") == {"a", "b"}


def test_a_station_that_left_the_region_is_replaced():
    town = Town({"radio/a": 0.1, "radio/b": 0.2, "radio/c": 0.3}, stations={"count": 1, "region": [0, -1, 10, 1]})
    assert town.stations("abc", x_m=[5, 6, 7]) == {"a"}
    assert town.stations("abc", x_m=[11, 6, 7]) == {"b"}
    # It stays a station although `a`, whose draw is lower, has come back.
    assert town.stations("abc", x_m=[5, 6, 7]) == {"b"}


def test_the_vehicles_with_the_lowest_draws_carry_lidars():
    draws = {"radio/a": 0.1, "lidar/a": 0.9, "lidar/b": 0.2, "lidar/c": 0.6, "lidars/c": 0.1}
    assert Town(draws, lidars={"count": 2}).with_lidar("abcd") == {"b", "d"}


def test_of_vehicles_with_the_same_draw_the_first_registered_carries_a_lidar():
    assert Town({}, lidars={"count": 1}).with_lidar("dcba") == {"d"}


def test_who_carries_a_lidar_keeps_it_when_a_lower_draw_comes():
    town = Town({"lidar/a": 0.1, "lidar/b": 0.2}, lidars={"count": 1})
    assert town.with_lidar("b") == {"b"}
    assert town.with_lidar("ab") == {"b"}
    assert town.with_lidar("a") == {"a"}


def test_named_vehicles_carry_lidars_within_the_count_and_beyond_it():
    draws = {"lidar/a": 0.9, "lidar/b": 0.2, "lidar/c": 0.8}
    assert Town(draws, lidars={"count": 2, "include": ["a"]}).with_lidar("abcd") == {"a", "b"}
    assert Town(draws, lidars={"count": 1, "include": ["a", "c"]}).with_lidar("abcd") == {"a", "c"}


def test_a_lidar_needs_a_radio():
    town = Town({"radio/a": 0.9}, stations={"count": 1}, lidars={"include": ["a", "b"]})
    assert town.with_lidar("ab") == {"b"}


# By rising number: 0.25 of all carry one, the rest three.
@pytest.mark.parametrize(("draw", "lidars"), [(0.0, 1), (0.2, 1), (0.25, 3), (0.9, 3)])
def test_the_draw_of_a_vehicle_names_its_number_of_lidars_by_rising_shares(draw, lidars):
    mounts = [{"x_m": float(i), "z_m": 0.2} for i in range(3)]
    # Shares count by their ratio: 1 to 3.
    town = Town({"lidars/a": draw}, lidars={"mounts": mounts, "per_vehicle": {3: 0.75, 1: 0.25}})
    assert town.fleet("a").lidars.tolist() == [lidars]
    halved = Town({"lidars/a": draw}, lidars={"mounts": mounts, "per_vehicle": {3: 0.375, 1: 0.125}})
    assert halved.fleet("a").lidars.tolist() == [lidars]


def test_the_region_counts_with_its_edges():
    region = [10.0, -1.0, 20.0, 1.0]
    found = Town(stations={"region": region, "penetration": 1.0}).stations(list("abcd"), x_m=[9.9, 10.0, 20.0, 20.1])
    assert found == {"b", "c"}


def test_the_region_counts_with_its_edges_across_the_road():
    world = snapshot(range(4), [(5, 9.9), (5, 10), (5, 20), (5, 20.1)])
    town = Town(stations={"region": [0.0, 10.0, 10.0, 20.0], "penetration": 1.0})
    for name in "abcd":
        town.names.register(name)
    assert town.named(town.roster.update(world).agent) == {"b", "c"}


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


@pytest.mark.parametrize("unit", [{"lidar": False}, {"lidar": True, "id": "other"}], ids=["no lidar", "not named"])
def test_a_roadside_unit_without_a_lidar_or_a_mention_does_not_fuse(unit):
    fleet = Town(stations={"roadside": [{**UNIT, **unit}]}, cooperation={"egos": ["mast"]}).fleet(cars(2))
    assert fleet.ego.tolist() == [False]


def test_a_roadside_unit_carries_every_lidar_of_the_scenario():
    mounts = [{"x_m": 0.0, "z_m": 0.2}, {"x_m": 1.0, "z_m": 0.2}]
    fleet = Town(stations={"roadside": [{**UNIT, "lidar": True}]}, lidars={"mounts": mounts}).fleet(cars(2))
    assert fleet.lidars.tolist() == [2]


def test_a_vehicle_is_a_station_as_it_truly_stands_and_drives():
    world = snapshot(
        range(2), [(1, 2, 3), (4, 5, 6)], velocity_mps=[(7, 8), (9, 10)], yaw_rad=[0.1, 0.2], antenna_m=[1.6, 1.7],
        size_m=(4.0, 2.5, 1.5),
    )  # fmt: skip
    town = Town({"radio/b": 0.1}, stations={"count": 1})
    town.names.register("a")
    town.names.register("b")
    fleet = town.roster.update(world)
    assert (fleet.agent.tolist(), fleet.row.tolist()) == ([1], [1])
    np.testing.assert_allclose(fleet.pose, [[4.0, 5.0, 6.0, 0.2]])
    np.testing.assert_allclose(fleet.velocity_mps, [[9.0, 10.0]])
    np.testing.assert_allclose(fleet.antenna_m, [[4.0, 5.0, 7.7]])
    assert fleet.mount_base_m.tolist() == [1.5]


def test_nobody_is_a_station_on_an_empty_road():
    assert len(Town().fleet([])) == 0


def test_stations_come_in_the_order_of_their_agents():
    fleet = Town(stations={"roadside": [UNIT], "penetration": 1.0}).fleet(cars(5))
    assert fleet.agent.tolist() == sorted(fleet.agent.tolist())
    np.testing.assert_array_equal(fleet.row[fleet.row >= 0], np.arange(5))


def test_the_draws_of_vehicles_that_have_left_are_forgotten_and_made_again_with_the_same_outcome():
    town = Town(stations={"penetration": 0.3})
    before = town.stations(cars(2000))
    assert town.stations(cars(3)) == before & set(cars(3))
    assert len(town.roster._draws) == 3
    assert town.stations(cars(2000)) == before
