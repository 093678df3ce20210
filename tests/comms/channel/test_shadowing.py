"""Shadowing over pairs of stations, and pair arrays when stations come and go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.channel.propagation import propagation
from v2xsim.comms.channel.received_power import Before, Carried, PairStates, powers
from v2xsim.comms.pairs import kept_rows, rekeyed
from v2xsim.records import LOS, NLOSB, NLOSV

PAIRS = 20_000
SIGMA_DB = {LOS: 3.0, NLOSV: 3.0, NLOSB: 4.0}


def moved(unit, state, first_m, second_m, tick=7):
    """Return the process and the shadowing of lone pairs after their ends have moved so far."""
    place = np.zeros((2 * PAIRS, 2))
    place[0::2, 0] = place[1::2, 0] = 1e6 * np.arange(PAIRS)
    near = neighbours(place, 1.0)
    states, none = np.full(PAIRS, state, np.int8), np.zeros(PAIRS)
    old_pair = np.full(PAIRS, -1, np.int32) if unit is None else np.arange(PAIRS, dtype=np.int32)
    carried, _, shadowing_db, _ = powers(
        PairStates(near, np.full(PAIRS, 100.0), states, np.zeros(PAIRS, np.int8)), np.tile([first_m, second_m], PAIRS),
        np.arange(2 * PAIRS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), tick,
        Before(old_pair, states, Carried(none if unit is None else unit, none)), propagation(Tr37885Urban(), 5.9, 23.0),
    )  # fmt: skip
    return carried.unit_shadow, shadowing_db


def kept(before, after):
    """Return the share of the process that is still there: the correlation."""
    return float(np.corrcoef(before, after)[0, 1])


def test_a_parked_pair_keeps_its_shadowing():
    unit, _ = moved(None, LOS, 0.0, 0.0)
    assert np.array_equal(moved(unit, LOS, 0.0, 0.0, tick=8)[0], unit)


# The standard error of a correlation r over so many pairs is (1 - r^2) / sqrt(PAIRS), below 0.0071; five of those.


@pytest.mark.parametrize(("state", "decorrelation_m"), [(LOS, 10.0), (NLOSV, 13.0), (NLOSB, 13.0)])
def test_shadowing_keeps_a_share_of_1_over_e_after_the_decorrelation_distance(state, decorrelation_m):
    unit, _ = moved(None, state, 0.0, 0.0)
    assert kept(unit, moved(unit, state, decorrelation_m, 0.0, tick=8)[0]) == pytest.approx(np.exp(-1), abs=0.035)


def test_the_way_of_both_ends_of_a_pair_counts():
    unit, _ = moved(None, LOS, 0.0, 0.0)
    assert kept(unit, moved(unit, LOS, 4.0, 6.0, tick=8)[0]) == pytest.approx(np.exp(-1), abs=0.035)


def test_two_short_ways_decorrelate_as_much_as_the_long_one():
    unit, _ = moved(None, LOS, 0.0, 0.0)
    half, _ = moved(unit, LOS, 5.0, 0.0, tick=8)
    assert kept(unit, moved(half, LOS, 0.0, 5.0, tick=9)[0]) == pytest.approx(np.exp(-1), abs=0.035)


def test_shadowing_keeps_unit_variance_over_many_steps():
    unit, _ = moved(None, LOS, 0.0, 0.0)
    for tick in range(8, 13):
        unit, _ = moved(unit, LOS, 3.0, 3.0, tick)
    # The standard error of the variance of so many normals is 0.01.
    assert np.var(unit) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("state", [LOS, NLOSV, NLOSB])
def test_a_building_widens_the_spread_from_3_to_4_db(state):
    unit, shadowing_db = moved(None, state, 0.0, 0.0)
    np.testing.assert_allclose(shadowing_db, SIGMA_DB[state] * unit)


AGENTS = st.lists(st.integers(0, 30), unique=True, max_size=8).map(lambda ids: np.array(ids, np.int64))


@given(AGENTS, AGENTS)
def test_a_pair_that_stays_keeps_its_entry_and_a_new_pair_gets_the_fill(old, new):
    matrix = old[:, None] * 100.0 + old[None, :]
    expected = [[a * 100.0 + b if {a, b} <= set(old) else -7.0 for b in new] for a in new]
    assert np.array_equal(rekeyed(old, new, matrix, -7.0), np.array(expected).reshape(len(new), len(new)))


@given(AGENTS)
def test_stations_that_all_stay_find_their_old_rows(agents):
    assert np.array_equal(kept_rows(agents, agents), np.arange(len(agents)))
