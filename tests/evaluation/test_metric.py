"""Means, shares within bounds, and columns of tables as arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation.metric import WITHIN_MS, Metric, arrays_of, mean_of, shares_within


def within(latency_ms):
    return {part: metric for _, part, metric in shares_within("latency_within", np.array(latency_ms, float))}


def test_a_mean_has_a_unit_and_its_samples():
    assert mean_of("load", np.array([0.125, 0.25, 0.75]), "1") == [("load", "", Metric(0.375, "1", 3))]


def test_a_mean_of_one_sample_is_that_sample():
    assert mean_of("load", np.array([0.25]), "1") == [("load", "", Metric(0.25, "1", 1))]


def test_a_mean_of_nothing_is_not_a_number():
    ((_, _, metric),) = mean_of("load", np.zeros(0), "1")
    assert np.isnan(metric.value)
    assert metric.count == 0


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
