"""The links of a tick."""

import numpy as np
import pytest

from tests.engine.small_world import fleet_in, fleet_of, snapshot
from v2xsim.comms.channel.blockage.knife_edges import KnifeEdges
from v2xsim.comms.channel.building_loss.corner import Corner
from v2xsim.comms.channel.corners import corner_map
from v2xsim.comms.channel.states import drawn_states
from v2xsim.engine.channel import links as links_module
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


def links(world, rows=None, *, settings=QUIET, before=None, obstacles=OPEN, seed=1, corners=None):
    before = LinkBudget.none() if before is None else before
    return next_budget(before, fleet_in(world, rows), world, obstacles, settings, Streams(seed), corners)


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
    world = snapshot(range(3), [(0, 0), (60, 0), (0, 30)])
    plain = links(world, obstacles=HOUSE)
    round_corners = links(
        world, obstacles=HOUSE, settings=radio(shadowing=False, propagation={"building_loss": "corner"}),
        corners=corner_map(np.array([[30.0, 16.0]]), HOUSE),
    )  # fmt: skip
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


def noted(monkeypatch, name):
    """Return the arguments of each call of a function that the links call; it still does its work."""
    calls, work = [], getattr(links_module, name)

    def noting(*arguments):
        calls.append(arguments)
        return work(*arguments)

    monkeypatch.setattr(links_module, name, noting)
    return calls


def test_without_stations_there_is_no_link_and_no_power():
    nothing = LinkBudget.none()
    assert (len(nothing.agent), len(nothing.power_dbm), len(nothing.body_agent), nothing.field.stations) == (0, 0, 0, 0)
    assert nothing.tx_power_dbm == 0.0


def test_a_blocker_may_be_the_first_road_user_and_stand_on_a_bridge():
    world = snapshot([1, 2, 3], [(30, 0, 2.0), (0, 0, 0), (60, 0, 0)])
    found = links(world, [1, 2])
    assert found.state.tolist() == [NLOSV]
    assert found.blocker.tolist() == [0]
    assert found.blocker_height_m.tolist() == [3.5]


def test_the_vehicle_that_blocked_a_pair_is_tested_first_wherever_its_row_is_now(monkeypatch):
    agents, positions_m = [2, 3, 4, 5], [(0, 0), (30, 0), (60, 0), (0, 500)]
    first = links(tall(snapshot(agents, positions_m), 1), [0, 2, 3])
    # Pairs (2, 4), (2, 5) and (4, 5).
    assert first.blocker.tolist() == [1, -1, -1]
    calls = noted(monkeypatch, "pair_states")
    links(tall(snapshot([1, *agents], [(0, 900), *positions_m]), 2), [1, 3, 4], before=first)
    links(snapshot([2, 4, 5], [(0, 0), (60, 0), (0, 500)]), before=first)
    links(snapshot([1, *agents], [(0, 900), *positions_m]), [0, 1, 3], before=first)
    suspects = [call[6].tolist() for call in calls]
    # It moved to row 2; it left; station 5 made room for station 1, whose pairs are new.
    assert suspects == [[2, -1, -1], [-1, -1, -1], [-1, -1, 2]]


def tall(world, row):
    """Make a road user 2.5 m tall, above all antennas."""
    world.boxes.size_m[row, 2] = 2.5
    return world


def test_shadowing_decays_with_the_distance_that_each_station_moved(monkeypatch):
    first = links(snapshot([2, 4], [(0, 0), (60, 0)]))
    calls = noted(monkeypatch, "powers")
    links(snapshot([1, 2, 4], [(10, 0), (3, 4), (60, 0)], time_us=100_000), before=first)
    ((_, moved_m, *_),) = calls
    np.testing.assert_allclose(moved_m, [0.0, 5.0, 0.0])


def test_a_pair_continues_from_its_row_at_the_tick_before(monkeypatch):
    first = links(snapshot([2, 4, 6], [(0, 0), (60, 0), (90, 0)]))
    calls = noted(monkeypatch, "powers")
    links(snapshot([1, 4, 6], [(10, 0), (60, 0), (90, 0)], time_us=100_000), before=first)
    links(snapshot([1, 4, 6], [(10, 0), (60, 0), (90, 0)], time_us=100_000))
    (_, _, _, _, continued, *_), (_, _, _, _, new, *_) = calls
    assert continued.row.tolist() == [-1, -1, 2]
    assert continued.state is first.state
    assert continued.carried is first.carried
    assert new.row.tolist() == [-1, -1, -1]


