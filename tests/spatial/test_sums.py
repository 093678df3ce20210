"""Sums with the rounding of numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.spatial.sums import pairwise_sum


@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_any_count_of_numbers_is_added_as_by_numpy(count, seed):
    numbers = np.random.default_rng(seed).normal(0, 1e3, count)
    assert pairwise_sum(numbers, len(numbers)) == numbers.sum()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 127, 128, 129, 136, 137, 256, 1000, 100_000])
def test_counts_at_the_edges_of_blocks_are_added_as_by_numpy(count):
    numbers = np.random.default_rng(count).random(count)
    assert pairwise_sum(numbers, len(numbers)) == numbers.sum()
