"""The power over a link, term by term, and what pairs carry from tick to tick."""

import numpy as np
import pytest

from v2xsim.comms.channel.blockage.none import NoBlockage
from v2xsim.comms.channel.blockage.tr37885 import Tr37885Blockage
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.path_loss.abbas_urban import AbbasUrban
from v2xsim.comms.channel.path_loss.free_space import FreeSpace
from v2xsim.comms.channel.path_loss.winner_b1 import WinnerB1
from v2xsim.comms.channel.propagation import propagation
from v2xsim.comms.channel.received_power import Before, Carried, PairStates, Propagation, powers, same_pairs
from v2xsim.records import LOS, NLOSB, NLOSV

PAIRS = 500
NO_PAIRS = np.zeros(0)
KEYS = np.arange(1, 2 * PAIRS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def lone_pairs(count):
    """Return pairs of stations that stand 1 m apart, far from all others."""
    place = np.zeros((2 * count, 2))
    place[:, 0] = np.repeat(1e4 * np.arange(count), 2)
    place[1::2, 1] = 1.0
    return neighbours(place, 5.0)


def over_pairs(model, distance_m, state=LOS, case=0, *, tick=7, before=None, old_state=None, moved_m=0.0, **more):
    """Return what pairs carry, their loss, their shadowing, and the power of each in dBm, for equal distances."""
    count = len(distance_m)
    fresh = before is None
    carried, loss_db, shadow_db, power_mw = powers(
        PairStates(
            lone_pairs(count), np.array(distance_m, float), np.full(count, state, np.int8), np.full(count, case, np.int8)
        ),
        np.full(2 * count, moved_m), KEYS[: 2 * count], tick,
        Before.nothing(count) if fresh else Before(
            np.arange(count, dtype=np.int32), np.full(count, state if old_state is None else old_state, np.int8), before
        ),
        model, **more,
    )  # fmt: skip
    return carried, loss_db, shadow_db, 10.0 * np.log10(power_mw[0::2])


def flat(**more) -> Propagation:
    """Return a model of 80 dB at every distance, 23 dBm, without anything else."""
    given = {
        "loss_rows": np.tile(np.array([[0.0, 80.0, 0.0]]), (3, 1, 1)),
        "blockage_mean_db": np.zeros(4),
        "blockage_sigma_db": np.zeros(4),
        "shadowing_sigma_db": np.zeros(3),
        "decorrelation_m": np.full(3, 10.0),
        "power_dbm": 23.0,
    }
    return Propagation(**{**given, **more})


def test_power_is_what_is_sent_less_the_loss():
    _, loss_db, shadow_db, power_dbm = over_pairs(flat(), [50.0])
    assert (loss_db[0], shadow_db[0]) == (80.0, 0.0)
    assert power_dbm[0] == pytest.approx(23.0 - 80.0)


def test_antennas_of_both_ends_add_their_gain():
    _, _, _, power_dbm = over_pairs(flat(), [50.0], gain_db=np.array([3.0, 2.0]))
    assert power_dbm[0] == pytest.approx(23.0 - 80.0 + 5.0)


def test_a_loss_that_is_given_takes_the_place_of_the_models():
    _, loss_db, _, _ = over_pairs(flat(), [50.0], clear_db=np.array([61.0]))
    assert loss_db[0] == 61.0


def test_what_is_to_be_added_comes_on_top_of_the_loss():
    _, loss_db, _, _ = over_pairs(flat(), [50.0], clear_db=np.array([61.0]), more_db=np.array([7.0]))
    assert loss_db[0] == 68.0


def test_both_directions_of_a_link_have_one_power():
    model = flat(shadowing_sigma_db=np.full(3, 4.0))
    _, _, _, power_mw = powers(
        PairStates(lone_pairs(3), np.full(3, 50.0), np.zeros(3, np.int8), np.zeros(3, np.int8)), np.zeros(6), KEYS[:6], 7,
        Before.nothing(3), model,
    )  # fmt: skip
    assert (power_mw[0::2] == power_mw[1::2]).all()
    assert len(set(power_mw.tolist())) == 3


def test_shadowing_takes_power_away_as_it_says():
    _, loss_db, shadow_db, power_dbm = over_pairs(flat(shadowing_sigma_db=np.full(3, 4.0)), [50.0] * 9)
    np.testing.assert_allclose(power_dbm, 23.0 - loss_db - shadow_db)
    assert np.abs(shadow_db).max() > 1.0


BLOCKED = {"blockage_mean_db": np.array([0.0, 0.0, 9.0, 5.0]), "blockage_sigma_db": np.array([0.0, 0.0, 4.5, 4.0])}


@pytest.mark.parametrize(("case", "mean_db", "sigma_db"), [(2, 9.0, 4.5), (3, 5.0, 4.0)])
def test_a_vehicle_in_the_way_costs_its_draw_and_never_less_than_nothing(case, mean_db, sigma_db):
    carried, loss_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * PAIRS, NLOSV, case)
    np.testing.assert_allclose(loss_db - 80.0, np.maximum(0.0, mean_db + sigma_db * carried.blockage_draw), atol=1e-9)
    # Some draws are cut off at zero: two in a hundred behind trucks, one in ten between.
    assert (loss_db == 80.0).any()


