"""A verdict is earned: better, worse and equal each need their own evidence, among all comparisons of a study."""

import numpy as np
import pytest
from scipy import stats

from v2xsim.study.statistics import holm_adjusted
from v2xsim.study.verdicts import Verdict, cautious_spread, differences, seeds_needed, share_of_way


def judged(*rows, **options):
    """Return the verdicts of differences against a rule that is always 0."""
    rows = np.array(rows, float)
    return differences(rows, np.zeros_like(rows), **options)


def around(mean, spread, seeds=10):
    """Return differences with exactly this mean and standard deviation."""
    shape = np.linspace(-1, 1, seeds)
    return mean + spread * shape / shape.std(ddof=1)


def test_holms_adjusted_p_values_are_those_of_the_worked_example():
    """Of 0.01, 0.04, 0.03 and 0.005: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 not below the one before."""
    assert holm_adjusted(np.array([0.01, 0.04, np.nan, 0.03, 0.005])) == pytest.approx(
        [0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True
    )


def test_an_adjusted_p_value_is_at_most_one():
    assert holm_adjusted(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]


def test_the_interval_is_students_interval_of_the_difference():
    rng = np.random.default_rng(1)
    reference, other = rng.normal(0.5, 0.1, 8), rng.normal(0.4, 0.1, 8)
    book, found = stats.ttest_rel(reference, other), differences(reference[None], other[None])
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(book.confidence_interval(0.95)))
    assert (found.p[0], found.half_width[0]) == pytest.approx((book.pvalue, (found.high[0] - found.low[0]) / 2))


def test_four_differences_get_the_four_verdicts():
    found = judged(around(0.05, 0.01), around(-0.05, 0.01), around(0.001, 0.005), around(0.01, 0.05))
    assert found.verdict == (Verdict.BETTER, Verdict.WORSE, Verdict.EQUAL, Verdict.UNDECIDED)


def test_a_difference_that_is_significant_but_surely_below_the_margin_is_called_equal():
    found = judged(around(0.005, 0.002))
    assert found.p_holm[0] < 0.001
    assert found.verdict == (Verdict.EQUAL,)


def test_equality_alone_is_a_whole_interval_within_the_margin():
    """The half width of ten differences is 2.262 / sqrt(10) spreads; a spread of 0.0139 gives 0.00994, one of 0.0141 gives 0.01009."""
    assert judged(around(0.0, 0.0139)).alone == (Verdict.EQUAL,)
    assert judged(around(0.0, 0.0141)).alone == (Verdict.UNDECIDED,)
    rng = np.random.default_rng(5)
    found = judged(*(rng.normal(rng.normal(0, 0.006), 0.01, (400, 8))))
    within = (found.low >= -0.01) & (found.high <= 0.01)
    assert ([word is Verdict.EQUAL for word in found.alone] == within).all()
    assert 20 < within.sum() < 380


def test_the_margin_is_the_callers():
    assert judged(around(0.0, 0.03), margin=0.05).verdict == (Verdict.EQUAL,)
    with pytest.raises(ValueError, match="margin must be above 0"):
        judged(around(0.0, 0.03), margin=0.0)


def test_among_many_comparisons_a_verdict_needs_more_evidence():
    """p of about 0.03: better alone, and undecided among ten."""
    found = judged(around(0.03, 0.037), *(around(0.0, 0.1) for _ in range(9)))
    assert 0.01 < found.p[0] < 0.05
    assert (found.alone[0], found.verdict[0]) == (Verdict.BETTER, Verdict.UNDECIDED)


def test_a_comparison_without_common_load_gets_no_verdict_and_is_no_test():
    nothing = np.full(10, np.nan)
    found = judged(around(0.03, 0.037), nothing)
    assert found.verdict == (Verdict.BETTER, Verdict.NO_OVERLAP)
    assert (found.seeds.tolist(), found.p_holm[0]) == ([10, 0], found.p[0])


def test_rules_that_made_the_same_runs_are_equal():
    found = judged([0.0, 0.0, 0.0])
    assert (found.verdict, found.low[0], found.high[0]) == ((Verdict.EQUAL,), 0.0, 0.0)


def test_one_seed_decides_nothing():
    assert judged([0.5]).verdict == (Verdict.UNDECIDED,)


def test_a_study_without_any_effect_rarely_calls_a_rule_better_or_worse():
    """600 studies of 12 comparisons of 6 seeds that share their noise: at most 5 % err, and three standard errors are 2.7 %."""
    rng = np.random.default_rng(9)
    wrong = [
        any(
            word in (Verdict.BETTER, Verdict.WORSE)
            for word in judged(*(rng.normal(0, 1, 6) + rng.normal(0, 1, (12, 6)))).verdict
        )
        for _ in range(600)
    ]
    assert np.mean(wrong) <= 0.05 + 0.027


