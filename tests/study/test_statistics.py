"""Intervals hold what they promise, effects are what the books say, and pairs that are missing stay missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from v2xsim.study.statistics import least_effect, paired, seed_averages, survives_holm


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


def test_two_pairs_have_an_interval_and_a_p_value_and_no_effect():
    """Hedges' factor of two pairs is 0: an effect of 0 would look as if there was none."""
    found = paired(np.array([[1.0, 3.0]]))
    assert np.isfinite([found.low[0], found.high[0], found.p[0]]).all()
    assert np.isnan(found.effect[0])


def test_one_pair_has_a_mean_and_nothing_else():
    found = paired(np.array([[np.nan, 4.0]]))
    assert found.mean[0] == 4.0
    assert np.isnan([found.low[0], found.high[0], found.effect[0], found.p[0]]).all()


def test_equal_differences_are_as_probable_as_equal_signs():
    """Three differences of random sign have the same sign with a probability of 2 / 2^3."""
    found = paired(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    assert found.p.tolist() == [0.25, 1.0]


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


def test_two_equal_differences_prove_nothing():
    found = paired(np.array([[0.5, 0.5], [0.0, 0.0]]))
    assert (found.p.tolist(), found.low.tolist(), found.high.tolist()) == ([0.5, 1.0], [0.5, 0.0], [0.5, 0.0])


def test_the_interval_is_that_of_4000_resamples_of_a_fixed_seed():
    """A published interval must come out again: Hesterberg's tails of the means of the same resamples."""
    data = np.random.default_rng(13).normal(size=16)
    weights = np.random.default_rng(20150101).multinomial(16, np.full(16, 1 / 16), 4000) / 16
    tail = stats.norm.cdf(np.sqrt(16 / 15) * stats.t.ppf(0.05, 15))
    found = paired(data[None], 0.9)
    assert [found.low[0], found.high[0]] == pytest.approx(np.quantile(weights @ data, [tail, 1 - tail]).tolist())


def shares(count):
    """Return 4,000 studies of shares such as packet reception ratios near 1: Beta(8, 1), with the mean 8/9."""
    return np.random.default_rng(21).beta(8.0, 1.0, (4000, count))


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_the_interval_of_a_mean_share_covers_the_truth_and_stays_possible(seeds):
    """Three standard errors of a coverage of 0.95 in 4,000 studies are 0.010; a delta method of so few seeds may lose 0.01."""
    data = shares(seeds)
    found = paired(data, 0.95, 0.0, 1.0)
    assert (found.low >= 0.0).all()
    assert (found.high <= 1.0).all()
    covered = ((found.low <= 8 / 9) & (found.high >= 8 / 9)).mean()
    plain = paired(data)
    assert 0.93 <= covered <= 0.97
    assert covered > ((plain.low <= 8 / 9) & (plain.high >= 8 / 9)).mean()
    assert (plain.high > 1.0).mean() > 0.5


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_the_interval_of_a_mean_latency_covers_the_truth_and_is_positive(seeds):
    """4,000 studies of exponential latencies with the mean 3: three standard errors are 0.010, the method may lose 0.01."""
    found = paired(np.random.default_rng(22).exponential(3.0, (4000, seeds)), 0.95, 0.0)
    assert (found.low > 0.0).all()
    assert 0.925 <= ((found.low <= 3.0) & (found.high >= 3.0)).mean() <= 0.97


@pytest.mark.parametrize("seeds", [5, 12])
def test_a_resampled_interval_of_shares_stays_possible(seeds):
    found = paired(shares(seeds), 0.99, 0.0, 1.0)
    assert (found.low >= 0.0).all()
    assert (found.high <= 1.0).all()


def test_the_interval_of_two_shares_is_worked_by_hand():
    """Shares 0.8 and 0.9: mean 0.85, standard error 0.05, t of 0.975 with one degree 12.7062.

    The odds are 0.85 / 0.15 = 5.66667, and the logit's error is 12.7062 * 0.05 / (0.85 * 0.15) = 4.98282, of which the
    exponential is 145.884: the odds of the ends are 5.66667 / 145.884 = 0.0388437 and 5.66667 * 145.884 = 826.676.
    """
    found = paired(np.array([[0.8, 0.9]]), 0.95, 0.0, 1.0)
    assert found.low[0] == pytest.approx(0.0388437 / 1.0388437, rel=1e-4)
    assert found.high[0] == pytest.approx(826.676 / 827.676, rel=1e-6)


def test_the_interval_of_two_latencies_is_worked_by_hand():
    """Latencies 9 and 11: mean 10, standard error 1; the ends are 10 exp(-1.27062) and 10 exp(1.27062)."""
    found = paired(np.array([[9.0, 11.0]]), 0.95, 0.0)
    assert (found.low[0], found.high[0]) == pytest.approx((2.80658, 35.6306), rel=1e-5)


def test_a_difference_of_shares_stays_between_minus_one_and_one():
    found = paired(np.array([[0.9, 0.2], [-0.99, -0.5]]), 0.95, -1.0, 1.0)
    assert (found.low >= -1.0).all()
    assert (found.high <= 1.0).all()


def test_far_from_its_bounds_an_interval_is_students():
    data = np.array([[0.50, 0.51, 0.49]])
    free, bound = paired(data), paired(data, 0.95, 0.0, 1.0)
    assert (bound.low[0], bound.high[0]) == pytest.approx((free.low[0], free.high[0]), abs=1e-4)


def test_a_mean_at_its_bound_has_no_spread_and_no_interval_beyond():
    found = paired(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), 0.95, 0.0, 1.0)
    assert (found.low.tolist(), found.high.tolist()) == ([1.0, 0.0], [1.0, 0.0])