def test_far_away_a_vehicle_in_the_way_costs_more():
    # 15 log10(1000) - 41 = 4 dB.
    still = {**BLOCKED, "blockage_sigma_db": np.zeros(4)}
    losses = [over_pairs(flat(**still), [distance_m], NLOSV, 2)[1][0] for distance_m in (500.0, 1000.0)]
    np.testing.assert_allclose(losses, [89.0, 93.0])


@pytest.mark.parametrize(("state", "case"), [(LOS, 0), (NLOSB, 0), (NLOSV, 1)])
def test_where_no_vehicle_is_higher_than_an_antenna_none_costs_anything(state, case):
    _, loss_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * 20, state, case)
    assert (loss_db == 80.0).all()


def test_one_draw_holds_for_a_whole_blockage_episode():
    first, loss_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * 20, NLOSV, 2)
    _, later_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * 20, NLOSV, 2, tick=8, before=first)
    assert (later_db == loss_db).all()


@pytest.mark.parametrize("between", [LOS, NLOSB])
def test_a_link_that_was_clear_or_behind_a_building_draws_again(between):
    first, loss_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * 20, NLOSV, 2)
    _, later_db, _, _ = over_pairs(flat(**BLOCKED), [50.0] * 20, NLOSV, 2, tick=8, before=first, old_state=between)
    assert (later_db != loss_db).sum() > 15


def test_a_pair_that_moves_keeps_the_share_of_its_shadowing_that_the_distance_leaves():
    # Both ends move by 2 m at a decorrelation of 10 m: exp(-0.4) is kept, sqrt(1 - exp(-0.8)) of a normal number added.
    model = flat(shadowing_sigma_db=np.full(3, 1.0))
    zero = Carried(np.zeros(PAIRS), np.zeros(PAIRS))
    two = Carried(np.full(PAIRS, 2.0), np.zeros(PAIRS))
    fresh = over_pairs(model, [50.0] * PAIRS, before=zero, moved_m=2.0)[2]
    after = over_pairs(model, [50.0] * PAIRS, before=two, moved_m=2.0)[2]
    np.testing.assert_allclose(after - fresh, 2.0 * np.exp(-0.4))
    # Five standard errors of a standard deviation.
    expected = np.sqrt(1.0 - np.exp(-0.8))
    assert fresh.std() == pytest.approx(expected, abs=5 * expected / np.sqrt(2 * PAIRS))


def test_shadowing_and_blockage_draw_with_other_luck_at_another_tick():
    model = flat(shadowing_sigma_db=np.full(3, 1.0), **BLOCKED)
    one, other = (over_pairs(model, [50.0] * 20, NLOSV, 2, tick=tick) for tick in (7, 8))
    assert (one[0].unit_shadow != other[0].unit_shadow).all()
    assert (one[0].blockage_draw != other[0].blockage_draw).all()
    assert (one[0].unit_shadow != one[0].blockage_draw).all()


