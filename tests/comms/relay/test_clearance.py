"""How clear a hop is: over vehicles that a station knows, and past buildings of its map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.relay.relay_views import OPEN, bodies, hop, walls
from v2xsim.comms.relay.clearance import clearances
from v2xsim.comms.relay.hops import Hops, KnownBodies

# Half-way over 100 m at 5.9 GHz: sqrt(0.0508 * 50 * 50 / 100) = 1.127 m.
RADIUS_M = np.sqrt(299_792_458.0 / 5.9e9 * 25.0)


def clearance(known=None, obstacles=OPEN, *, first_m=(0, 0), second_m=(100, 0)):
    """Return the clearance of a hop of 100 m, whose antennas are 1.5 m high by default."""
    known = KnownBodies.none(1) if known is None else known
    return float(clearances(hop(first_m, second_m), known, obstacles, 5.9)[0])


def wall(roof_m, at_m=50.0):
    """Return a body as thin as a wall, across the hop."""
    return bodies((at_m, 0), size_m=(0.1, 4.0, roof_m))


@pytest.mark.parametrize("below_m", [0.1, 0.5, -0.3])
def test_clearance_is_measured_in_radii_of_the_first_fresnel_zone(below_m):
    assert clearance(wall(1.5 - below_m)) == pytest.approx(below_m / RADIUS_M, rel=1e-2)


def test_the_zone_is_narrow_near_an_antenna():
    # 10 m from the first antenna: sqrt(0.0508 * 10 * 90 / 100) = 0.676 m.
    assert clearance(wall(1.0, at_m=10.0)) == pytest.approx(0.5 / np.sqrt(0.0508126 * 9), rel=1e-2)


@pytest.mark.parametrize("above_m", [2.5, 8.0])
def test_a_deep_obstruction_is_not_limited(above_m):
    assert clearance(wall(1.5 + above_m)) == pytest.approx(-above_m / RADIUS_M, rel=1e-2)


@pytest.mark.parametrize(("one_m", "other_m"), [(1.5, 1.5), (1.5, 3.0), (6.0, 1.6)])
def test_over_open_ground_the_clearance_is_that_of_the_point_of_reflection(one_m, other_m):
    # Searched along the line: height over the radius of the first Fresnel zone.
    share = np.linspace(0, 1, 100_001)[1:-1]
    length_m = np.hypot(100.0, other_m - one_m)
    along = (one_m + share * (other_m - one_m)) / np.sqrt(299_792_458.0 / 5.9e9 * share * (1 - share) * length_m)
    assert clearance(first_m=(0, 0, one_m), second_m=(100, 0, other_m)) == pytest.approx(along.min(), rel=1e-6)


def test_the_ground_is_one_radius_away_at_the_break_point_of_the_two_ray_model():
    break_m = 4 * 1.5 * 3.0 / (299_792_458.0 / 5.9e9)
    assert clearance(first_m=(0, 0, 1.5), second_m=(break_m, 0, 3.0)) == pytest.approx(1.0, rel=1e-4)


def test_a_car_behind_a_truck_has_no_clearance():
    assert clearance(bodies((50, 0))) == pytest.approx(-1.5 / RADIUS_M)


def test_a_mast_of_8_m_looks_over_a_truck():
    # Half-way the line is 4.75 m high, 1.75 m above the truck; the first Fresnel zone has a radius of 1.13 m there.
    assert clearance(bodies((50, 0)), second_m=(100, 0, 8.0)) == pytest.approx(1.75 / RADIUS_M, rel=5e-3)


def test_a_mast_of_5_m_has_a_quarter_metre_over_the_truck():
    assert clearance(bodies((50, 0)), second_m=(100, 0, 5.0)) == pytest.approx(0.25 / RADIUS_M, rel=2e-3)


def test_of_several_vehicles_the_worst_counts():
    low, high = wall(1.3), wall(1.7, at_m=30.0)
    both = KnownBodies(
        np.array([0, 2]),
        bodies((50, 0), (30, 0)).boxes,
        np.zeros((2, 2)),
        np.ones(2, bool),
    )
    both.boxes.size_m[:] = [low.boxes.size_m[0], high.boxes.size_m[0]]
    assert clearance(both) == clearance(high) < clearance(low)


def test_a_vehicle_beside_the_line_is_not_in_the_way():
    assert clearance(bodies((50, 1.3))) == clearance()
    assert clearance(bodies((50, 1.2))) < -1.0


def test_a_vehicle_that_stands_across_is_in_the_way():
    assert clearance(bodies((50, 3.0), yaw_rad=np.pi / 2)) < -1.0


@pytest.mark.parametrize("end_m", [0.0, 100.0])
def test_a_stations_own_body_is_never_in_its_way(end_m):
    assert clearance(bodies((end_m, 0))) == clearance()
    # An announced position and a detected one differ by up to a metre: the antenna is 0.9 m ahead of this body.
    beside = end_m + (4.9 if end_m else -4.9)
    assert clearance(bodies((beside, 0))) == clearance()


def test_of_a_house_the_edge_of_the_roof_counts_that_comes_nearest_in_radii():
    # 8.5 m above the line, 40 m from one end and 60 m from the other: the zone is as wide at both edges.
    radius_m = np.sqrt(299_792_458.0 / 5.9e9 * 40.0 * 60.0 / 100.0)
    assert clearance(obstacles=walls((40, -5, 60, 5))) == pytest.approx(-8.5 / radius_m)
    assert clearance(obstacles=walls((40, 1, 60, 5))) == clearance()


def test_of_several_houses_the_worst_counts():
    wide, narrow = (20, -5, 80, 5), (45, -5, 55, 5)
    assert clearance(obstacles=walls(wide)) < clearance(obstacles=walls(narrow)) < 0.0
    assert (
        clearance(obstacles=walls(wide, narrow))
        == clearance(obstacles=walls(narrow, wide))
        == clearance(obstacles=walls(wide))
    )
    assert clearance(obstacles=walls(narrow, top_m=12.0)) < clearance(obstacles=walls(narrow))


@pytest.mark.parametrize(("near_m", "far_m"), [((5, -5, 15, 5), (60, -5, 70, 5)), ((30, -5, 40, 5), (85, -5, 95, 5))])
def test_of_two_houses_apart_the_worse_counts_whichever_comes_first(near_m, far_m):
    alone = [clearance(obstacles=walls(house)) for house in (near_m, far_m)]
    assert alone[0] != alone[1]
    assert clearance(obstacles=walls(near_m, far_m)) == clearance(obstacles=walls(far_m, near_m)) == min(alone)


def test_a_hop_from_a_mast_on_a_roof_into_the_house_passes_through_the_roof():
    assert clearance(obstacles=walls((-10, -10, 110, 10)), second_m=(100, 0, 20.0)) == 0.0


def test_each_hop_counts_only_what_its_own_station_knows():
    two = Hops(
        *(np.tile(part, (2, 1)) for part in (hop((0, 0), (100, 0)).first_m, [[100.0, 0, 1.5]], [[0.0, 0]], [[0.0, 0]])),
        np.array([0, 1]),
    )
    known = bodies((50, 0))
    of_the_first = KnownBodies(np.array([0, 1, 1]), known.boxes, known.velocity_mps, known.announced)
    blocked, free = clearances(two, of_the_first, OPEN, 5.9)
    assert blocked < -1.0
    assert free == clearance()


PLACE = st.tuples(st.floats(-100, 100), st.floats(-100, 100), st.floats(1, 8))


@settings(deadline=None, max_examples=200)
@given(PLACE, PLACE, st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), max_size=6), st.floats(-3, 3))
def test_a_hop_is_as_clear_one_way_as_the_other(one_m, other_m, places_m, yaw_rad):
    known, house = bodies(*places_m, yaw_rad=yaw_rad), walls((-20, 30, 0, 60), top_m=4.0)
    there = clearance(known, house, first_m=one_m, second_m=other_m)
    assert clearance(known, house, first_m=other_m, second_m=one_m) == pytest.approx(there, rel=1e-6)
