"""Links past vehicles of two parts, and links whose own vehicle is in the way."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.channel.test_links import OPEN, radio
from tests.engine.small_world import fleet_in, snapshot
from v2xsim.comms.channel.vehicle_loss import knife_edge_loss_db, knife_edge_parameter
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.stations.roster import Roster
from v2xsim.records import LOS, NLOSV, Bodies, Boxes
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.road_users import PASSENGER, TRUCK, antenna_heights_m

KNIFE = radio(shadowing=False, channel="free_space", propagation={"vehicle_blockage": "knife_edges", "fading": "none"})
WAVELENGTH_M = 299_792_458 / 5.9e9


def with_truck(*others, cab_m=3.0, trailer_m=4.0, turned_rad=0.0):
    """A truck at the origin that heads east, with a trailer that may be turned at its kingpin, and cars.

    Its bumper is at x = 8.25 m, its cab reaches to 5.8 m, and its trailer from 5.35 m to -8.25 m.
    """
    world = snapshot([1, *range(2, 2 + len(others))], [(0, 0), *others])
    size_m = world.boxes.size_m.copy()
    size_m[0] = (16.5, 2.5, trailer_m)
    kingpin, back = np.array([3.75, 0.0]), -np.array([np.cos(turned_rad), np.sin(turned_rad)])
    trailer = kingpin + (13.6 / 2 - 1.6) * back
    parts = Bodies(
        Boxes(
            np.array([[7.025, 0.0, 0.0], [*trailer, 0.0]]), np.array([[2.45, 2.5, cab_m], [13.6, 2.5, trailer_m]]),
            np.array([0.0, turned_rad]),
        ),
        np.zeros(2, np.int64),
    )  # fmt: skip
    kind = np.array([TRUCK, *[PASSENGER] * len(others)], np.int8)
    boxes = Boxes(world.boxes.center_m, size_m, world.boxes.yaw_rad)
    return replace(
        world, kind=kind, boxes=boxes, parts=parts, antenna_height_m=antenna_heights_m(kind, boxes, parts)
    )  # fmt: skip


def stations(world, **antennas):
    """Return all road users as stations, with antennas where a scenario has them."""
    scenario = Scenario.model_validate({
        "traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}, "stations": {"antennas": antennas},
    })  # fmt: skip
    return Roster(scenario, Streams(1), int, lambda agent: f"user{agent}").update(world)


def budget(world, settings=KNIFE, before=None, **antennas):
    before = LinkBudget.none() if before is None else before
    return next_budget(before, stations(world, **antennas), world, OPEN, settings, Streams(1))


def added_db(found, pair=0):
    """Return the loss beyond that of free space."""
    distance_m = found.distance_m[pair]
    return found.loss_db[pair] - 20 * np.log10(4 * np.pi * distance_m / WAVELENGTH_M)


def one_edge_db(height_m, before_m, behind_m):
    edge = (np.array([value]) for value in (height_m, before_m, behind_m))
    return float(knife_edge_loss_db(knife_edge_parameter(*edge, WAVELENGTH_M))[0])


def between_cars(world):
    """Return the links between the cars alone."""
    cars = fleet_in(world, range(1, len(world)))
    return next_budget(LinkBudget.none(), cars, world, OPEN, KNIFE, Streams(1))


def test_a_turned_trailer_blocks_a_link_where_the_body_in_line_does_not():
    # From east to west, 4 m north of the truck: only the trailer, turned to the north, reaches there.
    cars = (-30.0, 4.0), (30.0, 4.0)
    assert between_cars(with_truck(*cars)).state.tolist() == [LOS]
    found = between_cars(with_truck(*cars, turned_rad=-np.pi / 4))
    assert found.state.tolist() == [NLOSV]
    assert found.blocker_height_m.tolist() == [4.0]
    assert added_db(found) > 6.0


def test_where_the_trailer_has_left_the_body_in_line_the_link_is_clear():
    cars = (-7.0, -20.0), (-7.0, 20.0)
    assert between_cars(with_truck(*cars)).state.tolist() == [NLOSV]
    assert between_cars(with_truck(*cars, turned_rad=-np.pi / 2)).state.tolist() == [LOS]


def test_the_own_trailer_blocks_the_link_backwards_of_a_low_cab_and_not_that_forwards():
    found = budget(with_truck((-60.0, 0.0), (60.0, 0.0)))
    # Pairs: truck and the car behind it, truck and the car before it, both cars.
    assert found.state.tolist()[:2] == [NLOSV, LOS]
    # The antenna is at x = 7.025 m and 3 m high; the trailer's middle is at -1.45 m, where the line to 1.5 m is at 2.81 m. The ways
    # round the sides lose more.
    line_m = 3.0 + (1.5 - 3.0) * 8.475 / 67.025
    over_db, beside_db = one_edge_db(4.0 - line_m, 8.475, 58.55), one_edge_db(1.25, 8.475, 58.55)
    assert added_db(found, 0) == pytest.approx(min(over_db, beside_db), abs=0.01)
    assert added_db(found, 1) == pytest.approx(0.0, abs=1e-9)
    assert over_db > 14.0


def test_the_loss_is_the_same_in_both_directions():
    world = with_truck((-60.0, 3.0), (60.0, 0.0), turned_rad=0.2)
    found = budget(world)
    order = np.array([2, 1, 0])
    # The same scene with the ids in the opposite order.
    turned = replace(
        world, kind=world.kind[order], boxes=world.boxes[order], velocity_mps=world.velocity_mps[order],
        antenna_height_m=world.antenna_height_m[order], parts=Bodies(world.parts.boxes, np.array([2, 2])),
    )  # fmt: skip
    there = {(0, 1): 0, (0, 2): 1, (1, 2): 2}
    other = budget(turned)
    for (a, b), pair in there.items():
        back = there[tuple(sorted((2 - a, 2 - b)))]
        assert other.loss_db[back] == found.loss_db[pair]


@pytest.mark.parametrize("settings", [KNIFE, radio(shadowing=False)])
def test_an_antenna_as_high_as_all_parts_has_none_of_them_in_the_way(settings):
    cars = (-60.0, 0.5), (60.0, 0.5), (10.0, 40.0)
    found = budget(with_truck(*cars, cab_m=4.0), settings)
    own = [pair for pair in range(len(found.loss_db)) if found.near.first[pair] == 0]
    assert found.state[own].tolist() == [LOS, LOS, LOS]
    lifted = budget(with_truck(*cars, cab_m=3.0), settings, user1={"height_m": 4.0})
    np.testing.assert_array_equal(lifted.loss_db[own], found.loss_db[own])
    # The same stations without the truck's body.
    bare = snapshot([1, 2, 3, 4], [(7.025, 0), *cars])
    high = fleet_in(bare)
    high.antenna_m[:, 2] = [4.0, 1.5, 1.5, 1.5]
    alone = next_budget(LinkBudget.none(), high, bare, OPEN, settings, Streams(1))
    np.testing.assert_allclose(found.loss_db[own], alone.loss_db[own], atol=1e-9)


def test_an_antenna_on_the_front_bumper_is_blocked_by_its_car_backwards_only():
    world = snapshot([1, 2, 3], [(0, 0), (-40, 0), (40, 0)])
    length_m, _, height_m = world.boxes.size_m[0]
    low = budget(world, user1={"x_m": length_m / 2, "height_m": 0.6})
    assert low.state.tolist()[:2] == [NLOSV, LOS]
    assert added_db(low, 0) > 6.0
    assert added_db(low, 1) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(low.antenna_m[0], [length_m / 2, 0.0, 0.6], atol=2e-3)
    on_roof = budget(world, user1={"x_m": -1.0, "height_m": float(height_m)})
    assert on_roof.state.tolist()[:2] == [LOS, LOS]


def test_an_antenna_inside_a_car_loses_by_its_roof_in_every_direction():
    world = snapshot([1, 2, 3, 4], [(0, 0), (-40, 0), (40, 0), (0, 40)])
    found = budget(world, user1={"height_m": 1.2})
    assert found.state.tolist()[:3] == [NLOSV, NLOSV, NLOSV]
    assert min(added_db(found, pair) for pair in range(3)) > 3.0


def test_an_antenna_without_a_place_is_never_blocked_by_its_own_body():
    # A cyclist carries it at 1.5 m, below the top of the body.
    world = snapshot([1, 2], [(0, 0), (40, 0)])
    assert added_db(budget(world)) == pytest.approx(0.0, abs=1e-9)


def test_a_place_counts_from_the_front_part_and_turns_with_it():
    world = with_truck((60.0, 0.0))
    turned = replace(world.parts.boxes, yaw_rad=np.array([np.pi / 2, 0.0]))
    world = replace(world, parts=Bodies(turned, world.parts.owner))
    found = stations(world, truck={"x_m": 1.0, "y_m": 0.5})
    np.testing.assert_allclose(found.antenna_m[0], [7.025 - 0.5, 1.0, 3.0], atol=1e-9)


def test_a_name_has_priority_over_a_kind_and_a_roof_is_the_default():
    world = with_truck((60.0, 0.0))
    found = stations(world, truck={"height_m": 2.0}, user1={"height_m": 2.5}, passenger={"x_m": 0.5})
    assert found.antenna_m[:, 2].tolist() == [2.5, 1.5]
    assert found.antenna_inside.tolist() == [True, False]


def test_entries_without_a_vehicle_and_antennas_beside_the_body_are_reported():
    scenario = Scenario.model_validate({
        "traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]},
        "stations": {"antennas": {"bus": {}, "nobody": {}, "user1": {"x_m": 4.0}}},
    })  # fmt: skip
    roster = Roster(scenario, Streams(1), int, lambda agent: f"user{agent}")
    roster.update(snapshot([1, 2], [(0, 0), (40, 0)]))
    found = {notice.subject: notice for notice in roster.notices()}
    assert "'bus', 'nobody'" in found["stations.antennas_without_station"].text
    assert "'user1' is more than 0.5 m beside" in found["stations.antennas_beside_body"].text


def test_the_part_that_blocked_a_pair_is_tested_first_at_the_next_tick():
    world = with_truck((-60.0, 0.0), (60.0, 0.0))
    first = budget(world)
    moved = with_truck((-60.0, 0.0), (60.0, 0.0), (0.0, 300.0))
    second = budget(moved, before=first)
    fresh = budget(moved)
    np.testing.assert_array_equal(second.state, fresh.state)
    np.testing.assert_array_equal(second.blocker, fresh.blocker)
    assert second.blocker_height_m[0] == 4.0


@pytest.mark.parametrize(
    "cars", [((-60.0, 0.5), (60.0, -0.5)), ((-6.0, -30.0), (9.0, 40.0)), ((0.0, -5.0), (0.0, 5.0))]
)
def test_a_truck_in_line_is_the_edge_that_its_one_body_would_be(cars):
    in_line = with_truck(*cars, cab_m=4.0)
    one_body = replace(in_line, parts=Bodies.none())
    assert between_cars(in_line).loss_db == pytest.approx(between_cars(one_body).loss_db, abs=0.3)


def test_along_the_axis_the_loss_of_both_parts_is_that_of_one_body():
    in_line = with_truck((-60.0, 0.0), (60.0, 0.0), cab_m=4.0)
    one_body = replace(in_line, parts=Bodies.none())
    np.testing.assert_allclose(between_cars(in_line).loss_db, between_cars(one_body).loss_db, atol=1e-9)
