"""Intervals and effect sizes of paired differences, for all metrics and settings at once.

The interval is the expanded percentile bootstrap of Hesterberg, "What Teachers Should Know About the Bootstrap", The
American Statistician 69 (2015), section 5.3. Pairs are resampled with replacement. With few pairs, the plain percentile
interval is too short, so quantiles farther from the median are used, by Student's t and sqrt(n / (n - 1)). An interval with
a nominal level of 95 % covers the true mean with a probability of 92 % for 5 pairs of normal differences, and 95 % for 10
and more; for exponential differences, 86 % with 5 pairs, 90 % with 10 and 93 % with 30. With fewer than 5 pairs there are
too few distinct resamples: with 3 pairs, the bootstrap would cover only 75 %. So Student's interval is used for fewer than
5 pairs, which assumes normal differences.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

# Number of bootstrap resamples.
RESAMPLES = 4000
# Least number of pairs for the bootstrap; fewer pairs have too few distinct resamples.
LEAST_PAIRS = 5
# Seed of the resampling; it is fixed, so that the same results always get the same interval.
_SEED = 20150101


@dataclass(frozen=True)
class Paired:
    """Statistics of paired differences, one entry for each metric and setting.

    Attributes:
        pairs: Number of pairs that both sides measured.
        mean: Mean difference; NaN without pairs.
        low: Lower end of the confidence interval of the mean difference; NaN with fewer than two pairs.
        high: Upper end of the confidence interval; NaN with fewer than two pairs.
        effect: Mean difference divided by the standard deviation of the differences (Cohen's d_z, with Hedges' correction
            for few pairs); NaN with fewer than two pairs or if all differences are equal.
        p: p-value of a two-sided paired t test.
    """

    pairs: Int64[np.ndarray, " *things"]
    mean: Float[np.ndarray, " *things"]
    low: Float[np.ndarray, " *things"]
    high: Float[np.ndarray, " *things"]
    effect: Float[np.ndarray, " *things"]
    p: Float[np.ndarray, " *things"]


def paired(difference: Float[np.ndarray, "*things pairs"], confidence: float = 0.95) -> Paired:
    """Return the statistics of paired differences; NaN marks a pair that was not measured.

    Args:
        difference: Difference of each pair; NaN for a pair without a measurement.
        confidence: Confidence level of the interval, between 0 and 1.
    """
    # Imported here, because the import of scipy.stats takes a while.
    from scipy.stats import norm
    from scipy.stats import t as student

    shape = difference.shape[:-1]
    flat = difference.reshape(int(np.prod(shape, dtype=np.int64)), difference.shape[-1])
    there = np.isfinite(flat)
    n = there.sum(axis=1)
    filled = np.where(there, flat, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / n
        centred = np.where(there, flat - mean[:, None], 0.0)
        spread = np.sqrt((centred**2).sum(axis=1) / (n - 1))
        # Equal differences have a standard deviation of zero; rounding errors can leave a tiny one.
        spread[spread <= 1e-12 * np.abs(mean)] = 0.0
        effect = np.where(spread > 0, mean / spread * (1.0 - 3.0 / (4.0 * (n - 1) - 1.0)), np.nan)
        p = 2.0 * student.sf(np.abs(mean) / (spread / np.sqrt(n)), n - 1)
    low, high = mean.copy(), mean.copy()
    few = n < 2
    low[few], high[few], effect[few], p[few] = np.nan, np.nan, np.nan, np.nan
    p[(n >= 2) & (spread == 0)] = np.where(mean[(n >= 2) & (spread == 0)] == 0, 1.0, 0.0)
    small = (n >= 2) & (n < LEAST_PAIRS)
    half = student.ppf(0.5 + confidence / 2.0, n[small] - 1) * spread[small] / np.sqrt(n[small])
    low[small], high[small] = mean[small] - half, mean[small] + half
    # Metrics that were measured in the same pairs share one matrix of resampling weights.
    patterns, which = np.unique(np.packbits(there, axis=1), axis=0, return_inverse=True)
    for number in range(len(patterns)):
        rows = np.flatnonzero((which.ravel() == number) & (spread > 0))
        if len(rows) == 0 or n[rows[0]] < LEAST_PAIRS:
            continue
        count = int(n[rows[0]])
        tail = norm.cdf(np.sqrt(count / (count - 1)) * student.ppf((1.0 - confidence) / 2.0, count - 1))
        weights = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1.0 / count), RESAMPLES) / count
        data = flat[rows][:, there[rows[0]]]
        # The work is done in blocks, so that the resamples of ten thousand settings are never in memory at once.
        for begin in range(0, len(rows), 2000):
            part = slice(begin, begin + 2000)
            means = weights @ data[part].T
            low[rows[part]], high[rows[part]] = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return Paired(*(a.reshape(shape) for a in (n, mean, low, high, effect, p)))


def survives_holm(p: Float[np.ndarray, " tests"], level: float) -> np.ndarray:
    """Return whether each of many tests is significant when all are considered together (Holm's method).

    Args:
        p: p-value of each test; NaN for a test without one.
        level: Largest accepted probability of at least one false positive among all tests, 0 to 1.

    References:
        Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    holds = p[order] <= level / np.arange(len(order), 0, -1)
    kept = np.zeros(len(p), bool)
    kept[order[: len(order) if holds.all() else int(np.argmin(holds))]] = True
    return kept
