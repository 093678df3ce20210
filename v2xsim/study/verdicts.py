"""Verdicts on paired differences between a rule and a reference, and how many seeds a verdict needs.

Whether two rules differ is tested for all comparisons of a study together (Holm's method): the probability that any of them is called
better or worse without a difference is at most 5 %. Two rules are equal within a margin if the whole interval of their difference lies
within it: two one-sided t tests at 2.5 % each (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987, with a smaller
error). This is an error rate of each comparison; `p_equal_holm` is for all together. A difference that is both significant and surely
below the margin is called equal: a study of many seeds also finds differences that nobody would pay for.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.study.labels import counted
from v2xsim.study.statistics import holm_adjusted, paired


class Verdict(StrEnum):
    """What a comparison of the reference with another rule says about the reference."""

    BETTER = "better"
    EQUAL = "equal"
    WORSE = "worse"
    UNDECIDED = "undecided"
    NO_OVERLAP = "no overlap"


@dataclass(frozen=True)
class Differences:
    """Differences reference minus other, with their verdicts, one entry for each comparison; positive where the reference is better.

    Attributes:
        seeds: Number of seeds.
        mean: Mean difference over seeds; NaN without seeds.
        low: Lower end of the confidence interval of the mean difference; NaN with fewer than two seeds. If all differences are equal,
            both ends are the difference.
        high: Upper end.
        p: p-value of the paired t test against no difference.
        p_holm: The same, adjusted for all comparisons.
        p_equal: p-value of the test of equality within the margin.
        p_equal_holm: The same, adjusted for all comparisons.
        alone: Verdict of each comparison if it were the only one.
        verdict: Verdict in which better and worse hold for all comparisons together.
    """

    seeds: Int64[np.ndarray, " tests"]
    mean: Float[np.ndarray, " tests"]
    low: Float[np.ndarray, " tests"]
    high: Float[np.ndarray, " tests"]
    p: Float[np.ndarray, " tests"]
    p_holm: Float[np.ndarray, " tests"]
    p_equal: Float[np.ndarray, " tests"]
    p_equal_holm: Float[np.ndarray, " tests"]
    alone: tuple[Verdict, ...]
    verdict: tuple[Verdict, ...]

    @property
    def half_width(self) -> Float[np.ndarray, " tests"]:
        """Half the width of each interval."""
        return (self.high - self.low) / 2.0


def differences(
    reference: Float[np.ndarray, "tests seeds"],
    other: Float[np.ndarray, "tests seeds"],
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Differences:
    """Return the differences of all comparisons of a study, with their verdicts.

    Args:
        reference: Value of the reference in each seed, higher is better; all NaN where the rules do not reach the same load, and NaN in
            single seeds without a value.
        other: Value of the other rule, likewise.
        margin: Difference up to which two rules are as good as equal, above 0.
        confidence: Confidence level of the intervals; one minus it is the error rate of better and worse in the whole study.
    """
    if not margin > 0.0:
        raise ValueError(f"margin must be above 0, got {margin:g}")
    found = paired(other, reference, confidence)
    no_spread = (found.pairs > 1) & np.isnan(found.low)
    low, high = np.where(no_spread, found.mean, found.low), np.where(no_spread, found.mean, found.high)
    p_equal = _p_equal(found.mean, (high - low) / 2.0, found.pairs, margin, confidence)
    # Rules with the same value in every seed made the same runs; nothing has to be tested.
    p_equal = np.where(
        no_spread, np.where(found.mean == 0.0, 0.0, np.where(abs(found.mean) < margin, found.p, 1.0)), p_equal
    )
    p_holm, p_equal_holm = holm_adjusted(found.p), holm_adjusted(p_equal)
    level = 1.0 - confidence
    return Differences(
        found.pairs, found.mean, low, high, found.p, p_holm, p_equal, p_equal_holm,
        _verdicts(found.pairs, found.mean, found.p <= level, p_equal <= level),
        _verdicts(found.pairs, found.mean, p_holm <= level, p_equal <= level),
    )  # fmt: skip


def _p_equal(
    mean: Float[np.ndarray, " tests"],
    half: Float[np.ndarray, " tests"],
    seeds: Int64[np.ndarray, " tests"],
    margin: float,
    confidence: float,
) -> Float[np.ndarray, " tests"]:
    """Return twice the larger p-value of two one-sided t tests, so that it is at most 1 - confidence where the interval is within the margin."""
    from scipy.stats import t as student

    with np.errstate(invalid="ignore", divide="ignore"):
        error = half / student.ppf(0.5 + confidence / 2.0, seeds - 1)
        return np.minimum(1.0, 2.0 * student.sf((margin - np.abs(mean)) / error, seeds - 1))


def _verdicts(
    seeds: Int64[np.ndarray, " tests"],
    mean: Float[np.ndarray, " tests"],
    differs: Bool[np.ndarray, " tests"],
    equal: Bool[np.ndarray, " tests"],
) -> tuple[Verdict, ...]:
    verdicts = np.where(equal, Verdict.EQUAL, np.where(mean > 0, Verdict.BETTER, Verdict.WORSE))
    verdicts = np.where(differs | equal, verdicts, Verdict.UNDECIDED)
    return tuple(Verdict(word) for word in np.where(seeds == 0, Verdict.NO_OVERLAP, verdicts).tolist())


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means over seeds.

    Attributes:
        value: Ratio of the means; NaN if the denominator is not clearly above 0.
        low: Lower end of its confidence interval, likewise.
        high: Upper end.
        reason: Why there is no ratio; empty if there is one.
    """

    value: float
    low: float
    high: float
    reason: str = ""


