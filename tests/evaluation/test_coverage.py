"""Coverage of a perception matrix of a few cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation.coverage import Coverage
from v2xsim.evaluation.coverage import covered as covered_of
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED


def covered(*matrices):
    """Return the coverage of one ego."""
    return Coverage(*(column[0] for column in covered_of(*([matrix] for matrix in matrices))))


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
    assert (
        np.column_stack(covered_of(*map(list, (before, after, ground, weight)))).tobytes()
        == np.array(expected).tobytes()
    )
