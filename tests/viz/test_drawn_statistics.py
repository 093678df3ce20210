import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from crossing_run import add
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.results.tables import Columns
from v2xsim.viz.run.delivery import deliveries, wilson_band
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, open_run
from v2xsim.viz.run.over_time import course_of


def run_with_packets(folder: Path, rows: list[tuple[str, int, float, str, str]], row_group: int = 1000) -> RunFolder:
    """A run whose packets have the given kind, hop, distance, link state and outcome."""
    table = Columns("packets")
    for kind, hop, distance_m, state, outcome in rows:
        add(table, kind=[kind], hop=hop, distance_m=distance_m, link_state=[state], outcome=[outcome])
    pq.write_table(table.finished(), folder / "packets.parquet", row_group_size=row_group)
    (folder / "manifest.json").write_text(json.dumps({"scenario": {}}))
    return open_run(folder)


def test_wilson_bands_agree_with_the_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), Table I: 81 of 263 gives 0.2553 to 0.3662.
    low, high = wilson_band(np.array([81]), np.array([263]))
    np.testing.assert_allclose([low[0], high[0]], [0.2553, 0.3662], atol=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_a_wilson_band_holds_the_share_and_stays_between_none_and_all(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = wilson_band(np.array([hits]), np.array([trials]))
    assert -1e-9 <= low[0] <= hits / trials + 1e-9
    assert hits / trials - 1e-9 <= high[0] <= 1 + 1e-9


def test_a_bin_without_packets_has_no_band() -> None:
    assert np.isnan(wilson_band(np.array([0]), np.array([0]))).all()


def test_only_awareness_of_the_first_hop_counts(tmp_path: Path) -> None:
    kept = ("awareness", 1, 10.0, "LOS", "delivered")
    rows = [kept, ("data", 1, 10.0, "LOS", "delivered"), ("awareness", 2, 10.0, "LOS", "collision")]
    assert deliveries(run_with_packets(tmp_path, rows)).by_outcome.sum() == 1


def test_packets_are_counted_in_the_bin_of_their_distance_and_state(tmp_path: Path) -> None:
    rows = [
        ("awareness", 1, 3.0, "LOS", "delivered"),
        ("awareness", 1, 4.0, "NLOSb", "propagation"),
        ("awareness", 1, 12.0, "NLOSb", "delivered"),
    ]
    found = deliveries(run_with_packets(tmp_path, rows))
    assert found.edge_m.tolist() == [0.0, 5.0, 10.0, 15.0]
    assert dict(zip(found.states, found.delivered.tolist(), strict=True)) == {"LOS": [1, 0, 0], "NLOSb": [0, 0, 1]}
    assert dict(zip(found.states, found.sent.tolist(), strict=True)) == {"LOS": [1, 0, 0], "NLOSb": [1, 0, 1]}


@pytest.mark.parametrize("row_group", [1, 7, 29])
def test_packets_are_counted_alike_in_any_row_groups(tmp_path: Path, row_group: int) -> None:
    states, outcomes = ("LOS", "NLOSv", "NLOSb"), ("propagation", "delivered", "collision", "jammed")
    rows = [
        ("awareness" if n % 5 else "data", 1 + (n % 7 == 0), 9.0 * n, states[n // 4 % 3], outcomes[n % 4])
        for n in range(60)
    ]
    (tmp_path / "cut").mkdir()
    whole, cut = (
        deliveries(run_with_packets(tmp_path, rows)),
        deliveries(run_with_packets(tmp_path / "cut", rows, row_group)),
    )
    assert (whole.states, whole.outcomes) == (cut.states, cut.outcomes)
    for name in ("edge_m", "delivered", "sent", "by_outcome"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))


def test_the_farthest_packet_lies_in_the_last_bin_even_on_its_edge(tmp_path: Path) -> None:
    found = deliveries(run_with_packets(tmp_path, [("awareness", 1, 70.0, "LOS", "delivered")]))
    assert found.sent.sum(0)[-1] == 1


def test_a_channel_on_which_nothing_arrives_has_a_ratio_of_zero(tmp_path: Path) -> None:
    found = deliveries(run_with_packets(tmp_path, [("awareness", 1, 20.0, "NLOSb", "propagation")] * 3))
    assert (found.delivered.sum(), found.sent.sum()) == (0, 3)


def test_outcomes_and_link_states_count_the_same_packets(folder: RunFolder) -> None:
    found = deliveries(folder)
    assert np.array_equal(found.by_outcome.sum(0), found.sent.sum(0))


def test_an_outcome_that_this_version_does_not_know_is_still_counted(tmp_path: Path) -> None:
    found = deliveries(run_with_packets(tmp_path, [("awareness", 1, 20.0, "LOS", "jammed")]))
    assert found.outcomes == ["jammed"]


def test_a_run_without_awareness_packets_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match="no awareness packets"):
        deliveries(run_with_packets(tmp_path, [("data", 1, 20.0, "LOS", "delivered")]))


def test_mean_and_quartiles_over_egos_are_those_of_numpy() -> None:
    values = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    course = course_of(np.full(5, 2_000_000), values)
    expected = [2.0, values.mean(), *np.quantile(values, (0.25, 0.75))]
    np.testing.assert_allclose([course.time_s[0], course.mean[0], course.low[0], course.high[0]], expected)


def test_a_frame_without_a_number_does_not_pull_the_mean() -> None:
    course = course_of(np.array([0, 0, 0]), np.array([0.5, np.nan, 0.7]))
    np.testing.assert_allclose(course.mean, [0.6])


def test_a_course_without_numbers_is_empty() -> None:
    assert len(course_of(np.array([0, 1]), np.array([np.nan, np.nan])).mean) == 0


@given(st.integers(151, 600), st.integers(1, 3))
def test_a_long_run_is_gathered_into_windows_that_keep_the_overall_mean(instants: int, egos: int) -> None:
    time_us = np.repeat(np.arange(instants) * 100_000, egos)
    course = course_of(time_us, time_us / 1e6)
    assert len(course.mean) <= 150
    np.testing.assert_allclose(course.mean, course.time_s)
