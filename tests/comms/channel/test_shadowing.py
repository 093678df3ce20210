"""Shadowing over pairs of stations, and pair arrays when stations come and go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.comms.channel.shadowing import shadow_db, step
from v2xsim.comms.pairs import kept_rows, mirrored, pair_rows, rekeyed
from v2xsim.records import LOS, NLOSB, NLOSV

NORMAL = st.floats(-5, 5)


@given(
    arrays(float, 6, elements=NORMAL), arrays(float, 6, elements=NORMAL), arrays(float, 4, elements=st.floats(0, 50))
)
def test_a_link_fades_alike_in_both_directions(unit, innovation, moved_m):
    after = step(mirrored(unit, 4), moved_m, np.zeros((4, 4), np.int8), mirrored(innovation, 4))
    assert np.array_equal(after, after.T)


def test_a_parked_pair_keeps_its_shadowing():
    unit, fresh = np.array([[0.0, 1.5], [1.5, 0.0]]), np.ones((2, 2))
    assert np.array_equal(step(unit, np.zeros(2), np.zeros((2, 2), np.int8), fresh), unit)


@pytest.mark.parametrize(("state", "decorrelation_m"), [(LOS, 10.0), (NLOSV, 13.0), (NLOSB, 13.0)])
def test_shadowing_keeps_a_share_of_1_over_e_after_the_decorrelation_distance(state, decorrelation_m):
    after = step(np.ones((1, 1)), np.full((1, 1), decorrelation_m), np.full((1, 1), state, np.int8), np.zeros((1, 1)))
    assert after[0, 0] == pytest.approx(np.exp(-1))


def test_the_way_of_both_ends_of_a_pair_counts():
    moved_m, state, none = np.array([4.0, 6.0]), np.full((2, 2), LOS, np.int8), np.zeros((2, 2))
    assert step(np.ones((2, 2)), moved_m, state, none)[0, 1] == pytest.approx(np.exp(-1))


def test_shadowing_keeps_unit_variance_over_many_steps():
    # 400 x 400 / 2 pairs: the sample variance of as many normals is within 0.02 of 1 but once in 10^8 seeds.
    generator = np.random.default_rng(7)
    draws = [mirrored(generator.standard_normal(400 * 399 // 2), 400) for _ in range(6)]
    unit, state = draws[0], np.full((400, 400), LOS, np.int8)
    for innovation in draws[1:]:
        unit = step(unit, np.full(400, 3.0), state, innovation)
    assert np.var(unit[pair_rows(400)]) == pytest.approx(1.0, abs=0.03)


def test_two_short_ways_decorrelate_as_much_as_the_long_one():
    state, none, unit = np.full((2, 2), NLOSV, np.int8), np.zeros((2, 2)), np.ones((2, 2))
    twice = step(step(unit, np.full(2, 2.0), state, none), np.full(2, 3.0), state, none)
    np.testing.assert_allclose(twice, step(unit, np.full(2, 5.0), state, none))


def test_a_building_widens_the_spread_from_3_to_4_db():
    state = np.array([[LOS, NLOSV], [NLOSB, LOS]])
    assert shadow_db(np.ones((2, 2)), state).tolist() == [[3.0, 3.0], [4.0, 3.0]]


AGENTS = st.lists(st.integers(0, 30), unique=True, max_size=8).map(lambda ids: np.array(ids, np.int64))


@given(AGENTS, AGENTS)
def test_a_pair_that_stays_keeps_its_entry_and_a_new_pair_gets_the_fill(old, new):
    matrix = old[:, None] * 100.0 + old[None, :]
    expected = [[a * 100.0 + b if {a, b} <= set(old) else -7.0 for b in new] for a in new]
    assert np.array_equal(rekeyed(old, new, matrix, -7.0), np.array(expected).reshape(len(new), len(new)))


@given(AGENTS)
def test_stations_that_all_stay_find_their_old_rows(agents):
    assert np.array_equal(kept_rows(agents, agents), np.arange(len(agents)))
