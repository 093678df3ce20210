"""Columns that grow at their ends and are cut off at their starts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.engine.stations.growing import GrowingColumns


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=30))
def test_the_rows_are_those_that_were_added_without_those_that_were_cut(steps):
    columns, expected, added = GrowingColumns(np.zeros(0, np.int64), np.zeros((0, 2))), [], 0
    for more, fewer in steps:
        columns.add(more, np.arange(added, added + more), 0.5)
        expected, added = expected + list(range(added, added + more)), added + more
        cut = min(fewer, len(expected))
        columns.cut(cut)
        expected = expected[cut:]
        number, place = columns.columns()
        assert number.tolist() == expected
        assert place.shape == (len(expected), 2)
        assert (place == 0.5).all()
        assert len(columns) == len(expected)


def test_the_memory_does_not_grow_with_time():
    columns = GrowingColumns(np.zeros(0, np.int64))
    for k in range(10_000):
        columns.add(10, k)
        if k >= 20:
            columns.cut(10)
    assert len(columns.columns()[0].base) <= 2 * 210 + 64
