"""Sets of whole numbers that only grow."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.engine.stations import number_set
from v2xsim.engine.stations.number_set import NumberSet


@given(st.lists(st.lists(st.integers(0, 2**62), max_size=9), max_size=20))
def test_each_number_is_in_the_set_once(ticks):
    numbers = NumberSet()
    for tick in ticks:
        numbers.add(np.array(tick, np.int64))
    assert numbers.numbers.tolist() == sorted(set().union(*ticks))
    assert len(numbers) == len(numbers.numbers)


def test_numbers_that_come_again_at_every_tick_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(number_set, "_FEWEST_NEW", 8)
    numbers = NumberSet()
    for _ in range(1000):
        numbers.add(np.arange(5))
    assert sum(map(len, numbers._new)) <= 8
