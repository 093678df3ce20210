"""The links of a tick."""

import numpy as np
import pytest

from tests.engine.small_world import fleet_in, snapshot
from v2xsim.comms.channel.states import drawn_states
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.records import LOS, NLOSB, NLOSV, Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams
from v2xsim.world.road_users import KINDS

OPEN = indexed(Prisms.none())
HOUSE = indexed(
    Prisms(
        np.array([[20.0, -5.0], [40.0, -5.0], [40.0, 5.0], [20.0, 5.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 9.0)
    )
)


def radio(**settings):
    scenario = {"traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}, "radio": settings}
    return Scenario.model_validate(scenario).radio


QUIET = radio(shadowing=False)


def links(world, rows=None, *, settings=QUIET, before=None, obstacles=OPEN, seed=1):
    before = LinkBudget.none() if before is None else before
    return next_budget(before, fleet_in(world, rows), world, obstacles, settings, Streams(seed))


def test_stations_farther_apart_than_the_range_have_no_link():
    found = links(snapshot(range(3), [(0, 0), (99, 0), (250, 0)]), settings=radio(range_m=150, shadowing=False))
    assert list(zip(found.near.first, found.near.second, strict=True)) == [(0, 1)]
    np.testing.assert_allclose(found.distance_m, [99.0])


def test_an_open_link_is_clear_and_loses_what_tr_37885_says():
    found = links(snapshot(range(2), [(0, 0), (100, 0)]))
    assert found.state.tolist() == [LOS]
    # 3GPP TR 37.885, Table 6.2.1-1, urban: 38.77 + 16.7 lg d + 18.2 lg f.
    np.testing.assert_allclose(found.loss_db, [38.77 + 16.7 * 2 + 18.2 * np.log10(5.9)], atol=1e-6)


def test_a_house_in_between_makes_a_link_nlosb():
    assert links(snapshot(range(2), [(0, 0), (60, 0)]), obstacles=HOUSE).state.tolist() == [NLOSB]


def test_a_car_that_is_no_station_blocks_too_and_its_height_is_known():
    world = snapshot([1, 2, 3], [(0, 0), (30, 0), (60, 0)])
    world.boxes.size_m[1] = (4.0, 2.0, 2.5)
    found = links(world, [0, 2])
    assert found.state.tolist() == [NLOSV]
    assert found.blocker_height_m.tolist() == [2.5]


def test_a_link_that_nobody_blocks_has_no_blocker_height():
    assert np.isnan(links(snapshot(range(2), [(0, 0), (60, 0)])).blocker_height_m).all()
    assert np.isnan(LinkBudget.none().blocker_height_m).all()


def test_roadside_units_without_traffic_have_links_without_blockers():
    cars = fleet_in(snapshot(range(2), [(0, 0), (60, 0)]))
    cars.row[:] = -1
    found = next_budget(LinkBudget.none(), cars, snapshot([], []), OPEN, QUIET, Streams(1))
    assert len(found.distance_m) == 1
    assert np.isnan(found.blocker_height_m).all()


def test_received_power_is_transmitted_power_and_both_gains_less_both_losses():
    settings = radio(tx_power_dbm=20.0, antenna_gain_dbi=3.0)
    found = links(snapshot(range(2), [(0, 0), (100, 0)]), settings=settings)
    expected = 20.0 + 3.0 + 3.0 - found.loss_db - found.shadowing_db
    np.testing.assert_allclose(found.power_dbm, expected, atol=1e-9)
    np.testing.assert_allclose(10.0 * np.log10(found.field.power_mw), np.repeat(expected, 2), atol=1e-5)


def test_a_kind_of_vehicle_can_have_a_gain_of_its_own():
    settings = radio(shadowing=False, propagation={"gain_by_kind_dbi": {"truck": 7.0}})
    world = snapshot(range(2), [(0, 0), (100, 0)])
    world.kind[1] = KINDS.index("truck")
    louder, plain = links(world, settings=settings), links(world)
    np.testing.assert_allclose(louder.power_dbm - plain.power_dbm, 7.0, atol=1e-9)


def test_a_pair_keeps_its_shadowing_while_nobody_moves():
    settings = radio(shadowing=True)
    first = links(snapshot(range(2), [(0, 0), (100, 0)]), settings=settings)
    second = links(snapshot(range(2), [(0, 0), (100, 0)], time_us=100_000), settings=settings, before=first)
    np.testing.assert_array_equal(second.shadowing_db, first.shadowing_db)
    assert first.shadowing_db[0] != 0.0


def test_a_pair_forgets_its_shadowing_over_many_decorrelation_distances():
    settings = radio(shadowing=True)
    first = links(snapshot(range(40), [(20.0 * i, 0) for i in range(40)]), settings=settings)
    moved = links(
        snapshot(range(40), [(20.0 * i, 2000) for i in range(40)], time_us=100_000), settings=settings, before=first
    )
    # 780 pairs: four deviations of a sample correlation of zero are 0.14.
    assert abs(np.corrcoef(first.carried.unit_shadow, moved.carried.unit_shadow)[0, 1]) < 0.14


def test_a_pair_keeps_its_shadowing_when_another_station_comes_before_it():
    settings = radio(shadowing=True)
    world = snapshot([3, 5, 9], [(0, 0), (50, 0), (100, 0)])
    first = links(world, [1, 2], settings=settings)
    second = links(snapshot([3, 5, 9], [(0, 0), (50, 0), (100, 0)], time_us=100_000), settings=settings, before=first)
    pair = second.pair(1, np.array([2]))
    np.testing.assert_allclose(second.shadowing_db[pair], first.shadowing_db)


def test_the_shadowing_of_a_pair_depends_on_no_other_station():
    settings = radio(shadowing=True)
    world = snapshot([3, 5, 9], [(0, 0), (50, 0), (100, 0)])
    alone, together = links(world, [1, 2], settings=settings), links(world, settings=settings)
    np.testing.assert_array_equal(alone.shadowing_db, together.shadowing_db[together.pair(1, np.array([2]))])


def test_links_are_the_same_seen_from_both_ends():
    found = links(snapshot(range(3), [(0, 0), (50, 10), (100, 0)]))
    for row in range(3):
        others, pair = found.of(row)
        assert others.tolist() == [r for r in range(3) if r != row]
        for other, p in zip(others, pair, strict=True):
            assert found.pair(int(other), np.array([row]))[0] == p


def test_a_pair_out_of_range_is_minus_one():
    found = links(snapshot(range(3), [(0, 0), (50, 0), (5000, 0)]))
    assert found.pair(0, np.array([1, 2])).tolist() == [0, -1]


def test_drawn_states_depend_on_the_pair_and_stay():
    settings = radio(shadowing=False, propagation={"states": "tr37885"})
    world = snapshot(range(12), [(60.0 * i, 0) for i in range(12)])
    first = links(world, settings=settings)
    np.testing.assert_array_equal(links(world, settings=settings, before=first).state, first.state)
    assert len(set(first.state.tolist())) > 1


def test_drawn_states_go_by_distance_and_both_antenna_heights():
    world = snapshot(range(12), [(40.0 * i, 7.0 * i) for i in range(12)])
    world.antenna_height_m[:] = np.linspace(1.0, 4.0, 12)
    found = links(world, settings=radio(shadowing=False, propagation={"states": "tr37885"}))
    first, second = found.near.first, found.near.second
    antenna = np.column_stack([world.boxes.center_m[:, :2], world.antenna_height_m])
    np.testing.assert_allclose(found.distance_m, np.linalg.norm(antenna[first] - antenna[second], axis=1))
    draws = Streams(1).uniforms("link.state", world.agent[first], world.agent[second], count=2)
    low, high = (pick(antenna[first, 2], antenna[second, 2]) for pick in (np.minimum, np.maximum))
    state, case = drawn_states("tr37885", True, found.distance_m, low, high, draws)
    np.testing.assert_array_equal(found.state, state)
    np.testing.assert_array_equal(found.case, case)
    assert set(case.tolist()) > {0, 3}


def test_a_loss_that_follows_streets_replaces_that_of_links_behind_buildings_alone():
    world = snapshot(range(3), [(0, 0), (60, 0), (0, 30)], yaw_rad=[0.0, np.pi / 2, 0.0])
    plain = links(world, obstacles=HOUSE)
    round_corners = links(
        world, obstacles=HOUSE, settings=radio(shadowing=False, propagation={"building_loss": "corner"})
    )
    hidden = plain.state == NLOSB
    assert hidden.tolist() == [True, False, False]
    assert (plain.loss_db != round_corners.loss_db).tolist() == [True, False, False]


@pytest.mark.parametrize("fading", ["nakagami", "rician"])
def test_links_that_fade_have_a_shape_for_each_link(fading):
    found = links(
        snapshot(range(2), [(0, 0), (100, 0)]), settings=radio(shadowing=False, propagation={"fading": fading})
    )
    assert len(found.field.nakagami_m) == len(found.field.other) == 2


def test_nobody_has_no_links():
    assert len(LinkBudget.none().near.first) == 0
    assert len(links(snapshot([], [])).near.first) == 0
