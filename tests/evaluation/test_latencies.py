"""Quantiles of latencies of which some never end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import counts, read, table, values

from v2xsim.evaluation.latencies import Latencies
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.evaluation.never import json_number, never_word

INF = float("inf")


def quantiles(*parts):
    latencies = Latencies("x")
    for part in parts:
        latencies.add(np.array(part, np.int64))
    rows = latencies.rows()
    assert [name for name, _, _ in rows] == ["x_p50", "x_p90"]
    return [metric.value for _, _, metric in rows], rows[0][2].count


def test_a_lost_message_is_infinitely_late():
    """Of ten messages, five arrive after 1 to 5 ms: the median is the last of these, and nine tenths never arrive."""
    assert quantiles([1000, 2000, -1, -1, 3000], [-1, -1, -1, 5000, 4000]) == ([5.0, INF], 10)


def test_the_median_is_never_if_more_messages_are_lost_than_arrive():
    assert quantiles([1000, -1, -1])[0] == [INF, INF]


@pytest.mark.parametrize(("lost", "p90"), [(1, 9.0), (2, INF)])
def test_nine_tenths_arrive_if_one_of_ten_is_lost(lost, p90):
    arrived = [1000 * n for n in range(1, 11 - lost)]
    assert quantiles([*arrived, *[-1] * lost])[0][1] == p90


def test_without_messages_there_is_no_latency():
    (p50, p90), count = quantiles()
    assert (np.isnan(p50), np.isnan(p90), count) == (True, True, 0)


def test_a_latency_of_zero_is_none_that_is_lost():
    assert quantiles([0])[0] == [0.0, 0.0]


@given(st.lists(st.integers(-3, 50), min_size=1, max_size=60), st.integers(1, 9))
def test_quantiles_are_those_of_numpy_in_any_parts(latency_us, length):
    latency_us = [1000 * us if us >= 0 else -1 for us in latency_us]
    parts = [latency_us[first : first + length] for first in range(0, len(latency_us), length)]
    endless = np.where(np.array(latency_us) < 0, np.inf, np.array(latency_us) * 1e-3)
    wanted = np.quantile(endless, [0.5, 0.9], method="inverted_cdf")
    assert quantiles(*parts)[0] == pytest.approx(wanted.tolist())


def measured(**tables):
    return all_metrics(read(tables), {}, 1.0, 150.0)


def test_the_latency_of_a_cycle_is_from_the_choice_to_the_last_answer_and_infinite_without_one():
    rows = measured(cycles=table(
        "cycles", ask_us=[1000, 1000, 1000, 0], complete_us=[31_000, 21_000, -1, 0], outcome=["complete", "late", "not_asked", "complete"],
    ))  # fmt: skip
    assert values(rows)["cycle_latency_p50", ""] == 20.0
    assert values(rows)["cycle_latency_p90", ""] == INF
    assert counts(rows)["cycle_latency_p50", ""] == 4


def test_the_latency_of_data_counts_what_was_lost():
    kind, arrive_us = ["data"] * 4 + ["request"], [11_000, 21_000, -1, -1, -1]
    rows = measured(
        transfers=table("transfers", kind=kind, queue_us=1000, arrive_us=arrive_us, relay=-1, outcome="lost")
    )
    assert [values(rows)[f"data_latency_{q}", ""] for q in ("p50", "p90")] == [20.0, INF]
    assert values(rows)["data_latency_direct", ""] == 15.0


def test_an_infinite_value_is_a_word_in_json():
    assert [json_number(value) for value in (INF, -INF, float("nan"), None, 2.5)] == [
        "never",
        "-never",
        None,
        None,
        2.5,
    ]
    assert never_word(-INF) == "-never"
