"""Diffraction at vehicles: single edges, edges in a row, and the way round the sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.channel.diffraction import cascade_loss_db, diffraction_loss_db
from v2xsim.comms.channel.vehicle_loss import knife_edge_loss_db, knife_edge_parameter
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes
from v2xsim.validation.blockage import measured

WAVELENGTH_M = 299_792_458.0 / 5.9e9


def single(height_m, before_m, behind_m):
    v = knife_edge_parameter(*np.array([[height_m], [before_m], [behind_m]], float), WAVELENGTH_M)
    return float(knife_edge_loss_db(v)[0])


def loss(boxes, a=(0.0, 0.0, 1.5), b=(100.0, 0.0, 1.5), state=NLOSV):
    none, one = np.full(2, -1), np.zeros(1, np.int64)
    antenna = np.array([a, b])
    return float(diffraction_loss_db(antenna, none, one, one + 1, np.full(1, state, np.int8), boxes, 5.9)[0])


def boxes(*rows):
    x, y, length, width, height = np.array(rows, float).T
    return Boxes(
        np.stack([x, y, np.zeros(len(x))], axis=1), np.stack([length, width, height], axis=1), np.zeros(len(x))
    )


def test_one_edge_loses_what_p526_says():
    assert cascade_loss_db(np.array([50.0]), np.array([1.5]), 100.0, 5.9) == pytest.approx(
        single(1.5, 50, 50), abs=1e-9
    )


def test_two_edges_lose_each_between_its_neighbours_and_the_correction():
    both = cascade_loss_db(np.array([30.0, 60.0]), np.array([1.5, 1.5]), 100.0, 5.9)
    # The first stands between the end and the second edge, so above a rising line; the second likewise.
    first, second = single(1.5 - 1.5 * 30 / 60, 30, 30), single(1.5 - 1.5 * 40 / 70, 30, 40)
    correction = 10 * np.log10((30 + 30) * (30 + 40) / (30 * 100))
    assert both == pytest.approx(first + second + correction, abs=1e-9)


def test_an_edge_below_the_string_counts_between_its_neighbours_on_it():
    three = cascade_loss_db(np.array([30.0, 45.0, 60.0]), np.array([1.5, 1.4, 1.5]), 100.0, 5.9)
    two = cascade_loss_db(np.array([30.0, 60.0]), np.array([1.5, 1.5]), 100.0, 5.9)
    assert three - two == pytest.approx(single(-0.1, 15, 15), abs=1e-9)


def test_an_edge_far_below_the_line_costs_nothing():
    assert cascade_loss_db(np.array([50.0]), np.array([-5.0]), 100.0, 5.9) == 0.0


def test_a_low_long_vehicle_is_passed_over_and_a_narrow_tall_one_round_the_side():
    assert loss(boxes((50, 0, 5, 2.5, 2.0))) == pytest.approx(single(0.5, 50, 50), abs=1e-9)
    assert loss(boxes((50, 0, 5, 0.6, 4.0))) == pytest.approx(single(0.3, 50, 50), abs=1e-9)
    assert loss(boxes((50, 0.2, 5, 0.6, 4.0))) == pytest.approx(single(0.1, 50, 50), abs=1e-9)


def test_who_stands_aside_or_behind_the_ends_costs_nothing():
    assert loss(boxes((50, 3.0, 5, 2.0, 4.0), (-20, 0, 5, 2, 4), (130, 0, 5, 2, 4)), state=LOS) == 0.0


def test_a_building_leaves_nothing_to_diffract_at():
    assert loss(boxes((50, 0, 5, 2.5, 2.0)), state=NLOSB) == 0.0


def test_a_vehicle_listed_in_two_cells_counts_once():
    assert loss(boxes((64.0, 0, 20, 2.5, 2.0))) == pytest.approx(single(0.5, 64, 36), abs=1e-9)


def test_in_a_jam_the_last_of_two_hundred_vehicles_counts_as_the_first_does():
    # Low cars, which cost little, with one tall lorry at either end of the line.
    cars = [(7.0 * k, 0.0, 5.0, 2.0, 1.4) for k in range(2, 202)]
    first, last = ((7.0, 0.0, 6.0, 2.5, 4.0), (7.0 * 202, 0.0, 6.0, 2.5, 4.0))
    end = (7.0 * 203, 0.0, 1.5)
    there = [loss(boxes(*rows), b=end) for rows in ([first, *cars], [*cars, last])]
    assert there[0] == pytest.approx(there[1], abs=0.1)
    assert there[1] > loss(boxes(*cars), b=end) + 3.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_both_directions_lose_the_same_wherever_the_road_lies(seed):
    rng = np.random.default_rng(seed)
    count = 30
    place = np.column_stack([rng.uniform(0, 200, count), rng.uniform(-4, 4, count), np.zeros(count)])
    size = rng.uniform([3, 1.5, 1.2], [14, 2.6, 4.0], (count, 3))
    yaw = rng.uniform(-np.pi, np.pi, count)
    a, b = np.array([-5.0, 0.0, 1.5]), np.array([205.0, 1.0, 3.0])
    here = loss(Boxes(place, size, yaw), a, b)
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shift = np.array([500.0, -300.0, 0.0])
    there = loss(Boxes(place @ turned.T + shift, size, yaw + np.pi / 2), b @ turned.T + shift, a @ turned.T + shift)
    assert here >= 0.0
    assert there == pytest.approx(here, abs=1e-6)


def test_the_knife_edge_is_nearer_to_most_measurements_of_vans_than_one_mean_for_all_distances():
    vans = [row for row in measured() if row.what.startswith("van")]
    assert [round(row.knife_edges_db, 1) for row in vans] == [16.6, 10.0]
    assert all(abs(row.knife_edges_db - row.measured_db) < 4.0 for row in vans)


def plain_loss_db(a, b, own, bodies, owner):
    """Return the loss between two antennas, from the definition: every box is looked at, and all three paths are computed."""
    a, b = sorted((tuple(a), tuple(b)))
    line = np.array(b[:2]) - a[:2]
    length = float(np.hypot(*line))
    along, left = line / length, np.array([-line[1], line[0]]) / length
    edges = {}
    for k in range(len(bodies)):
        angle, size = bodies.yaw_rad[k], bodies.size_m[k]
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
        corners = (signs * size[:2] / 2) @ axes + bodies.center_m[k, :2] - a[:2]
        crossed = crossed_part(corners @ along, corners @ left, length)
        if k in own or crossed is None:
            continue
        beside, top = corners @ left, bodies.center_m[k, 2] + size[2]
        begin, end, high, far, near = edges.get(owner[k], (np.inf, -np.inf, -np.inf, -np.inf, -np.inf))
        edges[owner[k]] = (
            min(begin, crossed[0]), max(end, crossed[1]), max(high, top), max(far, beside.max()), max(near, -beside.min()),
        )  # fmt: skip
    if not edges:
        return 0.0
    begin, end, high, far, near = np.array(sorted(edges.values(), key=lambda edge: edge[0] + edge[1])).T
    place = 0.5 * (begin + end)
    roof = high - (a[2] + place / length * (b[2] - a[2]))
    return min(cascade_loss_db(place, reach, length, 5.9) for reach in (roof, far, near))


def crossed_part(along, beside, length):
    """Return where the line between two points enters and leaves a polygon, in metres; None if it does not cross it."""
    places = []
    for k in range(len(along)):
        n = (k + 1) % len(along)
        if (beside[k] > 0.0) != (beside[n] > 0.0):
            places.append(along[k] + (along[n] - along[k]) * beside[k] / (beside[k] - beside[n]))
    begin, end = max(min(places, default=0.0), 0.0), min(max(places, default=0.0), length)
    return (begin, end) if begin < end else None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_pair_in_a_street_full_of_vehicles_loses_what_the_definition_says(seed):
    rng = np.random.default_rng(seed)
    count = 40
    place = np.column_stack([rng.uniform(0, 300, count), rng.uniform(-8, 8, count), rng.choice([0.0, 1.0], count)])
    size = rng.uniform([3, 1.5, 1.2], [14, 2.6, 4.0], (count, 3))
    bodies = Boxes(place, size, rng.choice([0.0, 0.1, np.pi / 2, 3.0], count))
    # Each third vehicle has two parts, and a rear part blocks neither its own station nor counts twice.
    owner = np.maximum.accumulate(np.where(np.arange(count) % 3 == 1, 0, np.arange(count)))
    station = np.arange(0, count, 3)
    antenna = place[station] + np.column_stack([np.zeros((len(station), 2)), size[station, 2] - place[station, 2]])
    first, second = np.triu_indices(len(station), 1)
    found = diffraction_loss_db(
        antenna, station, first, second, np.full(len(first), NLOSV, np.int8), bodies, 5.9, station + 1, owner
    )
    for pair, (i, j) in enumerate(zip(first, second, strict=True)):
        own = {station[i], station[j], station[i] + 1, station[j] + 1}
        assert found[pair] == pytest.approx(plain_loss_db(antenna[i], antenna[j], own, bodies, owner), abs=1e-6)
