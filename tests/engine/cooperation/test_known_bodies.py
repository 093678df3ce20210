"""The vehicles that a station knows, from announcements and from its own sensors."""

import numpy as np

from tests.engine.cooperation.four_stations import APART_M, THERE, nothing_seen, vicinities
from tests.engine.small_world import CAR_M, EGO, HELPER, OTHER, RELAY, detections, own_states
from v2xsim.engine.cooperation.known_bodies import known_bodies

NOW_US = 200_000


def of_each(found, seen=None):
    """Return the centres of the bodies that each owner knows."""
    bodies = known_bodies(found, nothing_seen(found) if seen is None else seen)
    places = bodies.boxes.center_m.round(6).tolist()
    return [places[first:last] for first, last in zip(bodies.offset[:-1], bodies.offset[1:], strict=True)]


def test_a_station_knows_the_vehicles_that_announced_themselves_to_it_but_not_itself():
    found = vicinities(owners=(EGO, RELAY), unknown=[(EGO, OTHER)])
    assert of_each(found) == [[[40, 0, 0], [20, -10, 0]], [[0, 0, 0], [40, 0, 0], [20, 10, 0]]]


def test_a_roadside_unit_has_no_body():
    assert of_each(vicinities(roadside=(HELPER, RELAY))) == [[[20, 10, 0]]]


def test_a_station_knows_a_vehicle_that_it_detected_and_that_announces_nothing():
    found = vicinities(owners=(EGO, RELAY), agents=(EGO, RELAY), places_m=(APART_M[0], APART_M[3]), with_matrix=(), shares={(EGO, RELAY): 0.9, (RELAY, EGO): 0.9})  # fmt: skip
    seen = [(0, detections([(10, 3), (11, 4)])), (0, detections([(30, 3)]))]
    # The announced vehicles first; nobody knows what only the other one detected.
    assert of_each(found, seen) == [[[20, -10, 0], [10, 3, 0], [11, 4, 0]], [[0, 0, 0], [30, 3, 0]]]


def test_a_detected_vehicle_is_where_its_velocity_took_it_since_the_capture():
    own = own_states(THERE, APART_M, time_us=NOW_US)
    found = vicinities(own=own, unknown=[(EGO, agent) for agent in THERE])
    seen = [(NOW_US - 100_000, detections([(10, 3)], velocity_mps=(20, -10)))]
    assert of_each(found, seen) == [[[12, 2, 0]]]
    bodies = known_bodies(found, seen)
    assert bodies.velocity_mps.tolist() == [[20, -10]]


def test_bodies_have_the_size_and_the_heading_and_the_velocity_of_their_announcement():
    bodies = known_bodies(found := vicinities(velocity_mps=[(0, 0), (1, 2), (3, 4), (5, 6)]), nothing_seen(found))
    assert bodies.velocity_mps.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert bodies.boxes.size_m.tolist() == [list(CAR_M)] * 3
    assert bodies.boxes.yaw_rad.tolist() == [0.0] * 3


def test_a_vehicle_that_is_announced_and_detected_is_there_twice():
    found = vicinities(unknown=[(EGO, OTHER), (EGO, RELAY)])
    assert of_each(found, [(0, detections([(40.3, 0.1)]))]) == [[[40, 0, 0], [40.3, 0.1, 0]]]


def test_a_station_that_knows_nobody_knows_no_body():
    found = vicinities(unknown=[(EGO, agent) for agent in THERE])
    assert known_bodies(found, nothing_seen(found)).offset.tolist() == [0, 0]
    assert np.shape(known_bodies(found, nothing_seen(found)).velocity_mps) == (0, 2)
