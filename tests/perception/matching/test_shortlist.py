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


def filled(count, dim):
    made = ShortList("l2", dim)
    made.put(np.arange(count), np.random.default_rng(1).normal(size=(count, dim)))
    return made


@pytest.mark.parametrize(("queries", "indexed"), [(7_700, False), (7_860, True)])
def test_20000_new_descriptors_are_worth_their_links_from_7782_questions_on(queries, indexed):
    # log2(20,000) is 14.29. Comparing costs 79.7 us a question, the index 15.3 us, the links of a descriptor 25.1 us.
    assert filled(20_000, 64).prefers_index(queries) == indexed


def test_a_thousand_short_descriptors_are_never_worth_an_index():
    # Comparing costs 4.0 us a question, the index 8.0 us.
    assert not filled(1_000, 64).prefers_index(10**9)


def test_what_was_spent_on_comparing_counts_towards_the_links():
    # 2,000 of 512 entries: comparing costs 33.4 us a question more than the index, the links of 20 changes cost 742 us.
    rng, made = np.random.default_rng(2), filled(2_000, 512)
    made.ask(rng.normal(size=(2_300, 512)), 1)
    made.put(np.arange(20), rng.normal(size=(20, 512)))
    preferred = []
    for _ in range(4):
        preferred.append(made.prefers_index(10))
        made.ask(rng.normal(size=(10, 512)), 1)
    # After the third time the index is up to date, and nothing stands against it.
    assert preferred == [False, False, True, True]


def test_descriptors_that_were_dropped_have_to_be_taken_out_of_the_index_too():
    # As many as above, half of them changed and half of them dropped.
    rng, made = np.random.default_rng(2), filled(2_000, 512)
    made.ask(rng.normal(size=(2_300, 512)), 1)
    made.put(np.arange(10), rng.normal(size=(10, 512)))
    made.drop(np.arange(10, 20))
    preferred = []
    for _ in range(4):
        preferred.append(made.prefers_index(10))
        made.ask(rng.normal(size=(10, 512)), 1)
    assert preferred == [False, False, True, True]


def test_what_was_spent_on_descriptors_that_change_again_is_written_off():
    rng, made = np.random.default_rng(2), filled(2_000, 512)
    made.ask(rng.normal(size=(2_300, 512)), 1)
    preferred = []
    for _ in range(4):
        made.put(np.arange(20), rng.normal(size=(20, 512)))
        preferred.append(made.prefers_index(10))
        made.ask(rng.normal(size=(10, 512)), 1)
    assert preferred == [False] * 4


def test_what_is_dropped_is_not_found_again_by_either_way():
    made = filled(2_000, 512)
    rng = np.random.default_rng(2)
    made.ask(rng.normal(size=(2_300, 512)), 1)
    gone = np.random.default_rng(1).normal(size=(2_000, 512))[:3]
    made.drop([0, 1, 2, 999_999])
    assert len(made) == 1_997
    assert not set(made.ask(gone, 1)[0].ravel().tolist()) & {0, 1, 2}
    assert not set(made.ask(np.tile(gone, (100, 1)), 1)[0].ravel().tolist()) & {0, 1, 2}


def test_the_index_is_the_one_that_the_costs_were_fitted_for():
    index = ShortList("l2", 3)._index
    assert (index.M, index.ef_construction, index.ef) == (16, 60, 30)


def counted(spent_s=0.0):
    """Return an empty list whose changes cost a second each in the index, and whose queries save a second each."""
    made = ShortList("l2", 3)
    made._level_s = lambda *_: 1.0
    made._excess_s = float
    made._spent_s = spent_s
    return made


def put(made, *labels):
    made.put(list(labels), np.random.default_rng(1).normal(size=(len(labels), 3)))


def behind(made):
    """Return the number of queries that the changes missing in the index outweigh."""
    return next(queries for queries in range(99) if made.prefers_index(queries + 1))


def test_each_label_that_was_changed_or_dropped_counts_once():
    made, counts = counted(), []
    for step, labels in ((made.put, [1, 2, 3, 4]), (made.put, [1, 2]), (made.drop, [3, 4, 9]), (made.put, [3])):
        step(labels, np.ones((len(labels), 3))) if step == made.put else step(labels)
        counts.append(behind(made))
    # A label that is put again after it was dropped is changed and no longer gone.
    assert counts == [4, 4, 4, 4]


def test_time_spent_is_written_off_by_the_share_of_changes_that_change_again():
    made = counted()
    put(made, 1, 2, 3, 4)
    made._spent_s = 16.0
    spent_s = []
    for step in (
        lambda: put(made, 5, 6, 7, 8),
        lambda: put(made, 1, 2),
        lambda: made.drop([3, 4]),
        lambda: made.drop([3, 4]),
    ):
        step()
        spent_s.append(made._spent_s)
    # None of the four new ones; two of eight; two of eight; none of six.
    assert spent_s == [16.0, 12.0, 9.0, 9.0]


def test_comparing_costs_time_only_where_the_index_would_be_faster():
    made = counted()
    put(made, 1, 2, 3, 4)
    made.ask(np.zeros((3, 3)), 1)
    assert made._spent_s == 3.0
    made._excess_s = lambda queries: -1.0 * queries
    made.ask(np.zeros((3, 3)), 1)
    assert made._spent_s == 3.0


def test_without_time_to_save_the_index_is_not_asked_whatever_was_spent():
    made = counted(spent_s=9.0)
    put(made, 1, 2, 3, 4)
    assert [made.prefers_index(queries) for queries in (0, 1)] == [False, True]


def test_a_question_to_the_index_brings_it_up_to_date_in_the_order_of_labels():
    made = counted(spent_s=9.0)
    put(made, 5, 1, 3)
    made.ask(np.zeros((1, 3)), 1)
    assert made._index.get_ids_list() == [1, 3, 5]
    assert (made._spent_s, behind(made)) == (0.0, 0)
    made.drop([1, 3])
    assert behind(made) == 2
    made._spent_s = 9.0
    assert made.ask(np.zeros((1, 3)), 2)[0].tolist() == [[5, -1]]
    assert behind(made) == 0
