"""Time until egos knew of hidden conflicts, with the conflicts of which they never knew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import counts, read, table, values

from v2xsim.evaluation.awareness_times import SurvivalTimes
from v2xsim.evaluation.metrics import all_metrics

INF = float("inf")


def conflicts(start_s, end_s, alone_s, fused_s, announces=False):
    """Return episodes; a negative instant of awareness is never."""
    columns = {"start_us": start_s, "end_us": end_s, "aware_ego_us": alone_s, "aware_fused_us": fused_s}
    in_us = {name: [round(s * 1e6) if s >= 0 else -1 for s in column] for name, column in columns.items()}
    return table("episodes", **in_us, announces=announces)


def measured(*arguments, **options):
    return all_metrics(read({"episodes": conflicts(*arguments, **options)}), {}, 1.0, 150.0)


def test_hidden_conflicts_are_counted():
    rows = measured([1.0, 2.0, 3.0], [9.0] * 3, [-1, -1, 3.0], [-1, 2.0, 3.0])
    assert (values(rows)["hidden_conflicts", ""], counts(rows)["hidden_conflicts", ""]) == (3.0, 3)


def test_conflicts_that_never_became_known_are_counted():
    rows = measured([1.0, 2.0, 3.0], [9.0] * 3, [-1, -1, 5.0], [-1, 2.0, 4.0])
    assert [values(rows)[f"never_aware_{mode}", ""] for mode in ("ego", "fused")] == [2.0, 1.0]
    assert [counts(rows)[f"never_aware_{mode}", ""] for mode in ("ego", "fused")] == [3, 3]


def test_a_tenth_of_a_second_is_the_number_0_1():
    # 100,000 us times 1e-6 is 0.09999999999999999, which every table and file would show.
    assert values(measured([1.0], [2.0], [1.1], [1.1]))["time_to_awareness_ego", ""] == 0.1


def test_a_conflict_known_at_instant_zero_is_known():
    found = values(measured([0.0], [1.0], [0.0], [-1]))
    assert [found[f"never_aware_{mode}", ""] for mode in ("ego", "fused")] == [0.0, 1.0]
    assert [found[f"time_to_awareness_{mode}", ""] for mode in ("ego", "fused")] == [0.0, INF]


def test_a_long_conflict_of_which_the_ego_never_knew_is_no_short_time():
    """One of three became known after 1 s, the others lasted 4 s: two thirds are open, so the median is never; the mean was 1 s."""
    found = measured([0.0, 0.0, 0.0], [4.0, 4.0, 4.0], [1.0, -1, -1], [1.0, 2.0, -1])
    assert values(found)["time_to_awareness_ego", ""] == INF
    # After fusion, one third is open after 2 s.
    assert values(found)["time_to_awareness_fused", ""] == 2.0
    assert counts(found)["time_to_awareness_ego", ""] == 3


def test_a_conflict_that_ended_early_says_nothing_about_later_times():
    """Known after 1 and 3 s; two ended after 2 s. 3/4 are open after 1 s, and then the only one that is left becomes known."""
    found = values(measured([0.0] * 4, [9.0, 9.0, 2.0, 2.0], [1.0, 3.0, -1, -1], [1.0, 3.0, -1, -1]))
    assert found["time_to_awareness_ego", ""] == 3.0


def test_those_that_announce_themselves_are_apart():
    found = values(measured([0.0] * 4, [5.0] * 4, [-1] * 4, [0.5, 0.5, 2.0, 2.0], announces=[True, True, False, False]))
    assert [found[f"time_to_awareness_fused{group}", ""] for group in ("_announced", "_unannounced")] == [0.5, 2.0]
    assert [found[f"time_to_awareness_ego{group}", ""] for group in ("_announced", "_unannounced")] == [INF, INF]


def test_nine_tenths():
    found = values(
        measured([0.0] * 10, [20.0] * 10, [float(n) for n in range(1, 11)], [*map(float, range(1, 9)), -1, -1])
    )
    assert [found[f"time_to_awareness_{mode}_p90", ""] for mode in ("ego", "fused")] == [9.0, INF]


def test_without_conflicts_there_is_no_time():
    assert np.isnan(values(measured([], [], [], []))["time_to_awareness_ego", ""])


TIMES = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40)


@given(TIMES, st.integers(1, 7), st.sampled_from([0.5, 0.9]))
def test_times_in_any_parts_are_those_of_the_estimator_of_kaplan_and_meier(times, length, share):
    found = SurvivalTimes()
    for first in range(0, len(times), length):
        part = times[first : first + length]
        found.add(
            *(np.array([us for us, happened in part if happened == wanted], np.int64) for wanted in (True, False))
        )
    still_open, wanted = 1.0, INF
    for now in sorted({us for us, happened in times if happened}):
        there = sum(us >= now for us, _ in times)
        still_open *= 1.0 - sum(us == now and happened for us, happened in times) / there
        if still_open <= 1.0 - share + 1e-9:
            wanted = now * 1e-6
            break
    assert found.quantile_s(share) == pytest.approx(wanted)
    assert found.count == len(times)


def test_without_censoring_the_median_is_that_of_the_times():
    found = SurvivalTimes()
    found.add(np.array([5, 1, 3, 2, 4]) * 1_000_000, np.zeros(0, np.int64))
    assert found.quantile_s(0.5) == 3.0
