"""Intervals hold what they promise, effects are what the books say, and pairs that are missing stay missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from v2xsim.study.statistics import least_effect, means, paired, seed_averages, survives_holm


def judged(differences, confidence=0.95, largest=np.inf):
    """Return the statistics of pairs whose baseline is 0."""
    return paired(np.zeros_like(differences), differences, confidence, largest)


# Quantile functions of the values of both settings: what metrics are like.
KINDS = {
    "normal": stats.norm.ppf,
    "shares near 1": lambda level: level ** (1 / 8),
    "exponential latencies": lambda level: -np.log1p(-level),
    "lognormal latencies": lambda level: np.exp(stats.norm.ppf(level)),
    "counts around 3": lambda level: stats.poisson.ppf(level, 3.0),
    "rare counts": lambda level: stats.poisson.ppf(level, 0.3),
}


@pytest.mark.parametrize(
    ("kind", "percent"),
    [
        ("normal", (5.0, 5.1, 5.0, 5.0)),
        ("shares near 1", (3.1, 3.3, 4.2, 4.8)),
        ("exponential latencies", (2.7, 2.9, 3.9, 4.6)),
        ("lognormal latencies", (2.3, 2.2, 2.8, 3.5)),
        ("counts around 3", (1.7, 4.3, 4.6, 5.0)),
        ("rare counts", (0.0, 0.2, 2.1, 4.5)),
    ],
)
def test_settings_that_do_not_differ_are_called_different_as_rarely_as_documented(kind, percent):
    """10,000 studies of 3, 5, 10 and 20 seeds; four standard errors of a rate of 5 % are 0.9 %."""
    rng = np.random.default_rng(41)
    for seeds, documented in zip((3, 5, 10, 20), percent, strict=True):
        common = 0.8 * rng.normal(size=(10_000, seeds))
        base, other = (KINDS[kind](stats.norm.cdf(common + 0.6 * rng.normal(size=common.shape))) for _ in range(2))
        assert 100 * (paired(base, other).p <= 0.05).mean() == pytest.approx(documented, abs=0.9)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("largest", [np.inf, 1.0])
def test_an_interval_excludes_zero_exactly_if_its_test_is_significant(confidence, largest):
    rng = np.random.default_rng(42)
    for pairs in (2, 3, 5, 20):
        found = judged(
            rng.beta(2.0, 1.0, (2000, pairs)) * rng.choice([-1.0, 1.0], (2000, 1)) * 0.9, confidence, largest
        )
        excluded = (found.low > 0) | (found.high < 0)
        assert (excluded == (found.p <= 1 - confidence)).all()
        assert excluded.sum() > 0


def test_test_and_interval_are_those_of_scipy():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0, 1, 12), rng.normal(0.4, 1, 12)
    book, found = stats.ttest_rel(b, a), paired(a[None], b[None], 0.9)
    assert found.p[0] == pytest.approx(book.pvalue)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(book.confidence_interval(0.9)))


@pytest.mark.parametrize("pairs", [2, 3, 5, 10, 30])
def test_an_interval_covers_the_truth_as_often_as_it_says(pairs):
    """2,000 studies of normal differences: three standard errors of a coverage of 0.95 are 0.015."""
    found = judged(np.random.default_rng(8).normal(0.3, 1.0, (2000, pairs)))
    covered = ((found.low <= 0.3) & (found.high >= 0.3)).mean()
    assert covered == pytest.approx(0.95, abs=0.015)


def test_the_interval_of_a_difference_of_shares_ends_at_one():
    """Differences 0.9 and 0.2: mean 0.55, and Student's interval of two pairs reaches far beyond."""
    found = judged(np.array([[0.9, 0.2], [-0.99, -0.5]]), largest=1.0)
    assert found.high[0] == 1.0
    assert found.low[1] == -1.0


def test_each_difference_has_its_own_largest_size():
    found = judged(np.array([[[0.8, 0.2]], [[0.8, 0.2]]]), 0.95, np.array([[1.0], [np.inf]]))
    assert found.high[0, 0] == 1.0 < found.high[1, 0]


def test_a_difference_beyond_its_largest_size_is_still_in_its_interval():
    found = judged(np.array([[4.0, 5.0]]), largest=1.0)
    assert found.low[0] <= 4.5 <= found.high[0]


