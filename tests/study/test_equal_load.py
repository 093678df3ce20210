"""Rules are compared at the same mean channel load, within the loads that their runs cover, with intervals that hold what they promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.study.equal_load import at_loads, best_within, complete_seeds, rising_blocks
from v2xsim.study.verdicts import differences


def column(*values):
    """Return a curve of one seed."""
    return np.array(values, float)[:, None]


def test_a_value_between_two_settings_is_interpolated_over_the_busy_ratio():
    """Busy ratio 0.1 and 0.3 give 0.5 and 0.6; a quarter of the way, at 0.15, is 0.525."""
    found = at_loads(column(0.1, 0.3), column(0.5, 0.6), np.array([0.1, 0.15, 0.3]))
    assert found.value[:, 0].tolist() == pytest.approx([0.5, 0.525, 0.6])
    assert (found.lowest, found.highest, found.pooled) == (0.1, 0.3, 0)


def test_nothing_is_extrapolated():
    found = at_loads(column(0.1, 0.2, 0.3), column(0.5, 0.6, 0.7), np.array([0.0999, 0.3001]))
    assert np.isnan(found.value).all()
    assert np.isnan(found.busy).all()


def test_settings_over_which_the_busy_ratio_falls_are_pooled():
    """0.30 and 0.26 become 0.28 with the mean metric 0.7; halfway from (0.2, 0.5) to it, at 0.24, the chord is at 0.6.

    The bend of the parabola through (0.2, 0.5), (0.28, 0.7) and (0.4, 0.9) is 31.25 - 72.91667 + 37.5 = -4.16667, which adds 0.04^2 times as much.
    """
    found = at_loads(column(0.2, 0.30, 0.26, 0.4), column(0.5, 0.6, 0.8, 0.9), np.array([0.24, 0.28]))
    assert found.value[:, 0].tolist() == pytest.approx([0.6066667, 0.7])
    assert found.pooled == 1


def test_a_parabola_is_read_off_exactly():
    busy = np.array([0.1, 0.18, 0.3, 0.41])
    loads = np.linspace(0.1, 0.41, 9)
    found = at_loads(column(*busy), column(*(busy - busy**2)), loads)
    assert found.value[:, 0].tolist() == pytest.approx((loads - loads**2).tolist(), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=6), st.floats(0, 1))
def test_a_value_lies_between_those_of_its_two_neighbours(metric, share):
    busy = np.linspace(0.1, 0.4, len(metric))
    load = 0.1 + 0.3 * share
    value = float(at_loads(column(*busy), column(*metric), np.array([load])).value[0, 0])
    left = min(int(share * (len(metric) - 1)), len(metric) - 2)
    assert min(metric[left : left + 2]) - 1e-9 <= value <= max(metric[left : left + 2]) + 1e-9


def test_a_curve_whose_busy_ratio_never_rises_covers_one_load_only():
    found = at_loads(column(0.3, 0.2, 0.1), column(0.5, 0.6, 0.7), np.array([0.15, 0.2, 0.25]))
    assert (found.lowest, found.highest, found.pooled) == (pytest.approx(0.2), pytest.approx(0.2), 2)
    assert np.isfinite(found.value[:, 0]).tolist() == [False, True, False]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_pooled_points_rise_and_hold_every_setting_once(values):
    blocks = rising_blocks(np.array(values, float))
    means = [np.array(values)[block].mean() for block in blocks]
    assert all(b > a for a, b in itertools.pairwise(means))
    assert np.sum(blocks, axis=0).tolist() == [1] * len(values)


def test_two_rules_have_exactly_the_wanted_load_in_the_mean_over_seeds():
    rng = np.random.default_rng(3)
    for _ in range(20):
        busy = np.linspace(0.1, 0.3, 6)[:, None] + rng.normal(0, 0.03, (6, 5))
        found = at_loads(busy, rng.random((6, 5)), np.array([0.2]))
        assert found.busy.mean() == pytest.approx(0.2, abs=1e-12)


def test_the_correction_for_a_seeds_own_load_does_not_move_the_mean():
    """Two seeds at 0.1 to 0.3 and 0.2 to 0.4 with mean values 0.5 and 0.7: at a mean load of 0.25, halfway, the mean is 0.6.

    The seeds then have loads of 0.2 and 0.3, and the mean curve rises by 1 per unit of load, so each value moves by 0.05.
    """
    busy, metric = np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.4, 0.6], [0.6, 0.8]])
    found = at_loads(busy, metric, np.array([0.25]))
    assert found.busy[0].tolist() == pytest.approx([0.2, 0.3])
    assert found.value[0].tolist() == pytest.approx([0.55, 0.65])


def test_a_seed_with_a_missing_or_endless_point_is_no_seed():
    busy = np.array([[0.1, 0.1, 0.1], [0.2, np.nan, 0.2]])
    metric = np.array([[0.5, 0.5, np.inf], [0.6, 0.6, 0.6]])
    assert complete_seeds(busy, metric).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="complete_seeds"):
        at_loads(busy, metric, np.array([0.15]))


def test_without_seeds_no_load_is_covered():
    found = at_loads(np.empty((3, 0)), np.empty((3, 0)), np.array([0.2]))
    assert found.value.shape == (1, 0)
    assert np.isnan([found.lowest, found.highest]).all()


def test_the_order_of_seeds_changes_nothing():
    rng = np.random.default_rng(4)
    rules = [(np.linspace(0.1, 0.3, 5)[:, None] + rng.normal(0, 0.01, (5, 9)), rng.random((5, 9))) for _ in range(2)]
    order, loads = rng.permutation(9), np.array([0.15, 0.2])
    plain, mixed = (
        differences(*(at_loads(busy[:, seeds], metric[:, seeds], loads).value for busy, metric in rules))
        for seeds in (np.arange(9), order)
    )
    for name in ("mean", "low", "high", "p_holm", "p_equal_holm"):
        assert getattr(plain, name) == pytest.approx(getattr(mixed, name), rel=1e-9)


def covered(seeds, reach, metric_of, load_noise, noise, studies):
    """Return in which share of simulated studies the interval at a load of 0.25 holds the true difference, 0.03 at every load.

    Seeds share a level and a traffic density (10 % of the load); each run has noise of its own in the metric and in the load.
    """
    rng = np.random.default_rng(7)
    holds = []
    for _ in range(studies):
        level, density = rng.normal(0, 0.1, seeds), rng.normal(1, 0.1, seeds)
        values = []
        for loads, gain in zip(reach, (0.03, 0.0), strict=True):
            busy = np.array(loads)[:, None] * density + rng.normal(0, load_noise, (len(loads), seeds))
            metric = metric_of(busy) + gain + level + rng.normal(0, noise, busy.shape)
            values.append(at_loads(busy, metric, np.array([0.25])).value)
        found = differences(*values)
        holds.append(found.low[0] <= 0.03 <= found.high[0])
    return np.mean(holds)


@pytest.mark.parametrize("seeds", [5, 20])
def test_an_interval_at_equal_load_covers_the_true_difference_as_often_as_it_says(seeds):
    """1,000 studies: three standard errors of a coverage of 0.95 are 0.021; where the bend is noise, intervals are a little too wide.

    With a slope of 1, noise of the load that an interval did not know would more than double the spread of a difference.
    """
    reach = (np.linspace(0.1, 0.36, 4), np.linspace(0.1, 0.44, 4))
    share = covered(seeds, reach, lambda busy: 0.2 + busy, 0.02, 0.01, 1000)
    assert 0.95 - 0.021 <= share <= 0.99


def test_an_interval_covers_the_true_difference_of_curves_that_flatten():
    """400 studies of 20 seeds: three standard errors of 0.95 are 0.033. By chords, the interval covers it in about 70 %."""
    reach = ([0.1, 0.2, 0.3, 0.4], [0.08, 0.15, 0.28, 0.44])
    share = covered(20, reach, lambda busy: 1.0 - np.exp(-4.0 * busy), 0.003, 0.003, 400)
    assert 0.95 - 0.033 <= share <= 0.99


# The best at no more than a load


def within(busy, metric, loads, higher=True):
    return best_within(np.array(busy, float)[:, None], np.array(metric, float)[:, None], np.array(loads), higher)[
        :, 0
    ].tolist()


def test_a_curve_that_rises_is_best_at_the_load_itself():
    assert within([0.1, 0.2, 0.3], [1, 2, 3], [0.1, 0.25, 0.3]) == pytest.approx([1.0, 2.5, 3.0])


def test_what_more_load_makes_worse_is_left_at_its_best():
    assert within([0.1, 0.2, 0.3], [3, 2, 1], [0.1, 0.25, 0.9]) == [3.0, 3.0, 3.0]
    assert within([0.1, 0.2, 0.3], [1, 2, 3], [0.25, 0.9], higher=False) == [1.0, 1.0]


def test_beyond_its_end_a_curve_keeps_its_best_and_before_its_beginning_it_has_none():
    assert within([0.1, 0.2], [1, 2], [0.5]) == [2.0]
    assert np.isnan(within([0.1, 0.2], [1, 2], [0.09])).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=7), st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4))
def test_a_larger_load_never_costs_anything(metric, loads):
    loads = np.sort(loads)
    best = np.array(within(0.1 * np.arange(1, len(metric) + 1), metric, loads))
    reached = ~np.isnan(best)
    assert (reached == (loads >= 0.1 - 1e-12)).all()
    assert (np.diff(best[reached]) >= -1e-9).all()


def test_all_seeds_are_read_at_the_place_of_the_best_mean():
    busy = np.array([[0.1, 0.1], [0.2, 0.2]])
    metric = np.array([[0.0, 10.0], [6.0, 0.0]])
    # The first setting has the better mean, although it is worse in the first seed.
    assert best_within(busy, metric, np.array([0.2])).tolist() == [[0.0, 10.0]]


def test_of_equally_good_places_that_with_the_least_load_is_taken():
    busy, metric = np.array([[0.1, 0.1], [0.2, 0.2]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    assert best_within(busy, metric, np.array([0.2])).tolist() == [[0.0, 1.0]]
    # Also if rounding makes the other one look a little better.
    assert best_within(busy, metric + np.array([[0.0], [1e-16]]), np.array([0.2])).tolist() == [[0.0, 1.0]]
    assert best_within(busy, metric + np.array([[0.0], [1e-9]]), np.array([0.2]))[0].tolist() == pytest.approx(
        [1.0, 0.0], abs=1e-8
    )


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_a_curve_whose_points_are_all_pooled_has_a_value_whatever_the_unit_of_the_load(scale):
    busy = scale * (np.random.default_rng(3).uniform(0.1, 0.2, (1, 12)) - 0.01 * np.arange(3)[:, None])
    metric = np.tile([[1.0], [2.0], [3.0]], 12)
    assert best_within(busy, metric, np.array([scale])).mean() == pytest.approx(2.0)