def test_the_draws_of_a_link_are_keyed_by_both_stations_and_the_tick(monkeypatch):
    calls = noted(monkeypatch, "powers")
    links(snapshot([2, 4], [(0, 0), (60, 0)], time_us=100_000), seed=7)
    ((_, _, keys, tick_key, *_),) = calls
    # 53 random bits of each station, at the top of its key.
    np.testing.assert_array_equal(keys, np.floor(Streams(7).uniforms("link", np.array([2, 4]))[:, 0] * 2**53) * 2**11)
    assert tick_key == Streams(7).key("link.tick", 100_000)


def test_the_compiled_budget_computes_loss_and_blockage_itself_where_the_models_have_numbers_for_it(monkeypatch):
    calls = noted(monkeypatch, "powers")
    links(snapshot([2, 4], [(0, 0), (60, 0)]))
    ((*_, clear_db, more_db, gain_dbi, common),) = calls
    assert (len(clear_db), len(more_db), len(gain_dbi)) == (0, 0, 2)
    assert (common.share, len(common.blocker_key)) == (0.5, 2)


def test_the_budget_is_made_of_the_settings_of_the_scenario(monkeypatch):
    calls = noted(monkeypatch, "propagation")
    settings = radio(
        tx_power_dbm=17.0, carrier_ghz=5.8, shadowing=False, channel="tr37885_highway",
        propagation={"shadowing_sigma_db": 2.5, "decorrelation_m": 33.0, "vehicle_blockage": "none"},
    )  # fmt: skip
    found = links(snapshot([2, 4], [(0, 0), (60, 0)]), settings=settings)
    wave = settings.propagation
    assert calls == [
        (settings.channel, 5.8, 17.0, wave.vehicle_blockage, False, wave.shadowing_sigma_db, wave.decorrelation_m)
    ]
    assert found.tx_power_dbm == 17.0


def test_drawn_states_have_no_blocker():
    found = links(
        snapshot(range(12), [(60.0 * i, 0) for i in range(12)]),
        settings=radio(shadowing=False, propagation={"states": "tr37885"}),
    )
    assert NLOSV in found.state
    assert (found.blocker == -1).all()
    assert np.isnan(found.blocker_height_m).all()


def test_a_computed_blockage_loss_is_added_to_the_path_loss(monkeypatch):
    world = snapshot([1, 2, 3], [(30, 0), (0, 0), (60, 0)])
    tall(world, 0)
    calls = noted(monkeypatch, "blockage_of")
    blocked = links(world, [1, 2], settings=radio(shadowing=False, propagation={"vehicle_blockage": "knife_edges"}))
    clear = links(world, [1, 2], settings=radio(shadowing=False, propagation={"vehicle_blockage": "none"}))
    ((_, view),) = calls
    np.testing.assert_array_equal(view.antenna_m, [[0, 0, 1.6], [60, 0, 1.6]])
    assert (view.body.tolist(), view.first.tolist(), view.second.tolist()) == ([1, 2], [0], [1])
    assert (view.distance_m.tolist(), view.state.tolist(), view.case.tolist()) == ([60.0], [NLOSV], clear.case.tolist())
    assert (view.boxes, view.carrier_ghz) == (world.boxes, QUIET.carrier_ghz)
    loss_db = KnifeEdges().loss_db(view)
    assert loss_db[0] > 1.0
    np.testing.assert_allclose(blocked.loss_db - clear.loss_db, loss_db)