def test_no_pair_one_pair_and_pairs_without_spread_have_no_interval():
    nan = np.nan
    found = judged(np.array([[nan, nan, nan], [4.0, nan, nan], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    assert found.pairs.tolist() == [0, 1, 3, 3]
    assert np.isnan(found.mean[0])
    assert np.isnan([found.low, found.high, found.effect]).all()
    np.testing.assert_array_equal(found.p, [nan, nan, 0.25, 1.0])


def test_two_times_that_never_end_do_not_differ():
    found = paired(np.array([[np.inf, np.inf, 3.0]]), np.array([[np.inf, np.inf, 3.0]]))
    assert (found.pairs[0], found.mean[0], found.p[0]) == (3, 0.0, 1.0)


def test_a_time_that_never_ends_on_one_side_is_judged_by_the_signs():
    """Eight of eight pairs are longer, two of them endless: p is 2^-7, and the difference is the lower median."""
    found = judged(np.array([[1.0, 2, 3, 4, 5, 6, np.inf, np.inf], [-1.0, -2, -3, -4, -5, -6, np.inf, np.nan]]))
    assert found.p.tolist() == pytest.approx([2.0**-7, 0.125])
    assert (found.mean.tolist(), found.pairs.tolist()) == ([4.0, -3.0], [8, 7])
    assert np.isnan([found.low, found.high, found.effect]).all()


def test_pairs_that_are_equal_take_no_part_in_the_test_of_signs():
    found = judged(np.array([[0.0] * 12 + [np.inf] * 6]))
    assert (found.mean[0], found.p[0]) == (np.inf, pytest.approx(2.0**-5))


def test_noise_with_times_that_never_end_is_rarely_called_a_difference():
    """4,000 studies of 10 pairs in which a fifth of the values are endless: the test of signs errs in at most 5 %."""
    rng = np.random.default_rng(5)
    base, other = (np.where(rng.random((4000, 10)) < 0.2, np.inf, rng.exponential(size=(4000, 10))) for _ in range(2))
    found = paired(base, other)
    assert 0.005 < (found.p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


def test_a_mean_with_a_value_that_never_ends_is_infinite_and_has_no_interval():
    found = means(np.array([[1.0, np.inf, 3.0], [1.0, 2.0, 3.0]]), 0.95, 0.0)
    assert (found.mean.tolist(), found.seeds.tolist()) == ([np.inf, 2.0], [3, 3])
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert found.low[1] < 2.0 < found.high[1]


def test_an_average_over_settings_is_infinite_if_one_of_them_never_ends():
    base, other, count = seed_averages(np.array([[[1.0, 1.0], [np.inf, 2.0]]]), np.ones((1, 2, 2)))
    assert (base.tolist(), other.tolist(), count.tolist()) == ([[np.inf, 1.5]], [[1.0, 1.0]], [2])


def test_rounding_errors_are_neither_a_difference_nor_a_spread():
    """0.1 + 0.2 is not 0.3 to the last digit, and a million and one less a million not quite one."""
    base = np.array([[0.3, 0.3, 0.6], [1e6, 1.1e6, 1.3e6]])
    other = np.array([[0.1 + 0.2, 0.3, 0.2 + 0.4], [1e6 + 0.1, 1.1e6 + 0.1, 1.3e6 + 0.1]])
    found = paired(base, other)
    assert (found.mean[0], found.p.tolist()) == (0.0, [1.0, 0.25])
    assert np.isnan(found.low).all()


def test_things_with_missing_pairs_are_judged_as_if_alone():
    data = np.random.default_rng(12).normal(size=(4, 9))
    data[0, 3:] = np.nan
    data[1] = 0.25
    data[1, 7] = np.nan
    data[2, 0] = np.nan
    for number, row in enumerate(data):
        alone = judged(row[None])
        assert judged(data).low[number] == pytest.approx(alone.low[0], nan_ok=True)
        assert judged(data).p[number] == pytest.approx(alone.p[0])


def test_pure_noise_rarely_survives_holm():
    """400 studies of 20 metrics without any effect: a false alarm in at most 5 % of them, give or take three standard errors."""
    p = judged(np.random.default_rng(2).normal(size=(400, 20, 8))).p
    assert np.mean([survives_holm(row, 0.05).any() for row in p]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_pooled_settings_of_one_seed_do_not_count_as_independent():
    """400 studies without an effect, of 8 settings that share the chance of 5 seeds: one in twenty is called different.

    Three standard errors of 400 studies are 0.033. Taken as 40 independent pairs, more than half of the studies would be.
    """
    rng = np.random.default_rng(31)
    difference = rng.normal(0, 1, (400, 1, 5)) + rng.normal(0, 0.1, (400, 8, 5))
    a, b, _ = seed_averages(np.zeros_like(difference), difference)
    assert (paired(a, b).p <= 0.05).mean() < 0.05 + 0.033
    assert (judged(difference.reshape(400, -1)).p <= 0.05).mean() > 0.4


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 20])
def test_the_interval_of_a_mean_share_covers_the_truth_and_stays_possible(seeds):
    """4,000 studies of shares of Beta(8, 1): three standard errors of 0.95 are 0.010; the delta method may lose 0.012."""
    shares = np.random.default_rng(21).beta(8.0, 1.0, (4000, seeds))
    found, plain = means(shares, 0.95, 0.0, 1.0), means(shares)
    assert (found.low >= 0.0).all()
    assert (found.high <= 1.0).all()
    covered, plainly = (((one.low <= 8 / 9) & (one.high >= 8 / 9)).mean() for one in (found, plain))
    assert 0.928 <= covered <= 0.96
    assert covered > plainly


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_interval_of_a_mean_latency_covers_the_truth_and_is_positive(seeds):
    """4,000 studies of exponential latencies with the mean 3: three standard errors are 0.010, the method may lose 0.02."""
    found = means(np.random.default_rng(22).exponential(3.0, (4000, seeds)), 0.95, 0.0)
    assert (found.low > 0.0).all()
    assert 0.92 <= ((found.low <= 3.0) & (found.high >= 3.0)).mean() <= 0.96


def test_the_interval_of_two_shares_is_worked_by_hand():
    """Shares 0.8 and 0.9: mean 0.85, standard error 0.05, t of 0.975 with one degree 12.7062.

    The odds are 0.85 / 0.15 = 5.66667, and the logit's error is 12.7062 * 0.05 / (0.85 * 0.15) = 4.98282, of which the
    exponential is 145.884: the odds of the ends are 5.66667 / 145.884 = 0.0388437 and 5.66667 * 145.884 = 826.676.
    """
    found = means(np.array([[0.8, 0.9]]), 0.95, 0.0, 1.0)
    assert found.low[0] == pytest.approx(0.0388437 / 1.0388437, rel=1e-4)
    assert found.high[0] == pytest.approx(826.676 / 827.676, rel=1e-6)


def test_the_interval_of_two_latencies_is_worked_by_hand():
    """Latencies 9 and 11: mean 10, standard error 1; the ends are 10 exp(-1.27062) and 10 exp(1.27062)."""
    found = means(np.array([[9.0, 11.0]]), 0.95, 0.0)
    assert (found.low[0], found.high[0]) == pytest.approx((2.80658, 35.6306), rel=1e-5)


def test_far_from_its_bounds_an_interval_is_students():
    data = np.array([[0.50, 0.51, 0.49]])
    free, bound = means(data), means(data, 0.95, 0.0, 1.0)
    assert (bound.low[0], bound.high[0]) == pytest.approx((free.low[0], free.high[0]), abs=1e-4)


def test_equal_values_one_value_and_none_have_no_interval():
    nan = np.nan
    found = means(np.array([[1.0, 1.0, 1.0], [0.5, nan, nan], [nan, nan, nan]]), 0.95, 0.0, 1.0)
    np.testing.assert_array_equal(found.mean, [1.0, 0.5, nan])
    assert found.seeds.tolist() == [3, 1, 0]
    assert np.isnan([found.low, found.high]).all()


def test_a_wide_interval_ends_at_its_bounds_and_not_at_infinity():
    found = means(np.array([[1e-9, 1.0 - 1e-9], [1e-12, 2e-9]]), 0.999, 0.0, 1.0)
    assert np.isfinite([found.low, found.high]).all()
    assert ((found.low >= 0.0) & (found.high <= 1.0) & (found.low <= found.mean) & (found.mean <= found.high)).all()


def test_data_outside_its_bounds_keeps_students_interval():
    data = np.array([[1.0, 2.0, 3.0]])
    assert means(data, 0.95, 0.0, 1.0).low[0] == means(data).low[0]


def test_the_effect_is_cohens_with_hedges_correction():
    """Mean 2, standard deviation 1, three pairs: 2 (1 - 3 / (4 * 2 - 1)) = 8/7."""
    assert judged(np.array([[1.0, 2.0, 3.0]])).effect[0] == pytest.approx(8 / 7)


@given(
    st.lists(st.floats(-100, 100), min_size=6, max_size=12).filter(lambda v: np.std(v) > 1e-3), st.floats(-50, 50), st.floats(0.1, 10)
)  # fmt: skip
def test_shifting_and_scaling_moves_the_interval_with_the_data(values, shift, scale):
    data = np.array([values])
    plain, moved = judged(data), judged(scale * data + shift)
    assert moved.low[0] == pytest.approx(scale * plain.low[0] + shift, rel=1e-6, abs=1e-6)
    assert moved.high[0] == pytest.approx(scale * plain.high[0] + shift, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=5, max_size=10), st.integers(0, 9))
def test_a_thing_says_the_same_alone_and_among_others(values, missing):
    rng = np.random.default_rng(1)
    row = np.array(values)
    row[missing % len(row)] = np.nan
    alone, among = judged(row[None]), judged(np.stack([rng.normal(size=len(row)), row, rng.normal(size=len(row))]))
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
    found = judged(np.array([[1.0, 2.0, 3.0]]))
    half = 4.302653 / np.sqrt(3)
    assert (found.low[0], found.high[0]) == pytest.approx((2 - half, 2 + half), rel=1e-6)


@pytest.mark.parametrize("pairs", [3, 20])
def test_more_confidence_is_a_wider_interval(pairs):
    data = np.random.default_rng(4).normal(size=(1, pairs))
    wide, narrow = judged(data, 0.99), judged(data, 0.8)
    assert wide.low[0] < narrow.low[0] < narrow.high[0] < wide.high[0]


def test_two_pairs_have_an_interval_and_a_p_value_and_no_effect():
    """Hedges' factor of two pairs is 0: an effect of 0 would look as if there was none."""
    found = judged(np.array([[1.0, 3.0]]))
    assert np.isfinite([found.low[0], found.high[0], found.p[0]]).all()
    assert np.isnan(found.effect[0])


def test_one_pair_has_a_mean_and_nothing_else():
    found = judged(np.array([[np.nan, 4.0]]))
    assert found.mean[0] == 4.0
    assert np.isnan([found.low[0], found.high[0], found.effect[0], found.p[0]]).all()


def test_equal_differences_are_as_probable_as_equal_signs():
    """Three differences of random sign have the same sign with a probability of 2 / 2^3."""
    found = judged(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))
    assert found.p.tolist() == [0.25, 1.0]


def test_pairs_that_are_missing_leave_the_others_as_if_alone():
    row = np.array([1.0, np.nan, 2.0, 4.0, np.nan, 7.0, 9.0, 12.0])
    some, alone = judged(row[None]), judged(row[np.isfinite(row)][None])
    assert (some.pairs[0], some.mean[0], some.p[0]) == (6, pytest.approx(alone.mean[0]), pytest.approx(alone.p[0]))
    assert (some.low[0], some.high[0]) == pytest.approx((alone.low[0], alone.high[0]))


def test_the_effect_has_the_sign_of_the_difference():
    assert judged(np.array([[-1.0, -2.0, -3.0]])).effect[0] == pytest.approx(-8 / 7)


def test_results_have_the_shape_of_what_was_compared():
    found = judged(np.random.default_rng(1).normal(size=(3, 4, 6)))
    assert {getattr(found, part).shape for part in ("pairs", "mean", "low", "high", "effect", "p")} == {(3, 4)}


def test_the_interval_of_two_pairs_is_students():
    """Differences 1 and 3: mean 2, standard error 1, t of 0.975 with one degree 12.7062."""
    found = judged(np.array([[1.0, 3.0]]))
    assert (found.low[0], found.high[0]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)


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


def test_the_least_effect_is_the_quantile_of_t_over_the_root_of_pairs():
    """t of 0.975 with 4 degrees is 2.77645, of 0.9975 (10 tests) 5.59757; Hedges' factor of 5 pairs is 1 - 3 / 15."""
    assert least_effect(5, 0.95) == pytest.approx(0.8 * 2.77645 / np.sqrt(5), rel=1e-5)
    assert least_effect(5, 0.95, 10) == pytest.approx(0.8 * 5.59757 / np.sqrt(5), rel=1e-5)
