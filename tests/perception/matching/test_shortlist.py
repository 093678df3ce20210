"""Short lists: the same answers by either way, and the way that costs less."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.exact import BFIndex
from v2xsim.perception.matching.shortlist import ShortList


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 99), st.booleans()), max_size=25))
def test_either_way_finds_what_comparing_all_finds(steps):
    made, held = ShortList("l2", 3), {}
    for put, label, seed, by_index in steps:
        vector = np.random.default_rng(seed).normal(size=3).astype(np.float32)
        if put:
            made.put([label], [vector])
            held[label] = vector
        else:
            made.drop([label])
            held.pop(label, None)
        made.prefers_index = lambda queries, chosen=by_index: chosen
        twin = BFIndex("l2", 3)
        if held:
            twin.add_items(np.stack(list(held.values())), list(held))
        found, distance = made.ask(vector[None], 4)
        np.testing.assert_allclose(distance, twin.knn_query(vector[None], 4)[1], rtol=1e-5, atol=1e-6)
        assert {int(a) for a in found[0] if a >= 0} <= set(held)
    assert len(made) == len(held)


def test_few_are_compared_and_many_are_indexed():
    few, many = ShortList("l2", 64), ShortList("l2", 64)
    few.put(np.arange(300), np.random.default_rng(1).normal(size=(300, 64)))
    many.put(np.arange(20_000), np.random.default_rng(1).normal(size=(20_000, 64)))
    assert not few.prefers_index(300)
    assert many.prefers_index(20_000)
    # All renewed for a single question: building links for that would be folly.
    assert not many.prefers_index(1)


def test_a_wrong_descriptor_leaves_the_list_as_it_was():
    made = ShortList("l2", 3)
    made.put([1], [[0.0, 0.0, 1.0]])
    with pytest.raises(UserError, match="3 columns"):
        made.put([2], [[0.0, 1.0]])
    assert len(made) == 1
