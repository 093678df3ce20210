"""Means, shares within bounds, and columns of tables as arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.evaluation.metric import WITHIN_MS, Mean, Metric, Within, arrays_of, words_of


def within(*parts):
    shares = Within("latency_within")
    for latency_ms in parts:
        shares.add(np.array(latency_ms, float))
    return {part: metric for _, part, metric in shares.rows()}


def mean(*parts, dtype=float):
    """Return the mean of numbers that come in parts."""
    means = Mean("load", "1")
    for values in parts:
        means.add(np.array(values, dtype))
    ((name, part, metric),) = means.rows()
    assert (name, part) == ("load", "")
    return metric


def test_a_mean_has_a_unit_and_its_samples():
    assert mean([0.125, 0.25, 0.75]) == Metric(0.375, "1", 3)


def test_a_mean_of_one_sample_is_that_sample():
    assert mean([0.25]) == Metric(0.25, "1", 1)


def test_a_mean_of_nothing_is_not_a_number():
    for parts in ([], [[]], [[], []]):
        assert np.isnan(mean(*parts).value)
        assert mean(*parts).count == 0


def test_a_mean_over_parts_counts_each_value_once():
    assert mean([1.0, 2.0], [], [6.0]) == Metric(3.0, "1", 3)


@given(
    arrays(np.float32, st.integers(1, 300), elements=st.floats(0, 1, width=32)),
    st.sampled_from([np.float32, np.float64]),
)
def test_the_mean_of_one_part_is_that_of_numpy_to_the_last_bit(values, dtype):
    assert mean([], values, [], dtype=dtype).value == float(np.mean(values.astype(dtype)))


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=40), st.sets(st.integers(0, 40), max_size=4))
def test_the_mean_of_whole_numbers_is_exact_in_any_parts(values, cuts):
    assert mean(*np.split(np.array(values), sorted(cuts)), dtype=np.int64).value == float(np.mean(values))


def test_shares_over_parts_are_of_all_latencies():
    found = within([5.0], [], [20.0, 3000.0, 7.0])
    assert [found[f"{bound} ms"] for bound in (5, 10, 20)] == [Metric(s, "1", 4) for s in (0.25, 0.5, 0.75)]


def test_the_rows_with_a_word_are_found_also_if_it_is_unknown():
    table = pa.table({"state": pa.array(["x", "y", "x"]).dictionary_encode()})
    assert [words_of(table, "state").are(word).tolist() for word in ("x", "z")] == [[True, False, True], [False] * 3]


def test_no_row_has_a_word_in_a_table_without_rows():
    table = pa.table({"state": pa.array([], pa.dictionary(pa.int8(), pa.string()))})
    assert words_of(table, "state").are("x").tolist() == []


def test_a_latency_that_is_exactly_the_bound_is_within_it():
    found = within([5.0, 20.0])
    assert [found[f"{bound} ms"].value for bound in (2, 5, 10, 20)] == [0.0, 0.5, 0.5, 1.0]


def test_bounds_reach_from_a_millisecond_to_two_seconds():
    assert list(within([1.0])) == [f"{bound} ms" for bound in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)]


def test_shares_are_of_all_latencies_those_beyond_the_last_bound_included():
    found = within([3000.0, 30.0, 40.0, 300.0])
    assert [found[f"{bound} ms"].value for bound in (20, 50, 200, 500, 2000)] == [0.0, 0.5, 0.5, 0.75, 0.75]
    assert {metric.count for metric in found.values()} == {4}


def test_without_latencies_no_share_is_a_number():
    found = within([])
    assert all(np.isnan(metric.value) for metric in found.values())
    assert {metric.count for metric in found.values()} == {0}


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=20))
def test_a_share_within_a_bound_is_what_counting_gives(latency_ms):
    found = within(latency_ms)
    for bound in WITHIN_MS:
        assert found[f"{bound} ms"].value == pytest.approx(sum(x <= bound for x in latency_ms) / len(latency_ms))


def test_columns_come_in_the_order_asked_for():
    table = pa.table({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
    assert [column.tolist() for column in arrays_of(table, "c", "a")] == [[5, 6], [1, 2]]


def test_words_of_blocks_with_other_numbers_are_read_as_text():
    word = pa.dictionary(pa.int8(), pa.string())
    blocks = [
        pa.array(["x", "y", "x"]).dictionary_encode().cast(word),
        pa.array(["y", "z"]).dictionary_encode().cast(word),
    ]
    table = pa.table({"state": pa.chunked_array(blocks)})
    assert arrays_of(table, "state")[0].tolist() == ["x", "y", "x", "y", "z"]


def test_a_column_of_words_without_rows_is_empty():
    table = pa.table({"state": pa.array([], pa.dictionary(pa.int8(), pa.string()))})
    assert arrays_of(table, "state")[0].tolist() == []


def test_words_have_their_places_among_those_that_are_asked_for():
    words = words_of(pa.table({"state": pa.array(["b", "a", "b", "c"]).dictionary_encode()}), "state")
    assert words.places("a", "x", "b").tolist() == [2, 0, 2, -1]
    assert words.counts() == {"b": 2, "a": 1, "c": 1}


def test_a_table_without_rows_has_no_places():
    words = words_of(pa.table({"state": pa.array([], pa.dictionary(pa.int8(), pa.string()))}), "state")
    assert words.places("a").tolist() == []


@given(st.lists(st.floats(0, 3000), max_size=30))
def test_a_latency_equal_to_a_bound_is_within_it(latency_ms):
    latency_ms = [*latency_ms, 1.0, 2000.0, 2000.0000001]
    found = within(latency_ms)
    for bound in WITHIN_MS:
        assert found[f"{bound} ms"].value == sum(latency <= bound for latency in latency_ms) / len(latency_ms)


def test_whole_numbers_of_several_parts_have_one_mean():
    mean = Mean("links_LOS", "1")
    mean.add_whole(3, 4)
    mean.add_whole(0, 8)
    assert mean.rows() == [("links_LOS", "", Metric(0.25, "1", 12))]
