"""The true state at a tick, and what stations know of themselves."""

import numpy as np

from tests.engine.small_world import fleet_in, snapshot
from tests.engine.small_world import instant as instant_of
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.instant import Instant
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.station_errors import StationErrors


def instant():
    """A car that errs by 3 m and 2 ms, and a roadside unit without errors."""
    world = snapshot([4, 6], [(10, 0), (20, 0)], time_us=500, velocity_mps=[(1, 2), (3, 4)], yaw_rad=[0.1, 0.2])
    car = fleet_in(world, [1], lidars=2, egos=[6])
    pose = np.vstack([car.pose, [50.0, 60.0, 0.0, 1.0]])
    stations = Fleet(
        np.array([6, 9]), np.array([1, -1]), pose,
        np.vstack([car.velocity_mps, [0.0, 0.0]]), np.vstack([car.antenna_m, [50.0, 60.0, 5.0]]), np.array([1.5, 5.0]),
        np.array([2, 0]), np.array([0, 0]), np.array([True, False]), pose, np.zeros(2, bool),
    )  # fmt: skip
    errors = StationErrors(stations.agent, 500, np.array([[3.0, 0.0, 0.05], [0.0, 0.0, 0.0]]), np.array([2000, 0]))
    return Instant(world, stations, errors, LinkBudget.none())


def test_a_station_believes_its_own_pose_with_its_error():
    own = instant().states
    np.testing.assert_allclose(own.pose, [[23.0, 0.0, 0.0, 0.25], [50.0, 60.0, 0.0, 1.0]])


def test_odometry_has_no_error_of_satellite_navigation():
    np.testing.assert_allclose(instant().states.odometry, [[20.0, 0.0, 0.2], [50.0, 60.0, 1.0]])


def test_a_station_reads_its_own_clock():
    assert instant().states.time_us == 500
    assert instant().states.stamp_us.tolist() == [2500, 500]


def test_a_station_knows_its_own_body_and_a_roadside_unit_has_none():
    own = instant().states
    np.testing.assert_allclose(own.size_m, [[4.0, 2.0, 1.5], [0.0, 0.0, 0.0]])
    assert own.is_vehicle.tolist() == [True, False]
    assert own.antenna_height_m.tolist() == [1.6, 5.0]


def test_a_station_knows_its_velocity_its_lidars_and_whether_it_fuses():
    own = instant().states
    assert own.agent.tolist() == [6, 9]
    np.testing.assert_allclose(own.velocity_mps, [[3.0, 4.0], [0.0, 0.0]])
    assert (own.lidars.tolist(), own.ego.tolist()) == ([2, 0], [True, False])


def test_the_first_vehicle_has_a_body_too():
    world = snapshot([4], [(10, 0)], size_m=(5.0, 2.0, 3.0))
    states = instant_of(world, fleet_in(world)).states
    assert states.size_m.tolist() == [[5.0, 2.0, 3.0]]
    assert states.is_vehicle.tolist() == [True]


def test_stations_are_found_by_their_agents():
    own = instant().states
    assert (own.index(6), own.index(9), own.index(4), own.index(99)) == (0, 1, -1, -1)
    assert len(own) == 2


def test_before_the_first_tick_nobody_is_there():
    nothing = Instant.empty(700)
    assert nothing.time_us == nothing.errors.time_us == 700
    assert len(nothing.states) == len(nothing.snapshot) == 0