def test_a_path_loss_that_is_no_line_is_computed_for_each_link(monkeypatch):
    calls = noted(monkeypatch, "loss_of")
    world = snapshot(range(3), [(0, 0), (100, 0), (0, 50)], antenna_m=[1.0, 2.0, 3.0])
    settings = radio(shadowing=False, channel="two_ray", carrier_ghz=5.8)
    found = links(world, settings=settings)
    ((_, view),) = calls
    # Pairs (0, 1), (0, 2), (1, 2).
    np.testing.assert_allclose(view.distance_m, found.distance_m)
    assert (view.first_height_m.tolist(), view.second_height_m.tolist()) == ([1.0, 1.0, 2.0], [2.0, 3.0, 3.0])
    assert (view.state.tolist(), view.carrier_ghz) == ([LOS] * 3, 5.8)
    np.testing.assert_allclose(found.loss_db, settings.channel.loss_db(view))


@pytest.mark.parametrize("channel", ["tr37885_urban", "two_ray"])
def test_a_loss_round_a_corner_follows_the_corners_of_the_map(monkeypatch, channel):
    calls = noted(monkeypatch, "building_loss_of")
    world = snapshot(range(3), [(0, 0), (0, 30), (60, 0)], antenna_m=[1.0, 2.0, 3.0])
    settings = {"shadowing": False, "channel": channel}
    plain = links(world, obstacles=HOUSE, settings=radio(**settings))
    settings = radio(**settings, propagation={"building_loss": "corner"})
    found = links(world, obstacles=HOUSE, settings=settings, corners=corner_map(np.array([[30.0, 16.0]]), HOUSE))
    # Pairs (0, 1), (0, 2), (1, 2): only the second is hidden.
    ((_, view),) = calls
    assert found.state.tolist() == [LOS, NLOSB, LOS]
    np.testing.assert_array_equal(view.first_m, [[0, 0, 1.0]])
    np.testing.assert_array_equal(view.second_m, [[60, 0, 3.0]])
    np.testing.assert_allclose([view.legs_m[0], view.legs_m[1]], 34.0)
    assert found.corners.tolist() == [-1, 1, -1]
    np.testing.assert_allclose(view.direct_db, plain.loss_db[[1]])
    np.testing.assert_allclose(found.loss_db, [plain.loss_db[0], Corner().loss_db(view)[0], plain.loss_db[2]])


def test_antenna_gains_go_by_kind_for_the_first_car_too_and_not_for_roadside_units():
    world = snapshot([1, 2], [(0, 0), (100, 0)])
    world.kind[:] = KINDS.index("truck")
    settings = radio(shadowing=False, antenna_gain_dbi=1.0, propagation={"gain_by_kind_dbi": {"truck": 7.0}})
    cars = fleet_in(world)
    cars.row[1] = -1
    found = next_budget(LinkBudget.none(), cars, world, OPEN, settings, Streams(1))
    assert found.gain_dbi.tolist() == [7.0, 1.0]
    empty = next_budget(
        LinkBudget.none(), fleet_of([3], [(0, 0)], rows=[-1]), snapshot([], []), OPEN, settings, Streams(1)
    )
    assert empty.gain_dbi.tolist() == [1.0]


def test_each_direction_of_a_link_fades_by_the_shape_of_its_pair():
    settings = radio(shadowing=False, propagation={"fading": "nakagami"})
    found = links(snapshot(range(3), [(0, 0), (20, 0), (220, 0)]), settings=settings)
    # Torrent-Moreno: m is 3 below 50 m and 1 from 150 m on. Links by sender: 0-1, 0-2, 1-0, 1-2, 2-0, 2-1.
    assert found.field.nakagami_m.tolist() == [3.0, 1.0, 3.0, 1.0, 1.0, 1.0]


def test_links_that_do_not_fade_have_no_shape():
    found = links(
        snapshot(range(2), [(0, 0), (20, 0)]), settings=radio(shadowing=False, propagation={"fading": "none"})
    )
    assert len(found.field.nakagami_m) == 0


def test_a_budget_remembers_stations_and_bodies():
    world = snapshot([1, 2, 3], [(30, 0, 1.0), (0, 0, 0), (60, 0, 0)])
    found = links(world, [1, 2])
    assert (found.agent.tolist(), found.body_agent.tolist()) == ([2, 3], [1, 2, 3])
    np.testing.assert_array_equal(found.antenna_m, [[0, 0, 1.6], [60, 0, 1.6]])
    assert found.body_top_m.tolist() == [2.5, 1.5, 1.5]
