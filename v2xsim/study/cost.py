"""What the same costs: the least load at which each rule has what the reference has at its best.

Where more load brings nothing more, rules are equal at equal load although one of them needs a third of it. This reading shows that: it fixes the metric and compares
loads. Intervals are percentiles over resampled seeds, the same ones for every rule; nothing is tested.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names

# Number of resampled sets of seeds, and the seed of their draws: the same runs give the same intervals.
_RESAMPLES, _SEED = 2000, 1


@dataclass(frozen=True)
class Cost:
    """What one rule needs to have what the reference has.

    Attributes:
        family: Name of the family.
        rule: The rule.
        level: Value of the primary metric that it must reach: the best mean of the reference's curve, less the margin of the study.
        load: Least load of the rule's curve at which its mean over seeds reaches this value; NaN if none does.
        ratio: This load over that of the reference; NaN if no load does.
        low: Lower end of the interval of the ratio; infinite if hardly any set of seeds reaches the level.
        high: Upper end, likewise; NaN, as the lower one, with fewer than two seeds.
        at_end: Whether the load is the least of the rule's curve, so that a smaller one might do.
    """

    family: str
    rule: str
    level: float
    load: float
    ratio: float
    low: float
    high: float
    at_end: bool


def costs(findings: Findings) -> list[Cost]:
    """Return what each rule needs, by family, the reference first."""
    return [cost for family in findings.families for cost in _of_family(findings, family)]


def _of_family(findings: Findings, family: FamilyRuns) -> list[Cost]:
    file, seeds = findings.file, int(family.used.sum())
    if file.reference in family.lost or not seeds:
        return []
    sign = 1.0 if file.better == "higher" else -1.0
    drawn = np.random.default_rng(_SEED).integers(0, seeds, (_RESAMPLES, seeds))
    # The first set is that of the seeds themselves.
    sets = np.vstack([np.arange(seeds), drawn])
    load, metric = _means(findings, family, file.reference, sets, sign)
    level = metric.max(axis=1) - file.margin
    own = least_loads(load, metric, level)
    tail = 50.0 * (1.0 - file.confidence)
    found = []
    for rule in rule_names(file):
        if rule in family.lost:
            continue
        load, metric = _means(findings, family, rule, sets, sign)
        least = least_loads(load, metric, level)
        ratio = least / own
        low, high = np.percentile(ratio[1:], [tail, 100.0 - tail], method="nearest") if seeds > 1 else (np.nan, np.nan)
        reached = math.isfinite(least[0])
        found.append(
            Cost(
                family.name, rule, sign * float(level[0]), float(least[0]) if reached else math.nan, float(ratio[0]) if reached else math.nan, float(low), float(high),
                bool(least[0] <= load[0].min()),
            )
        )  # fmt: skip
    return found


def _means(
    findings: Findings, family: FamilyRuns, rule: str, sets: Int64[np.ndarray, "sets seeds"], sign: float
) -> tuple[Float[np.ndarray, "sets settings"], Float[np.ndarray, "sets settings"]]:
    """Return the mean load and the mean metric of each setting of a rule, over each set of seeds."""
    file = findings.file
    load, metric = (family.curve(rule, name)[:, family.used] for name in (findings.load_metric, file.metric))
    return load[:, sets].mean(axis=2).T, sign * metric[:, sets].mean(axis=2).T


def least_loads(
    load: Float[np.ndarray, "sets settings"],
    metric: Float[np.ndarray, "sets settings"],
    level: Float[np.ndarray, " sets"],
) -> Float[np.ndarray, " sets"]:
    """Return the least load at which a curve reaches a level, on straight lines between its points; infinite if it does not.

    Args:
        load: Load of each point of each curve, in any order.
        metric: Metric there, higher is better.
        level: Value to reach, of each curve.
    """
    order = np.argsort(load, axis=1, kind="stable")
    load, metric = (np.take_along_axis(each, order, axis=1) for each in (load, metric))
    reached = metric >= level[:, None]
    at_points = np.where(reached, load, np.inf)
    # A line that rises over the level reaches it before its right end.
    rises = ~reached[:, :-1] & reached[:, 1:]
    step = np.where(rises, metric[:, 1:] - metric[:, :-1], 1.0)
    part = np.where(rises, (level[:, None] - metric[:, :-1]) / step, 0.0)
    crossings = np.where(rises, load[:, :-1] + part * (load[:, 1:] - load[:, :-1]), np.inf)
    return np.concatenate([at_points, crossings], axis=1).min(axis=1)
