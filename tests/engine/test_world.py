"""The true world goes on by itself."""

import numpy as np

from tests.engine.small_world import rectangle_of_buildings
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.workers import Workers
from v2xsim.engine.world import World
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.records import BUILDING, NLOSB, Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

NO_BUILDINGS = Prisms.none()
# Between the lanes of both cars.
HOUSE = rectangle_of_buildings((0, 8, 100, 12))


def world(buildings=NO_BUILDINGS):
    scenario = Scenario.model_validate({
        "traffic": {"script": [
            {"id": "a", "waypoints": [[0, 0, 0], [10, 100, 0]]}, {"id": "b", "waypoints": [[0, 0, 20], [10, 100, 20]]},
        ]},
        "stations": {"penetration": 1.0}, "lidars": {"model": "beam16", "include": ["b"]},
        "errors": {"gnss_sigma_m": 1.0}, "radio": {"tx_power_dbm": 17.0},
    })  # fmt: skip
    names, streams, obstacles = Names(), Streams(1), indexed(buildings)
    roster = Roster(scenario, streams, names.register, names.name_of)
    mobility = ScriptMobility(scenario.traffic.script, names)
    return World(scenario, mobility, obstacles, roster, Sensing(scenario, obstacles, streams, Workers(1)), streams)


def test_a_tick_has_its_road_users_its_stations_and_their_captures():
    moment = world().begin(2_000_000, StationErrors.none(0))
    np.testing.assert_allclose(moment.snapshot.boxes.center_m[:, 0], [20.0, 20.0])
    assert len(moment.fleet) == 2
    assert [frame.agent for frame, _ in moment.sensed.result()] == [moment.fleet.agent[1]]


def test_errors_go_on_from_the_tick_before():
    this = world()
    first = this.begin(0, StationErrors.none(0))
    second = this.begin(100_000, first.errors)
    fresh = world().begin(100_000, StationErrors.none(0))
    assert not np.array_equal(second.errors.pose_error, fresh.errors.pose_error)
    assert (
        np.abs(second.errors.pose_error - first.errors.pose_error).max()
        < np.abs(fresh.errors.pose_error - first.errors.pose_error).max()
    )


def test_an_instant_has_the_links_of_its_own_positions():
    this = world()
    moment = this.begin(2_000_000, StationErrors.none(0))
    instant = this.instant(moment, LinkBudget.none())
    np.testing.assert_allclose(instant.links.distance_m, [20.0])
    assert instant.time_us == 2_000_000
    assert instant.errors is moment.errors
    assert instant.snapshot is moment.snapshot
    assert instant.fleet is moment.fleet
    np.testing.assert_allclose(instant.links.power_dbm, 17.0 - instant.links.loss_db - instant.links.shadowing_db)


def test_buildings_stand_between_stations_and_in_the_way_of_their_lidars():
    this = world(HOUSE)
    moment = this.begin(2_000_000, StationErrors.none(0))
    assert this.instant(moment, LinkBudget.none()).links.state.tolist() == [NLOSB]
    assert (moment.sensed.result()[0][1].object_id == BUILDING).any()


def test_a_link_goes_on_from_the_tick_before():
    this = world()
    first = this.instant(this.begin(0, StationErrors.none(0)), LinkBudget.none())
    second = this.instant(this.begin(100_000, first.errors), first.links)
    alone = this.instant(this.begin(100_000, first.errors), LinkBudget.none())
    # Both cars moved 1 m, a small part of the decorrelation distance.
    assert abs(second.links.carried.unit_shadow - first.links.carried.unit_shadow) < 1.0
    assert second.links.carried.unit_shadow != alone.links.carried.unit_shadow
