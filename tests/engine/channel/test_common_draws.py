"""What the random losses of different links have in common: stations at their ends, and vehicles in the way."""

import numpy as np
import pytest

from tests.engine.small_world import fleet_in, snapshot
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.records import NLOSV, Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

OPEN = indexed(Prisms.none())


def links(world, rows=None, *, before=None, seed=1, shadowing=True, **propagation):
    settings = {"traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}}
    settings |= {"radio": {"shadowing": shadowing, "propagation": propagation, "range_m": 600.0}}
    radio = Scenario.model_validate(settings).radio
    return next_budget(before or LinkBudget.none(), fleet_in(world, rows), world, OPEN, radio, Streams(seed))


def apart(clusters, *places, time_us=0):
    """Return cars in groups far from each other."""
    spots = [(5_000.0 * group + x, y) for group in range(clusters) for x, y in places]
    return snapshot(range(len(spots)), spots, time_us=time_us)


def shadowing_of(found, clusters, size):
    """Return the shadowing of each pair of each group, one column a pair, divided by its standard deviation of 3 dB."""
    pairs = size * (size - 1) // 2
    assert len(found.shadowing_db) == clusters * pairs
    return found.shadowing_db.reshape(clusters, pairs) / 3.0


def correlation(a, b):
    return float(np.mean(a * b))


# Products of two standard normal numbers with correlation r have a variance of 1 + r^2: five deviations of a mean over 2,500.
GROUPS = 2_500
LEEWAY = 5.0 * np.sqrt(1.25 / GROUPS)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.25), (1.0, 0.5), (0.0, 0.0), (None, 0.25)])
def test_links_with_a_common_end_correlate_by_half_of_the_share_and_others_not(share, expected):
    # Side by side, so that no car is between two others: pairs 01, 02, 03, 12, 13, 23.
    world = apart(GROUPS, (0, 0), (100, 30), (200, 90), (300, 180))
    unit = shadowing_of(links(world, **({} if share is None else {"common_share": share})), GROUPS, 4)
    assert (links(world).state != NLOSV).all()
    for a, b in ((0, 1), (0, 3), (1, 3), (2, 4)):
        assert correlation(unit[:, a], unit[:, b]) == pytest.approx(expected, abs=LEEWAY)
    assert correlation(unit[:, 0], unit[:, 5]) == pytest.approx(0.0, abs=LEEWAY)
    # The variance stays what it was.
    assert float(np.mean(unit**2)) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("first_m", "second_m"), [(0.0, 0.0), (4.0, 0.0), (4.0, 7.0)])
def test_the_part_of_a_station_decays_with_the_distance_that_this_station_travels(first_m, second_m):
    before = links(apart(GROUPS, (0, 0), (100, 40)))
    after = links(apart(GROUPS, (0, first_m), (100, 40 + second_m), time_us=100_000), before=before)
    # Decorrelation distance 10 m of clear links; half of the variance is the pair's own, a quarter each station's.
    own, one, other = np.exp(-(first_m + second_m) / 10.0), np.exp(-first_m / 10.0), np.exp(-second_m / 10.0)
    expected = 0.5 * own + 0.25 * one + 0.25 * other
    found = correlation(shadowing_of(before, GROUPS, 2), shadowing_of(after, GROUPS, 2))
    assert found == pytest.approx(expected, abs=5.0 * np.sqrt(2.0 / GROUPS))


def test_a_station_keeps_its_part_while_it_has_no_neighbour():
    settings = {"common_share": 1.0}
    near, alone = snapshot([1, 2], [(0, 0), (100, 0)]), snapshot([1, 2], [(0, 0), (5_000, 0)], time_us=100_000)
    first = links(near, **settings)
    second = links(alone, before=first, **settings)
    third = links(snapshot([1, 3], [(0, 0), (0, 90)], time_us=200_000), before=second, **settings)
    assert third.carried.station_shadow[0] == first.carried.station_shadow[0]


def test_one_more_vehicle_changes_nobody_elses_draws():
    few, many = (
        snapshot([3, 5, 9], [(0, 0), (100, 30), (200, 90)]),
        snapshot([1, 3, 5, 9], [(0, 60), (0, 0), (100, 30), (200, 90)]),
    )
    alone, together = links(few), links(many)
    rows = together.pair(1, np.array([2, 3]))
    np.testing.assert_array_equal(together.shadowing_db[rows], alone.shadowing_db[:2])


# Blockage.


def blocked_twice(groups, *, one_vehicle, seed=1, **propagation):
    """Return the drawn losses behind vans of two links without a common end: behind one van, or behind one each."""
    places = (
        [(0, 0), (100, 0), (50, -60), (50, 60), (50, 0)]
        if one_vehicle
        else [(0, 0), (100, 0), (200, -60), (200, 60), (50, 0), (200, 0)]
    )
    spots = [(5_000.0 * group + x, y) for group in range(groups) for x, y in places]
    world = snapshot(range(len(spots)), spots)
    size, vans = len(places), range(4, len(places))
    stations = [group * size + k for group in range(groups) for k in range(4)]
    for van in vans:
        world.boxes.size_m[van::size] = (4.0, 4.0, 3.0)
    found = links(world, stations, shadowing=False, seed=seed, vehicle_blockage="tr37885", **propagation)
    draws = np.array([found.carried.blockage_draw[found.pair(4 * g, np.array([4 * g + 1]))[0]] for g in range(groups)])
    others = np.array(
        [found.carried.blockage_draw[found.pair(4 * g + 2, np.array([4 * g + 3]))[0]] for g in range(groups)]
    )
    return draws, others


@pytest.mark.parametrize(
    ("one_vehicle", "share", "expected"), [(True, 0.5, 0.5), (True, 1.0, 1.0), (True, 0.0, 0.0), (False, 0.5, 0.0)]
)
def test_links_behind_one_vehicle_correlate_by_the_share_and_those_behind_two_do_not(one_vehicle, share, expected):
    groups = 1_000
    one, other = blocked_twice(groups, one_vehicle=one_vehicle, common_share=share)
    assert (one != 0.0).all()
    # The variance of the product is 1 + r^2.
    assert correlation(one, other) == pytest.approx(expected, abs=5.0 * np.sqrt((1.0 + expected**2) / groups))
    assert float(np.mean(one**2)) == pytest.approx(1.0, abs=5.0 * np.sqrt(2.0 / groups))
    if share == 1.0:
        np.testing.assert_allclose(one, other)