def test_a_wide_interval_ends_at_its_bounds_and_not_at_infinity():
    found = paired(np.array([[1e-9, 1.0 - 1e-9], [1e-12, 2e-9]]), 0.999, 0.0, 1.0)
    assert np.isfinite([found.low, found.high]).all()
    assert ((found.low >= 0.0) & (found.high <= 1.0) & (found.low <= found.mean) & (found.mean <= found.high)).all()


def test_data_outside_its_bounds_keeps_students_interval():
    data = np.array([[1.0, 2.0, 3.0]])
    assert paired(data, 0.95, 0.0, 1.0).low[0] == paired(data).low[0]


def test_each_thing_has_its_own_bounds():
    data = np.array([[[0.8, 0.9]], [[0.8, 0.9]]])
    found = paired(data, 0.95, np.array([[0.0], [-np.inf]]), np.array([[1.0], [np.inf]]))
    assert found.high[0, 0] < 1.0 < found.high[1, 0]


def test_settings_are_averaged_within_each_seed():
    """Two settings, three seeds: differences 1, 2, 3 and 3, 2, 1 are 2 in every seed, so three samples and not six."""
    base = np.zeros((1, 2, 3))
    other = np.array([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
    a, b, count = seed_averages(base, other)
    assert (a.tolist(), b.tolist(), count.tolist()) == ([[0.0, 0.0, 0.0]], [[2.0, 2.0, 2.0]], [2])


def test_a_seed_without_one_of_its_settings_is_no_sample():
    nan = np.nan
    other = np.array([[[1.0, nan, 3.0], [3.0, 2.0, 1.0]]])
    _, b, count = seed_averages(np.zeros((1, 2, 3)), other)
    np.testing.assert_array_equal(b, [[2.0, nan, 2.0]])
    assert count.tolist() == [2]


def test_a_setting_that_never_measured_is_left_out_of_the_average():
    nan = np.nan
    _, b, count = seed_averages(np.zeros((2, 2, 2)), np.array([[[nan, nan], [3.0, 1.0]], [[nan, nan], [nan, nan]]]))
    np.testing.assert_array_equal(b, [[3.0, 1.0], [nan, nan]])
    assert count.tolist() == [1, 0]


def test_pooled_settings_of_one_seed_do_not_count_as_independent():
    """400 studies without an effect, of 8 settings that share the chance of 5 seeds: one in twenty is called different.

    At 5 seeds the interval covers 0.92; three standard errors of 400 studies are 0.041. Taken as 40 independent pairs,
    more than half of the studies would be.
    """
    rng = np.random.default_rng(31)
    difference = rng.normal(0, 1, (400, 1, 5)) + rng.normal(0, 0.1, (400, 8, 5))
    a, b, _ = seed_averages(np.zeros_like(difference), difference)
    found, naive = paired(b - a), paired(difference.reshape(400, -1))
    assert ((found.low > 0) | (found.high < 0)).mean() < 0.08 + 0.041
    assert ((naive.low > 0) | (naive.high < 0)).mean() > 0.4


def test_the_least_effect_is_the_quantile_of_t_over_the_root_of_pairs():
    """t of 0.975 with 4 degrees is 2.77645, of 0.9975 (10 tests) 5.59757; Hedges' factor of 5 pairs is 1 - 3 / 15."""
    assert least_effect(5, 0.95) == pytest.approx(0.8 * 2.77645 / np.sqrt(5), rel=1e-5)
    assert least_effect(5, 0.95, 10) == pytest.approx(0.8 * 5.59757 / np.sqrt(5), rel=1e-5)
