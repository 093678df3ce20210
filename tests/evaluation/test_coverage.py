"""Coverage of a perception matrix of a few cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation.coverage import Coverage, HeldMatrices
from v2xsim.evaluation.coverage import covered as covered_of
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED


def held(lower=((0, 0),), each=((),)):
    """Return the matrices that egos hold, given the corner of each ego's own one, and pairs of corner and codes for each ego."""
    count = np.cumsum([0, *(len(some) for some in each)])
    flat = [one for some in each for one in some]
    codes = np.array([code for _, code in flat], np.uint8) if flat else np.zeros((0, 1, 1), np.uint8)
    lowers = np.array([corner for corner, _ in flat], np.int64).reshape(-1, 2)
    return HeldMatrices(np.array(lower, np.int64), count[:-1], count[1:], np.arange(len(flat)), codes, lowers)


def covered(*matrices, told=()):
    """Return the coverage of one ego whose matrix begins at cell (0, 0) of the world."""
    return Coverage(*(column[0] for column in covered_of(*([matrix] for matrix in matrices), held(each=[told]))))


# Cells: seen free, seen occupied, filled by fusion, never seen, a building that nobody sees.
BEFORE = np.array([[FREE, OCCUPIED, UNOBSERVED, UNOBSERVED, UNOBSERVED]], np.uint8)
AFTER = np.array([[FREE, OCCUPIED, FREE, UNOBSERVED, UNOBSERVED]], np.uint8)
GROUND = np.array([[True, True, True, True, False]])


def test_shares_are_of_the_cells_outside_buildings():
    share = covered(BEFORE, AFTER, GROUND, np.ones((1, 5)))
    assert (share.before, share.after, share.blind_covered) == (0.5, 0.75, 0.5)


def test_the_blind_zone_is_weighted_by_relevance():
    assert covered(BEFORE, AFTER, GROUND, np.array([[9, 9, 3, 1, 9.0]])).blind_covered == pytest.approx(0.75)


def test_what_is_filled_but_was_not_blind_does_not_count_as_filled():
    own, fused = np.array([[UNOBSERVED, UNOBSERVED, FREE]], np.uint8), np.array([[FREE, UNOBSERVED, FREE]], np.uint8)
    assert covered(own, fused, np.ones((1, 3), bool), np.array([[3.0, 1.0, 9.0]])).blind_covered == 0.75


def test_a_cell_inside_a_building_is_covered_by_nobody():
    lit = AFTER.copy()
    lit[0, 4] = FREE
    assert covered(BEFORE, lit, GROUND, np.ones((1, 5))) == covered(BEFORE, AFTER, GROUND, np.ones((1, 5)))


def test_without_a_blind_zone_that_matters_there_is_no_share():
    assert np.isnan(covered(BEFORE, AFTER, GROUND, np.zeros((1, 5))).blind_covered)
    assert np.isnan(covered(FREE + 0 * BEFORE, AFTER, GROUND, np.ones((1, 5))).blind_covered)


def test_a_matrix_inside_a_building_has_no_open_cell_and_no_coverage():
    share = covered(BEFORE, AFTER, np.zeros((1, 5), bool), np.ones((1, 5)))
    assert (share.before, share.after) == (0.0, 0.0)


def test_a_single_open_cell_that_is_seen_is_full_coverage():
    share = covered(BEFORE, AFTER, np.array([[True, False, False, False, False]]), np.ones((1, 5)))
    assert (share.before, share.after) == (1.0, 1.0)


@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_all_egos_get_the_shares_of_plain_numpy(egos, side, seed):
    rng = np.random.default_rng(seed)
    before, after = rng.integers(0, 3, (2, egos, side, side)).astype(np.uint8)
    ground, weight = rng.random((egos, side, side)) < 0.8, rng.random((egos, side, side)) * (rng.random() < 0.9)
    expected = []
    for own, fused, is_open, relevance in zip(before, after, ground, weight, strict=True):
        cells, blind = max(1, is_open.sum()), (own == UNOBSERVED) & is_open
        total = relevance[blind].sum()
        filled = relevance[blind & (fused != UNOBSERVED)].sum() / total if total > 0 else np.nan
        expected.append(
            [((own != UNOBSERVED) & is_open).sum() / cells, ((fused != UNOBSERVED) & is_open).sum() / cells, filled]
        )
    nothing = held(np.zeros((egos, 2)), [()] * egos)
    share = covered_of(*map(list, (before, after, ground, weight)), nothing)
    assert np.column_stack(share[:3]).tobytes() == np.array(expected).tobytes()
    # Where no matrix was announced, all that fusion filled is beyond.
    assert share.blind_beyond.tobytes() == share.blind_covered.tobytes()
    assert (share.blind_told[np.isfinite(share.blind_told)] == 0.0).all()


