"""How long a hop lasts: to the first of range, building of the map and known vehicle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.relay.relay_views import OPEN, RANGE_M, bodies, hop, walls
from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.lifetime import LOOK_S, lifetimes_s, link_expiration_s


def in_range_s(offset_m, velocity_mps):
    return float(link_expiration_s(np.array(offset_m, float), np.array(velocity_mps, float), RANGE_M))


def lifetime_s(first_m, second_m, first_mps=(0, 0), second_mps=(0, 0), known=None, obstacles=OPEN, range_m=RANGE_M):
    known = KnownBodies.none(1) if known is None else known
    return float(lifetimes_s(hop(first_m, second_m, first_mps, second_mps), known, obstacles, range_m)[0])


# Range


@pytest.mark.parametrize(
    ("offset", "velocity", "time_s"),
    [
        ((100.0, 0.0), (20.0, 0.0), 10.0),
        ((100.0, 0.0), (-20.0, 0.0), 20.0),
        # Passing 180 m aside: 240 m to go on the other side of 100 m.
        ((100.0, 180.0), (-10.0, 0.0), 34.0),
        ((300.0, 0.0), (10.0, 0.0), 0.0),
        ((300.0, 0.0), (-10.0, 0.0), 60.0),
        ((300.1, 0.0), (0.0, 0.0), 0.0),
        # Beyond the range the link is dead now, even if it will be alive later.
        ((301.0, 0.0), (-20.0, 0.0), 0.0),
        ((100.0, 0.0), (0.0, 0.0), np.inf),
    ],
)
def test_a_link_lasts_until_the_other_leaves_the_range(offset, velocity, time_s):
    assert in_range_s(offset, velocity) == pytest.approx(time_s)
    # The same of two stations that both move.
    common = np.array([3.0, -8.0])
    assert lifetime_s((10, 20), np.add((10, 20), offset), common, common + velocity) == pytest.approx(time_s)


COORDINATE = st.floats(-200, 200)
SPEED = st.floats(-50, 50).filter(lambda v: abs(v) > 0.1)


@given(COORDINATE, COORDINATE, SPEED, SPEED)
def test_at_the_end_of_a_link_the_distance_is_the_range(x, y, u, v):
    time_s = in_range_s((x, y), (u, v))
    assert np.hypot(x + u * time_s, y + v * time_s) == pytest.approx(RANGE_M, rel=1e-6)


# A corner of a building: it covers x from 5 and y from 5. One car stands or drives on the road along the x axis, the other
# drives north along the y axis.

CORNER = walls((5, 5, 60, 60))
NORTH = {"second_m": (0, -20), "second_mps": (0, 10)}


def test_a_link_ends_at_the_corner_of_a_building():
    # From (20, 0) the line to (0, y) passes x = 5 at 0.75 y: at the corner for y = 6.667, 26.667 m on at 10 m/s.
    assert lifetime_s((20, 0), **NORTH, obstacles=CORNER) == pytest.approx(26.6667 / 10, rel=1e-4)


def test_a_link_ends_at_the_corner_for_two_cars_that_drive():
    # From (20 + 5t, 0) to (0, -20 + 10t): (-20 + 10t) (15 + 5t) = 5 (20 + 5t), so t^2 + t / 2 - 8 = 0.
    expected = (-0.5 + np.sqrt(0.25 + 32.0)) / 2.0
    assert lifetime_s((20, 0), first_mps=(5, 0), **NORTH, obstacles=CORNER) == pytest.approx(expected, rel=1e-6)


def test_a_car_that_comes_nearer_to_the_corner_keeps_its_view():
    # From (20 - 5t, 0): t^2 - 5.5 t + 8 = 0 has no root. At t = 3.9 it is 0.5 m from the other road.
    assert lifetime_s((20, 0), first_mps=(-5, 0), **NORTH, obstacles=CORNER) > 3.9


def test_a_link_behind_a_building_is_dead_now():
    assert lifetime_s((20, 0), (0, 20), (0, 0), (0, -10), obstacles=CORNER) == 0.0


def test_a_building_lower_than_both_antennas_ends_no_link():
    assert lifetime_s((20, 0), **NORTH, obstacles=walls((5, 5, 60, 60), top_m=1.4)) == pytest.approx(
        (20 + np.sqrt(300**2 - 20**2)) / 10
    )


def test_of_two_buildings_the_first_counts():
    # Another one at x from 2, which the line passes at 0.9 y: at its corner (2, 5) for y = 5.556.
    two = walls((5, 5, 60, 60), (2, 5, 4, 60))
    assert lifetime_s((20, 0), **NORTH, obstacles=two) == pytest.approx(25.5556 / 10, rel=1e-4)


def test_a_line_that_only_touches_a_corner_lasts_on():
    # Along x = 5 past the corner at (5, 5), to beyond it and back to this side: the line never enters the building.
    assert lifetime_s((5, 0), (5, 4), (0, 0), (-1, 10), obstacles=CORNER) > 10.0


def test_a_corner_is_looked_for_ten_seconds_ahead():
    assert LOOK_S == 10.0
    # 26.667 m to the end of the view.
    for speed_mps, ends in ((2.7, True), (2.6, False)):
        time_s = lifetime_s((20, 0), (0, -20), (0, 0), (0, speed_mps), obstacles=CORNER)
        assert (time_s < 10.0) == ends
        assert time_s == pytest.approx(
            26.6667 / speed_mps if ends else in_range_s((-20, -20), (0, speed_mps)), rel=1e-4
        )


# Vehicles


def crossing(speed_mps, roof_m=3.5):
    """Return a truck of 8 m that drives north over the middle of a hop of 100 m; its front is 26 m away from it."""
    return bodies((50, -30), size_m=(8, 2.5, roof_m), yaw_rad=np.pi / 2, velocity_mps=(0, speed_mps))


def test_a_link_ends_when_the_front_of_a_crossing_truck_reaches_it():
    assert lifetime_s((0, 0), (100, 0), known=crossing(10.0)) == pytest.approx(2.6)


def test_a_truck_is_met_earlier_if_the_hop_comes_towards_it():
    towards = (0, -3.0)
    assert lifetime_s((0, 0), (100, 0), towards, towards, known=crossing(10.0)) == pytest.approx(2.0)


def test_a_truck_of_unknown_velocity_counts_as_standing():
    assert lifetime_s((0, 0), (100, 0), known=crossing(0.0)) == np.inf


def test_a_low_vehicle_ends_no_link():
    assert lifetime_s((0, 0), (100, 0), known=crossing(10.0, roof_m=1.4)) == np.inf


@pytest.mark.parametrize(("speed_mps", "ends"), [(2.7, True), (2.5, False)])
def test_a_truck_is_looked_for_ten_seconds_ahead(speed_mps, ends):
    expected = 26.0 / speed_mps if ends else np.inf
    assert lifetime_s((0, 0), (100, 0), known=crossing(speed_mps)) == pytest.approx(expected)


def test_a_link_with_a_truck_in_it_is_dead_now():
    assert lifetime_s((0, 0), (100, 0), known=bodies((50, 0), velocity_mps=(0, 10))) == 0.0


def test_a_link_ends_at_the_first_of_range_building_and_truck():
    house = walls((40, 40, 60, 60))
    north = {"first_mps": (0, 10), "second_mps": (0, 10)}
    # The house at y = 40 is reached after 4 s, the truck that comes at 10 m/s from 26 m ahead after 1.3 s.
    truck = bodies((50, 30), size_m=(8, 2.5, 3.5), yaw_rad=np.pi / 2, velocity_mps=(0, -10))
    assert lifetime_s((0, 0), (100, 0), **north, obstacles=house) == pytest.approx(4.0)
    assert lifetime_s((0, 0), (100, 0), **north, known=truck, obstacles=house) == pytest.approx(1.3)
    assert lifetime_s((0, 0), (100, 0), (0, 10), (250, 10), known=truck, obstacles=house) == pytest.approx(0.8)


def test_a_link_down_from_a_mast_ends_where_a_truck_drives_into_its_slope():
    # The line from 6 m down to 1.5 m is 3 m high after two thirds of 100 m. The truck ahead of its front has 36.67 - 4 m to go.
    truck = bodies((30, 0), velocity_mps=(10, 0))
    assert lifetime_s((0, 0, 6.0), (100, 0, 1.5), known=truck) == pytest.approx((200 / 3 - 34) / 10)
    # Another one of the same height that drives to the mast keeps below the line.
    assert lifetime_s((0, 0, 6.0), (100, 0, 1.5), known=bodies((30, 0), velocity_mps=(-2, 0))) == np.inf


def test_a_link_down_from_a_mast_ends_behind_the_roof_of_a_low_house():
    # The line from 6 m at (0, 0) to 1.5 m at (x, 0) is 3 m high after two thirds of x; the house ends at 30 m.
    house = walls((10, -5, 30, 5), top_m=3.0)
    assert lifetime_s((0, 0, 6.0), (100, 0, 1.5), (0, 0), (-20, 0), obstacles=house) == pytest.approx((100 - 45) / 20)


def test_a_link_ends_where_one_end_would_drive_into_a_building():
    assert lifetime_s((0, 0), (-50, 0), (10, 0), (10, 0), obstacles=walls((40, -5, 60, 5))) == pytest.approx(4.0)


def test_a_vehicle_under_an_antenna_ends_no_link():
    for under in ((0, 0), (100, 0)):
        assert lifetime_s((0, 0), (100, 0), known=bodies(under, velocity_mps=(3, 0))) == np.inf


# Coordinates in steps that floating-point numbers hold exactly, so that lines touch corners exactly or not at all.
STEPS = st.integers(-200, 200).map(lambda n: n / 4)
PLACE = st.tuples(STEPS, STEPS, st.sampled_from([1.5, 2.0, 4.0, 6.0]))
# Between these steps, so that no antenna slides along a wall.
HOUSES = walls((-20.0625, 10.0625, -0.0625, 30.0625), (10.0625, -30.0625, 30.0625, -10.0625))
VELOCITY = st.tuples(st.integers(-20, 20), st.integers(-20, 20))


@settings(deadline=None, max_examples=300)
@given(PLACE, PLACE, VELOCITY, VELOCITY, st.lists(st.tuples(STEPS, STEPS), max_size=3), VELOCITY)
def test_a_link_lasts_as_long_one_way_as_the_other(one_m, other_m, one_mps, other_mps, trucks_m, trucks_mps):
    known, house = bodies(*trucks_m, velocity_mps=trucks_mps), HOUSES
    there = lifetime_s(one_m, other_m, one_mps, other_mps, known, house)
    assert lifetime_s(other_m, one_m, other_mps, one_mps, known, house) == pytest.approx(there, abs=1e-6)


@settings(deadline=None, max_examples=200)
@given(PLACE, PLACE, VELOCITY, VELOCITY, st.lists(st.tuples(STEPS, STEPS), max_size=3), VELOCITY, st.floats(0, 0.99))
def test_a_link_is_alive_until_its_end(one_m, other_m, one_mps, other_mps, trucks_m, trucks_mps, share):
    house = HOUSES

    def left_s(time_s):
        """Return how long the hop lasts, seen from some seconds later."""
        first, second = (
            (place[0] + speed[0] * time_s, place[1] + speed[1] * time_s, place[2])
            for place, speed in ((one_m, one_mps), (other_m, other_mps))
        )
        moved = bodies(
            *((x + trucks_mps[0] * time_s, y + trucks_mps[1] * time_s) for x, y in trucks_m), velocity_mps=trucks_mps
        )
        if any(
            abs(x - end[0]) < 6 and abs(y - end[1]) < 6
            for x, y in moved.boxes.center_m[:, :2]
            for end in (first, second)
        ):
            # A body under an antenna counts as that of its station.
            return None
        return lifetime_s(first, second, one_mps, other_mps, moved, house)

    whole_s = left_s(0.0)
    if whole_s is None or not 0.0 < whole_s < LOOK_S:
        return
    later_s = left_s(share * whole_s)
    if later_s is not None:
        assert later_s == pytest.approx((1.0 - share) * whole_s, abs=1e-3)
