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


def test_holm_goes_by_the_number_of_tests_that_are_left():
    """0.03 holds as the last of two at 0.05, although not as one of two: 0.02 < 0.05 / 2, then 0.03 < 0.05 / 1."""
    assert survives_holm(np.array([0.03, 0.02]), 0.05).tolist() == [True, True]


def test_a_p_value_at_holms_own_level_holds():
    assert survives_holm(np.array([0.05]), 0.05).tolist() == [True]


def test_holm_at_a_stricter_level_keeps_less():
    assert survives_holm(np.array([0.02, 0.004]), 0.01).tolist() == [False, True]


def test_nothing_holds_where_the_smallest_does_not():
    assert survives_holm(np.array([0.5, 0.03]), 0.05).tolist() == [False, False]


def test_what_was_not_tested_does_not_hold():
    assert survives_holm(np.array([np.nan, np.nan]), 0.05).tolist() == [False, False]


def test_students_interval_of_few_pairs_is_worked_by_hand():
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t of 0.975 with two degrees 4.3027."""
    found = paired(np.array([[1.0, 2.0, 3.0]]))
    half = 4.302653 / np.sqrt(3)
    assert (found.low[0], found.high[0]) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_four_pairs_still_have_students_interval():
    data = np.array([[0.0, 1.0, 5.0, 6.0]])
    low, high = stats.t.interval(0.95, 3, 3.0, stats.sem(data[0]))
    found = paired(data)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high))


def test_five_pairs_are_resampled():
    """The bootstrap stays within the data, which Student's interval does not: 0, 0, 0, 0, 10."""
    assert paired(np.array([[0.0, 0.0, 0.0, 0.0, 10.0]])).low[0] == 0.0


def test_the_expanded_interval_reads_off_farther_out_than_the_plain_one():
    """Hesterberg's tails for 8 pairs: the normal tail of sqrt(8/7) times t, instead of 0.025."""
    data = np.random.default_rng(11).normal(size=(1, 8))
    tail = stats.norm.cdf(np.sqrt(8 / 7) * stats.t.ppf(0.025, 7))
    drawn = data[0][np.random.default_rng(3).integers(0, 8, (200_000, 8))].mean(axis=1)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    found = paired(data)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=0.06)


@pytest.mark.parametrize("pairs", [3, 20])
def test_more_confidence_is_a_wider_interval(pairs):
    data = np.random.default_rng(4).normal(size=(1, pairs))
    wide, narrow = paired(data, 0.99), paired(data, 0.8)
    assert wide.low[0] < narrow.low[0] < narrow.high[0] < wide.high[0]


def test_two_pairs_have_an_interval_an_effect_and_a_p_value():
    found = paired(np.array([[1.0, 3.0]]))
    assert np.isfinite([found.low[0], found.high[0], found.effect[0], found.p[0]]).all()


def test_one_pair_has_a_mean_and_nothing_else():
    found = paired(np.array([[np.nan, 4.0]]))
    assert found.mean[0] == 4.0
    assert np.isnan([found.low[0], found.high[0], found.effect[0], found.p[0]]).all()


def test_a_difference_that_never_varies_is_certain_and_none_at_all_is_none():
    found = paired(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    assert found.p.tolist() == [0.0, 1.0]


def test_the_interval_of_a_difference_that_never_varies_is_that_difference():
    for pairs in (3, 12):
        found = paired(np.full((1, pairs), 0.1))
        assert (found.low[0], found.high[0]) == pytest.approx((0.1, 0.1))


def test_pairs_that_are_missing_leave_the_others_as_if_alone():
    row = np.array([1.0, np.nan, 2.0, 4.0, np.nan, 7.0, 9.0, 12.0])
    some, alone = paired(row[None]), paired(row[np.isfinite(row)][None])
    assert (some.pairs[0], some.mean[0], some.p[0]) == (6, pytest.approx(alone.mean[0]), pytest.approx(alone.p[0]))
    assert (some.low[0], some.high[0]) == pytest.approx((alone.low[0], alone.high[0]))


def test_infinite_differences_are_not_measured():
    assert paired(np.array([[np.inf, 1.0, 3.0]])).pairs[0] == 2


def test_the_effect_has_the_sign_of_the_difference():
    assert paired(np.array([[-1.0, -2.0, -3.0]])).effect[0] == pytest.approx(-8 / 7)


def test_results_have_the_shape_of_what_was_compared():
    found = paired(np.random.default_rng(1).normal(size=(3, 4, 6)))
    assert {getattr(found, part).shape for part in ("pairs", "mean", "low", "high", "effect", "p")} == {(3, 4)}


def test_thousands_of_things_at_once_each_get_their_own_interval():
    """More than the two thousand that are resampled at a time, each shifted by its number."""
    base = np.random.default_rng(9).normal(size=6)
    found = paired(base + np.arange(4500)[:, None])
    np.testing.assert_allclose(found.low - np.arange(4500), found.low[0], atol=1e-6)
    np.testing.assert_allclose(found.high - np.arange(4500), found.high[0], atol=1e-6)


def test_the_same_differences_always_give_the_same_interval():
    data = np.random.default_rng(7).normal(size=(1, 9))
    assert paired(data).low[0] == paired(data).low[0]


def test_a_thing_with_too_few_pairs_takes_no_interval_from_the_others():
    """Three pairs, none that vary, and eight pairs, each with pairs missing elsewhere: all as if they were alone."""
    data = np.random.default_rng(12).normal(size=(4, 9))
    data[0, 3:] = np.nan
    data[1] = 0.25
    data[1, 7] = np.nan
    data[2, 0] = np.nan
    for number, row in enumerate(data):
        alone = paired(row[None])
        assert paired(data).low[number] == pytest.approx(alone.low[0])
        assert paired(data).high[number] == pytest.approx(alone.high[0])


def test_the_interval_of_two_pairs_is_students():
    """Differences 1 and 3: mean 2, standard error 1, t of 0.975 with one degree 12.7062."""
    found = paired(np.array([[1.0, 3.0]]))
    assert (found.low[0], found.high[0]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)


def test_two_equal_differences_are_certain_and_two_of_zero_are_none():
    found = paired(np.array([[0.5, 0.5], [0.0, 0.0]]))
    assert (found.p.tolist(), found.low.tolist(), found.high.tolist()) == ([0.0, 1.0], [0.5, 0.0], [0.5, 0.0])


def test_the_interval_is_that_of_4000_resamples_of_a_fixed_seed():
    """A published interval must come out again: Hesterberg's tails of the means of the same resamples."""
    data = np.random.default_rng(13).normal(size=16)
    weights = np.random.default_rng(20150101).multinomial(16, np.full(16, 1 / 16), 4000) / 16
    tail = stats.norm.cdf(np.sqrt(16 / 15) * stats.t.ppf(0.05, 15))
    found = paired(data[None], 0.9)
    assert [found.low[0], found.high[0]] == pytest.approx(np.quantile(weights @ data, [tail, 1 - tail]).tolist())