def test_rules_that_differ_by_the_margin_are_rarely_called_equal():
    """7,200 comparisons with a true difference of 0.01: an error of at most 2.5 % of them, and three standard errors are 0.6 %."""
    found = judged(*np.random.default_rng(10).normal(0.01, 0.004, (7200, 6)))
    assert np.mean([word is Verdict.EQUAL for word in found.verdict]) <= 0.025 + 0.006


def test_equality_is_a_matter_of_each_comparison_and_has_a_p_value_for_all():
    found = judged(*(around(0.0, 0.0135) for _ in range(50)))
    assert set(found.verdict) == {Verdict.EQUAL}
    assert found.p_equal_holm[0] == pytest.approx(min(1.0, 50 * found.p_equal[0]))


def test_the_share_of_the_way_is_the_ratio_of_the_mean_ways():
    """From 0.4 to 0.6 in the mean, and the rule at 0.45: a quarter.

    t of 0.975 with three degrees is 3.1824, its square 10.128; the squared errors of both ways are 6.667e-5 / 4 = 1.667e-5, their covariance
    the same below 0. So a = 0.2^2 - 0.0001688 = 0.0398312, b = 0.05 x 0.2 + 0.0001688 = 0.0101688, c = 0.05^2 - 0.0001688 = 0.0023312, and
    the ends are (b -+ sqrt(b^2 - a c)) / a = (0.0101688 -+ 0.0032483) / 0.0398312.
    """
    start, end = np.array([0.3, 0.4, 0.5, 0.4]), np.array([0.51, 0.6, 0.69, 0.6])
    share = share_of_way(start + np.array([0.04, 0.05, 0.06, 0.05]), start, end)
    assert share.value == pytest.approx(0.25)
    assert (share.low, share.high) == pytest.approx((0.17375, 0.33684), abs=1e-5)


def test_a_rule_that_is_the_end_has_gone_the_whole_way():
    start, end = np.zeros(4), np.array([0.1, 0.2, 0.15, 0.12])
    share = share_of_way(end, start, end)
    assert (share.value, share.low, share.high) == pytest.approx((1.0, 1.0, 1.0))


def test_without_a_clear_way_there_is_no_share():
    start = np.zeros(4)
    unclear = share_of_way(start + 0.1, start, np.array([0.1, -0.1, 0.2, -0.1]))
    backwards = share_of_way(start + 0.1, start, np.array([-0.1, -0.11, -0.12, -0.1]))
    assert np.isnan([unclear.value, unclear.low, backwards.value]).all()
    assert "not clearly longer than 0" in unclear.reason
    assert unclear.reason == backwards.reason
    assert "only 1 seed in" in share_of_way(start[:1], start[:1], start[:1] + 1).reason


def test_the_interval_of_a_share_covers_the_truth_as_often_as_it_says():
    """2,000 studies of 6 seeds and a true share of 0.4: three standard errors of 0.95 are 0.015."""
    rng = np.random.default_rng(11)
    covered = []
    for _ in range(2000):
        start = rng.normal(0.4, 0.1, 6)
        whole = rng.normal(0.1, 0.03, 6)
        share = share_of_way(start + 0.4 * whole + rng.normal(0, 0.01, 6), start, start + whole)
        covered.append(share.low <= 0.4 <= share.high or bool(share.reason))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_the_number_of_seeds_is_the_smallest_whose_interval_is_narrow_enough():
    """t of 0.975 is 2.262 for 10 seeds and 2.306 for 9: half widths of a spread of 0.0139 are 0.00994 and 0.0107."""
    assert seeds_needed(0.0139, 0.01) == 10
    assert seeds_needed(0.0, 0.01) == 2
    for spread in (0.003, 0.012, 0.05, 0.3):
        n = seeds_needed(spread, 0.01)
        halves = [stats.t.ppf(0.975, k - 1) * spread / np.sqrt(k) for k in (n - 1, n) if k > 1]
        assert halves[-1] <= 0.01
        assert n == 2 or halves[0] > 0.01


def test_a_spread_of_few_seeds_is_taken_with_caution():
    """The cautious spread of 5 normal seeds is above the true one in 80 % of 4,000 studies, give or take 2 %."""
    spreads = np.random.default_rng(12).normal(0, 1, (4000, 5)).std(axis=1, ddof=1)
    assert np.mean([cautious_spread(spread, 5) >= 1.0 for spread in spreads]) == pytest.approx(0.8, abs=0.02)
