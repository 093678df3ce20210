"""Coverage of a perception matrix of a few cells."""

import numpy as np
import pytest

from v2xsim.evaluation.coverage import covered
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED

# Cells: seen free, seen occupied, filled by fusion, never seen, a building that nobody sees.
BEFORE = np.array([[FREE, OCCUPIED, UNOBSERVED, UNOBSERVED, UNOBSERVED]], np.uint8)
AFTER = np.array([[FREE, OCCUPIED, FREE, UNOBSERVED, UNOBSERVED]], np.uint8)
GROUND = np.array([[True, True, True, True, False]])


def test_shares_are_of_the_cells_outside_buildings():
    share = covered(BEFORE, AFTER, GROUND, np.ones((1, 5)))
    assert (share.before, share.after, share.blind_covered) == (0.5, 0.75, 0.5)


def test_the_blind_zone_is_weighted_by_relevance():
    assert covered(BEFORE, AFTER, GROUND, np.array([[9, 9, 3, 1, 9.0]])).blind_covered == pytest.approx(0.75)


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