def test_touching_stations_lose_what_the_first_piece_begins_with():
    rows = np.tile(np.array([[0.0, 50.0, 20.0]]), (3, 1, 1))
    _, loss_db, _, _ = over_pairs(flat(loss_rows=rows), [0.0])
    assert loss_db[0] == pytest.approx(50.0)


def test_each_piece_of_a_loss_holds_from_its_own_distance_on():
    rows = np.tile(np.array([[0.0, 50.0, 20.0], [2.0, 10.0, 40.0]]), (3, 1, 1))
    _, loss_db, _, _ = over_pairs(flat(loss_rows=rows), [10.0, 99.9, 100.1, 1000.0])
    np.testing.assert_allclose(loss_db, [70.0, 50 + 20 * np.log10(99.9), 10 + 40 * np.log10(100.1), 130.0])


# What the link budget takes from the models.


def test_without_shadowing_its_deviation_is_nothing_in_every_state():
    assert propagation(FreeSpace(), 5.9, 23.0, shadowing=False).shadowing_sigma_db.tolist() == [0.0] * 3


def test_shadowing_is_that_of_the_path_loss_model_unless_given():
    own, given = (
        propagation(WinnerB1(), 5.9, 23.0),
        propagation(WinnerB1(), 5.9, 23.0, sigma_db=7.0, decorrelation_m=25.0),
    )
    assert (own.shadowing_sigma_db.tolist(), own.decorrelation_m.tolist()) == ([3.0, 3.0, 4.0], [10.0] * 3)
    assert (given.shadowing_sigma_db.tolist(), given.decorrelation_m.tolist()) == ([7.0] * 3, [25.0] * 3)


def test_a_model_that_includes_vehicles_takes_no_blockage_on_top():
    assert propagation(AbbasUrban(), 5.9, 23.0, Tr37885Blockage()).blockage_mean_db.tolist() == [0.0] * 4
    assert propagation(FreeSpace(), 5.9, 23.0, Tr37885Blockage()).blockage_mean_db.tolist() == [0.0, 0.0, 9.0, 5.0]
    assert propagation(FreeSpace(), 5.9, 23.0, Tr37885Blockage()).blockage_sigma_db.tolist() == [0.0, 0.0, 4.5, 4.0]
    assert propagation(FreeSpace(), 5.9, 23.0, NoBlockage()).blockage_mean_db.tolist() == [0.0] * 4
    assert propagation(FreeSpace(), 5.9, 23.0).blockage_sigma_db.tolist() == [0.0] * 4


# Pairs.


def test_a_pair_is_found_where_both_its_stations_were():
    before = neighbours(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]), 10.0)
    now = neighbours(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]), 10.0)
    # Rows 0, 1, 2 now are row 0, a newcomer, and row 3 of before: the pair (0, 3) was the third.
    assert same_pairs(before, now, np.array([0, -1, 3])).tolist() == [-1, 2, -1]


def test_stations_at_the_range_are_neighbours_and_farther_ones_are_not():
    near = neighbours(np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.001]]), 10.0)
    assert list(zip(near.first.tolist(), near.second.tolist(), strict=True)) == [(0, 1)]


def test_links_of_a_station_lead_to_their_pairs():
    near = neighbours(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [900.0, 0.0]]), 10.0)
    assert [list(map(int, near.of(1)[k])) for k in (0, 1)] == [[0, 2], [0, 2]]
    assert near.pairs(2, np.array([0, 1, 3])).tolist() == [1, 2, -1]
    assert near.pairs(3, np.array([0, 1])).tolist() == [-1, -1]


def test_nobody_has_no_neighbours():
    near = neighbours(np.zeros((0, 2)), 10.0)
    assert (len(near.first), near.offset.tolist(), near.pair_offset.tolist()) == (0, [0], [0])