def share_of_way(
    value: Float[np.ndarray, " seeds"],
    start: Float[np.ndarray, " seeds"],
    end: Float[np.ndarray, " seeds"],
    confidence: float = 0.95,
) -> Ratio:
    """Return which share of the way from a start to an end a rule goes, as a ratio of mean differences over seeds.

    Args:
        value: Value of the rule in each seed.
        start: Value of what counts as 0, such as a study's direct rule.
        end: Value of what counts as 1, such as its oracle.
        confidence: Confidence level of the interval.

    References:
        Fieller, Journal of the Royal Statistical Society B 16, 1954.
    """
    from scipy.stats import t as student

    there = np.isfinite(value) & np.isfinite(start) & np.isfinite(end)
    way, whole = (value - start)[there], (end - start)[there]
    n = len(way)
    if n < 2:
        return Ratio(
            np.nan,
            np.nan,
            np.nan,
            f"{'only ' + counted(n, 'seed') if n else 'no seed'} in which all three rules reach the load",
        )
    covariance = np.cov(way, whole, ddof=1) / n * student.ppf(0.5 + confidence / 2.0, n - 1) ** 2
    a = whole.mean() ** 2 - covariance[1, 1]
    if whole.mean() <= 0.0 or a <= 0.0:
        return Ratio(np.nan, np.nan, np.nan, "the whole way is not clearly longer than 0")
    b = way.mean() * whole.mean() - covariance[0, 1]
    c = way.mean() ** 2 - covariance[0, 0]
    # The discriminant is never below 0 while a > 0, but for rounding.
    root = np.sqrt(max(b * b - a * c, 0.0))
    return Ratio(float(way.mean() / whole.mean()), float((b - root) / a), float((b + root) / a))


def seeds_needed(spread: float, half_width: float, confidence: float = 0.95) -> int:
    """Return the smallest number of seeds, at least 2, whose interval of a mean difference is expected to be narrow enough.

    Args:
        spread: Standard deviation of the differences over seeds.
        half_width: Largest accepted half width of the interval, above 0.
        confidence: Confidence level of the interval.
    """
    from scipy.stats import t as student

    if not half_width > 0.0:
        raise ValueError(f"half_width must be above 0, got {half_width:g}")
    if not np.isfinite(spread):
        raise ValueError(f"spread must be a number, got {spread}")

    def is_enough(seeds: int) -> bool:
        return float(student.ppf(0.5 + confidence / 2.0, seeds - 1) * spread / np.sqrt(seeds)) <= half_width

    most = 2
    while not is_enough(most):
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if is_enough(middle) else (middle, most)
    return most


def cautious_spread(spread: float, seeds: int, assurance: float = 0.8) -> float:
    """Return a standard deviation that the true one exceeds with a probability of only 1 - assurance.

    A few development seeds often show less spread than there is; a plan with their own spread would be too short in half of all studies.

    Args:
        spread: Standard deviation that was measured.
        seeds: Number of seeds with which it was measured, at least 2.
        assurance: Probability that the true standard deviation is no larger, for normal differences.
    """
    from scipy.stats import chi2

    return float(spread * np.sqrt((seeds - 1) / chi2.ppf(1.0 - assurance, seeds - 1)))