# What announced matrices show


# A blind zone of weights 1, 2, 4 and 8; fusion fills the first and the third cell.
STRIP = np.zeros((1, 4), np.uint8), np.array([[FREE, 0, OCCUPIED, 0]], np.uint8), np.ones((1, 4), bool)
WEIGHT = np.array([[1.0, 2.0, 4.0, 8.0]])


def told(*matrices):
    """Return told, covered and beyond of the strip, in fifteenths of the blind weight."""
    share = covered(*STRIP, WEIGHT, told=matrices)
    return tuple(round(15 * part, 9) for part in (share.blind_told, share.blind_covered, share.blind_beyond))


def test_what_is_told_is_the_blind_cells_that_an_announced_matrix_observed():
    # It saw the first two cells: of what fusion filled, only the third one is beyond.
    assert told(((0, 0), [[FREE, OCCUPIED, 0, 0]])) == (3, 5, 4)


def test_an_announced_matrix_lies_where_its_corner_in_the_world_says():
    # The same codes one cell farther north.
    assert told(((0, 1), [[FREE, OCCUPIED, 0, 0]])) == (6, 5, 1)
    assert told(((1, 0), [[FREE, OCCUPIED, 0, 0]])) == (0, 5, 5)


def test_a_cell_that_two_matrices_observed_is_told_once():
    assert told(((0, 0), [[FREE, 0, 0, 0]]), ((0, -3), [[0, 0, 0, OCCUPIED]])) == (1, 5, 4)


def test_what_the_ego_sees_and_what_lies_in_a_building_is_not_told():
    share = covered(BEFORE, AFTER, GROUND, np.ones((1, 5)), told=[((0, 0), [[FREE] * 5])])
    assert (share.blind_told, share.blind_beyond) == (1.0, 0.0)


def test_without_a_blind_zone_that_matters_nothing_is_told_or_beyond():
    share = covered(*STRIP, 0 * WEIGHT, told=[((0, 0), [[FREE] * 4])])
    assert np.isnan(share.blind_told)
    assert np.isnan(share.blind_beyond)


def test_an_ego_that_does_not_hold_the_matrix_of_a_station_is_told_nothing_by_it():
    known = held(each=[[((0, 0), [[FREE] * 4])]])._replace(matrix=np.array([-1]))
    assert covered_of(*([part] for part in (*STRIP, WEIGHT)), known).blind_told[0] == 0.0


@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_told_and_beyond_are_those_of_plain_numpy_and_keep_their_laws(egos, side, most, seed):
    rng = np.random.default_rng(seed)
    before, after = rng.integers(0, 3, (2, egos, side, side)).astype(np.uint8)
    ground, weight = rng.random((egos, side, side)) < 0.8, rng.random((egos, side, side))
    lower, size = rng.integers(-9, 9, (egos, 2)), int(rng.integers(1, 2 * side + 1))
    each = [
        [(rng.integers(-12, 12, 2), rng.integers(0, 3, (size, size))) for _ in range(rng.integers(0, most + 1))]
        for _ in range(egos)
    ]
    share = covered_of(*map(list, (before, after, ground, weight)), held(lower, each))
    fewer = covered_of(*map(list, (before, after, ground, weight)), held(lower, [some[:-1] for some in each]))
    for e in range(egos):
        blind = (before[e] == UNOBSERVED) & ground[e]
        if not weight[e][blind].sum() > 0.0:
            continue
        shown = np.zeros((side, side), bool)
        for i, j in np.ndindex(side, side):
            for corner, code in each[e]:
                a, b = lower[e] + (i, j) - corner
                shown[i, j] |= 0 <= a < size and 0 <= b < size and code[a, b] != UNOBSERVED
        total = weight[e][blind].sum()
        assert share.blind_told[e] == pytest.approx(weight[e][blind & shown].sum() / total)
        beyond = weight[e][blind & ~shown & (after[e] != UNOBSERVED)].sum() / total
        assert share.blind_beyond[e] == pytest.approx(beyond)
        told_share, beyond_share, filled = share.blind_told[e], share.blind_beyond[e], share.blind_covered[e]
        assert told_share + beyond_share <= 1.0 + 1e-12
        assert beyond_share <= filled + 1e-12
        assert filled <= told_share + beyond_share + 1e-12
        # One more matrix shows more, so less is beyond.
        assert fewer.blind_told[e] <= told_share + 1e-12
        assert fewer.blind_beyond[e] >= beyond_share - 1e-12
