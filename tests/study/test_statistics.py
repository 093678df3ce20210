"""Intervals hold what they promise, effects are what the books say, and pairs that are missing stay missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from v2xsim.study.statistics import paired, survives_holm


@pytest.mark.parametrize(("pairs", "least"), [(2, 0.93), (3, 0.93), (5, 0.90), (10, 0.935), (30, 0.935)])
def test_an_interval_covers_the_truth_about_as_often_as_it_says(pairs, least):
    """2,000 studies of normal differences: three standard errors of a coverage of 0.95 are 0.015; with 5 pairs 0.92 is what there is."""
    found = paired(np.random.default_rng(8).normal(0.3, 1.0, (2000, pairs)))
    covered = ((found.low <= 0.3) & (found.high >= 0.3)).mean()
    assert least <= covered <= 0.975


def test_many_pairs_give_students_interval():
    difference = np.random.default_rng(5).normal(1.0, 2.0, (1, 400))
    found = paired(difference)
    low, high = stats.t.interval(0.95, 399, difference.mean(), stats.sem(difference[0]))
    assert found.low[0] == pytest.approx(low, abs=0.02)
    assert found.high[0] == pytest.approx(high, abs=0.02)


def test_the_p_value_is_the_paired_t_tests():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0, 1, 12), rng.normal(0.4, 1, 12)
    assert paired((b - a)[None]).p[0] == pytest.approx(stats.ttest_rel(b, a).pvalue)


def test_the_effect_is_cohens_with_hedges_correction():
    """Mean 2, standard deviation 1, three pairs: 2 (1 - 3 / (4 * 2 - 1)) = 8/7."""
    assert paired(np.array([[1.0, 2.0, 3.0]])).effect[0] == pytest.approx(8 / 7)


def test_no_pair_one_pair_and_pairs_without_spread():
    nan = np.nan
    found = paired(np.array([[nan, nan, nan], [4.0, nan, nan], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    assert found.pairs.tolist() == [0, 1, 3, 3]
    assert np.isnan(found.mean[0])
    assert np.isnan(found.low[:2]).all()
    assert found.low[2] == pytest.approx(0.1)
    assert (found.low[3], found.high[3]) == (0.0, 0.0)
    assert np.isnan(found.effect).all()


@given(
    st.lists(st.floats(-100, 100), min_size=6, max_size=12).filter(lambda v: np.std(v) > 1e-3), st.floats(-50, 50), st.floats(0.1, 10)
)  # fmt: skip
def test_shifting_and_scaling_moves_the_interval_with_the_data(values, shift, scale):
    data = np.array([values])
    plain, moved = paired(data), paired(scale * data + shift)
    assert moved.low[0] == pytest.approx(scale * plain.low[0] + shift, rel=1e-6, abs=1e-6)
    assert moved.high[0] == pytest.approx(scale * plain.high[0] + shift, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=5, max_size=10), st.integers(0, 9))
def test_a_thing_says_the_same_alone_and_among_others(values, missing):
    rng = np.random.default_rng(1)
    row = np.array(values)
    row[missing % len(row)] = np.nan
    alone, among = paired(row[None]), paired(np.stack([rng.normal(size=len(row)), row, rng.normal(size=len(row))]))
    assert alone.low[0] == pytest.approx(among.low[1], nan_ok=True)
    assert alone.mean[0] == pytest.approx(among.mean[1], nan_ok=True)


def test_holm_keeps_what_survives_among_all():
    """Holm's own way: 0.01 < 0.05/4, 0.015 < 0.05/3, 0.03 > 0.05/2, and nothing after the first that fails."""
    assert survives_holm(np.array([0.03, 0.01, np.nan, 0.015, 0.04]), 0.05).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_pure_noise_rarely_survives_holm():
    """400 studies of 20 metrics without any effect: a false alarm in at most 5 % of them, give or take three standard errors."""
    p = paired(np.random.default_rng(2).normal(size=(400, 20, 8))).p
    assert np.mean([survives_holm(row, 0.05).any() for row in p]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
