"""Values of a metric at equal channel load, read off whole curves: a run of each load setting is one point of a curve.

A rule that sends more gets more, so rules are compared at equal load. Each rule runs with several settings of one key that sets the
load (a rate or a budget, listed from low to high load). In the mean over seeds, this gives a curve of the metric over the channel
busy ratio. Its value at a load is interpolated between the two neighbouring points, with the bend of the curve there:

- The bend is that of the parabolas through these two points and the next one on either side. A chord alone lies below a curve that
  flattens: in simulated studies with four settings and 20 seeds, its 95 % intervals covered the true difference in 70 to 94 % of the
  cases, and with the bend in 94 to 98 %. Between two points, the value never leaves the range of theirs.
- Noise can make the mean busy ratio fall from one setting to the next. Such neighbours are pooled until the busy ratio rises
  (isotonic regression along the settings); a pooled point has the mean busy ratio and the mean metric of its settings.
- The weights of the interpolation are those at which the mean busy ratio over seeds is exactly the load, and every seed gets the same
  weights. So the mean loads of two rules agree exactly, and no seed is lost because its own curve ends early.
- A single seed then has a little more or less than the load. Its value is corrected for that by the slope of the mean curve. The
  correction is 0 in the mean over seeds, so it does not move a result; it lets an interval know that the load itself was measured.
- Nothing is extrapolated: beyond the lowest and the highest mean busy ratio of a rule, its value is NaN.

A rule need not use the whole channel. So a second reading of the same curves is the best value at no more than a load (`best_within`): it
does not count against a rule that more of the load axis makes it worse, and a rule whose curve ends below the load is still read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class AtLoads:
    """What a rule reaches at some loads, in each seed.

    Attributes:
        value: Metric at each load in each seed; NaN if the rule's mean busy ratio never has this value.
        busy: Busy ratio of the same interpolation in each seed; its mean over seeds is the load.
        lowest: Lowest mean busy ratio of the rule's curve; NaN without seeds.
        highest: Highest mean busy ratio, likewise.
        pooled: Number of settings that were pooled with a neighbour, because the mean busy ratio did not rise between them.
    """

    value: Float[np.ndarray, "loads seeds"]
    busy: Float[np.ndarray, "loads seeds"]
    lowest: float
    highest: float
    pooled: int


def complete_seeds(*curves: Float[np.ndarray, "settings seeds"]) -> Bool[np.ndarray, " seeds"]:
    """Return the seeds in which every point of all curves was measured; only these are compared.

    A seed with a missing or an infinite point would otherwise enter some rules and not others.
    """
    return np.logical_and.reduce([np.isfinite(curve).all(axis=0) for curve in curves])


def used_seeds(
    curves: Mapping[str, Sequence[Float[np.ndarray, "settings seeds"]]],
) -> tuple[Bool[np.ndarray, " seeds"], tuple[str, ...]]:
    """Return the seeds in which every point of all rules was measured, and the rules without any such seed, which would leave none to the others.

    Args:
        curves: Curves of each rule, by its name; at least one.
    """
    own = {rule: complete_seeds(*each) for rule, each in curves.items()}
    lost = tuple(rule for rule, seeds in own.items() if not seeds.any())
    kept = [seeds for rule, seeds in own.items() if rule not in lost]
    return (np.logical_and.reduce(kept) if kept else np.zeros_like(next(iter(own.values())))), lost


def at_loads(
    busy: Float[np.ndarray, "settings seeds"],
    metric: Float[np.ndarray, "settings seeds"],
    loads: Float[np.ndarray, " loads"],
) -> AtLoads:
    """Return the metric of a rule at some loads.

    Args:
        busy: Channel busy ratio of each setting, from the setting that should load the channel least to that which should load it most.
        metric: Metric of the same points.
        loads: Channel busy ratios at which the metric is wanted.

    Raises:
        ValueError: If a point was not measured; choose seeds with `complete_seeds` first.
    """
    if not (np.isfinite(busy).all() and np.isfinite(metric).all()):
        raise ValueError("busy and metric must be finite; leave seeds without a value out with complete_seeds")
    settings, seeds = busy.shape
    if seeds == 0 or settings == 0:
        nothing = np.full((len(loads), seeds), np.nan)
        return AtLoads(nothing, nothing.copy(), np.nan, np.nan, 0)
    blocks = rising_blocks(busy.mean(axis=1))
    # One row for each point of the curve: the mean over its pooled settings.
    pool = np.stack([block / block.sum() for block in blocks])
    knot_busy, knot_metric = pool @ busy, pool @ metric
    mean_busy, mean_metric = knot_busy.mean(axis=1), knot_metric.mean(axis=1)
    value, load = np.full((len(loads), seeds), np.nan), np.full((len(loads), seeds), np.nan)
    for row, wanted in enumerate(loads.tolist()):
        # A load that is the end of a curve but for rounding is on the curve; loads may be large, such as bytes per second.
        slack = _ROUNDING * max(1.0, abs(wanted))
        if not mean_busy[0] - slack <= wanted <= mean_busy[-1] + slack:
            continue
        if len(mean_busy) == 1:
            value[row], load[row] = knot_metric[0], knot_busy[0]
            continue
        weight, slope = _weights(mean_busy, mean_metric, wanted)
        load[row] = weight @ knot_busy
        value[row] = weight @ knot_metric - slope * (load[row] - wanted)
    return AtLoads(value, load, float(mean_busy[0]), float(mean_busy[-1]), settings - len(blocks))


def best_within(
    busy: Float[np.ndarray, "settings seeds"],
    metric: Float[np.ndarray, "settings seeds"],
    loads: Float[np.ndarray, " loads"],
    higher: bool = True,
) -> Float[np.ndarray, "loads seeds"]:
    """Return the best value of a rule at no more than each load; NaN if even its lowest load is higher.

    The place on the curve is that of the best mean over seeds, among its points up to the load and the load itself; all seeds are read
    there. Noise makes the best of several points look a little better than it is, for every rule alike.

    Args:
        busy: As for `at_loads`.
        metric: As for `at_loads`.
        loads: Largest channel busy ratios.
        higher: Whether a higher metric is better.
    """
    settings, seeds = busy.shape
    best = np.full((len(loads), seeds), np.nan)
    if seeds == 0 or settings == 0:
        return best
    knots = np.array([busy.mean(axis=1)[block].mean() for block in rising_blocks(busy.mean(axis=1))])
    for row, most in enumerate(loads.tolist()):
        within = np.append(knots[knots < most], most)
        value = at_loads(busy, metric, within).value
        mean = value.mean(axis=1) * (1.0 if higher else -1.0)
        if np.isfinite(mean).any():
            # Of places that are equally good but for rounding, that with the least load.
            best[row] = value[np.flatnonzero(mean >= np.nanmax(mean) - _ROUNDING)[0]]
    return best


def _weights(
    busy: Float[np.ndarray, " knots"], metric: Float[np.ndarray, " knots"], wanted: float
) -> tuple[Float[np.ndarray, " knots"], float]:
    """Return the weight of each point of a curve in the value at a load, and the slope of the curve there.

    Args:
        busy: Mean busy ratio of each point, rising; at least two.
        metric: Mean metric of each point.
        wanted: The load, within the curve.
    """
    left = int(np.clip(np.searchsorted(busy, wanted, side="right") - 1, 0, len(busy) - 2))
    from_left, from_right, width = wanted - busy[left], wanted - busy[left + 1], busy[left + 1] - busy[left]
    chord = np.zeros(len(busy))
    chord[left], chord[left + 1] = -from_right / width, from_left / width
    # The bend of the parabola through the two points and the next one, on either side where there is one.
    bends = [_second_difference(busy, first) for first in (left - 1, left) if 0 <= first <= len(busy) - 3]
    bend = np.mean(bends, axis=0) if bends else np.zeros(len(busy))
    # The value stays between those of the two points: more bend than that is noise.
    change, steepest = float(from_left * from_right * (bend @ metric)), (metric[left + 1] - metric[left]) / width
    middle = float(chord @ metric)
    lowest, highest = sorted((float(metric[left]), float(metric[left + 1])))
    # By rounding, the room may be a little below 0.
    room = max(0.0, highest - middle if change > 0 else middle - lowest)
    kept = 1.0 if abs(change) <= room else room / abs(change)
    slope = steepest + kept * (from_left + from_right) * float(bend @ metric)
    return chord + kept * from_left * from_right * bend, float(slope)


def _second_difference(busy: Float[np.ndarray, " knots"], first: int) -> Float[np.ndarray, " knots"]:
    """Return the weights of the second divided difference of three neighbouring points: the bend of the parabola through them."""
    weight = np.zeros(len(busy))
    a, b, c = busy[first : first + 3]
    weight[first : first + 3] = 1.0 / ((a - b) * (a - c)), 1.0 / ((b - a) * (b - c)), 1.0 / ((c - a) * (c - b))
    return weight


_ROUNDING = 1e-12


def rising_blocks(values: Float[np.ndarray, " settings"]) -> list[Bool[np.ndarray, " settings"]]:
    """Return the fewest pooled neighbours with which the means of values rise strictly, as a mask of the settings of each block.

    References:
        Barlow, Bartholomew, Bremner and Brunk, Statistical Inference under Order Restrictions, 1972 (pooling adjacent violators).
    """
    ends: list[tuple[int, int]] = []
    for position in range(len(values)):
        first = position
        while ends and values[ends[-1][0] : ends[-1][1]].mean() >= values[first : position + 1].mean():
            first = ends.pop()[0]
        ends.append((first, position + 1))
    rows = np.arange(len(values))
    return [(rows >= first) & (rows < end) for first, end in ends]
