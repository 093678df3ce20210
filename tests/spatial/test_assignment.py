"""The compiled assignment of rows to columns is that of scipy, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from v2xsim.spatial.assignment import assigned_columns

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=8)


def by_scipy(cost):
    column_of = np.full(len(cost), -1)
    rows, columns = linear_sum_assignment(cost)
    column_of[rows] = columns
    return column_of.tolist()


@given(arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6)))
def test_any_costs_are_assigned_as_by_scipy(cost):
    assert assigned_columns(cost).tolist() == by_scipy(cost)


@given(arrays(np.float64, SHAPES, elements=st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 12.3])))
def test_of_equally_cheap_assignments_it_is_the_one_of_scipy(cost):
    assert assigned_columns(cost).tolist() == by_scipy(cost)


@pytest.mark.parametrize("shape", [(70, 70), (40, 90), (90, 40)])
def test_large_matrices_with_few_cheap_pairs_are_assigned_as_by_scipy(shape):
    rng = np.random.default_rng(5)
    for _ in range(20):
        cost = np.where(rng.random(shape) < 0.05, np.round(rng.normal(0, 3, shape), 1), 12.3)
        assert assigned_columns(cost).tolist() == by_scipy(cost)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_costs_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="finite"):
        assigned_columns(np.full((2, 2), wrong))
