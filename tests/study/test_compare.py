"""Comparisons within a study: the baseline of each setting, intervals, Holm's correction, and verdicts."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.study.comparisons import GRID, TWO, compared, crossed, noisy, study_of
from v2xsim.study.compare import Change, Versus, chosen_metrics, mean_interval, range_of, significance
from v2xsim.study.statistics import Paired, means
from v2xsim.study.studies import read_study


def verdicts(folder):
    study = read_study(folder)
    (one,) = compared(study, chosen_metrics([study], [], True))
    return {name: one.verdict(row) for row, (name, _) in enumerate(one.metrics)}


def test_a_small_difference_shows_through_large_common_chance(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 10, noisy))
    assert found["prr"] == "higher"
    assert found["ap_0.5_fused"] == "noise"
    assert found["channel_busy_ratio"] == "identical"


def test_one_seed_gets_no_interval(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 1, noisy))
    assert found["prr"] == "one pair"
    assert found["channel_busy_ratio"] == "identical"


def test_what_was_not_measured_has_no_pair(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 5, lambda n, s, k: np.where((n == "prr") & (k > 0), np.nan, 1.0 * k))
    assert verdicts(folder)["prr"] == "no pair"


def test_each_setting_but_the_baseline_is_compared_with_it(tmp_path, made_sweep):
    three = [{"radio.mcs": n} for n in (0, 1, 2)]
    study = study_of(tmp_path, made_sweep, three, 3, lambda n, s, k: 1.0 * s + 0 * k)
    found = compared(study, radio__mcs=1)
    assert [(one.base, one.other) for one in found] == [("mcs=1", "mcs=0"), ("mcs=1", "mcs=2")]
    assert [one.found.mean[0] for one in found] == [-1.0, 1.0]


def test_means_of_both_sides_are_over_pairs_that_both_measured(tmp_path, made_sweep):
    """Seed 1 lacks the baseline, seed 2 the other: seeds 3 and 4 remain."""

    def value(name, setting, seed):
        return np.where(seed == setting + 1, np.nan, 1.0 * seed + 10 * setting)

    (one,) = compared(study_of(tmp_path, made_sweep, TWO, 4, value))
    assert (one.found.pairs[0], one.base_mean[0], one.other_mean[0]) == (2, 3.5, 13.5)


def test_only_the_keys_in_which_two_settings_differ_are_named(tmp_path, made_sweep):
    settings = [{"radio.mcs": 0, "cooperation.relay": "none"}, {"radio.mcs": 2, "cooperation.relay": "none"}]
    (one,) = compared(study_of(tmp_path, made_sweep, settings, 2, noisy))
    assert [change.text for change in one.differs] == ["radio.mcs: 0 -> 2"]


def test_against_a_baseline_holm_goes_by_the_confidence(tmp_path, made_sweep):
    """A p of about 0.02 holds at 95 % and not at 99 %."""

    def value(name, setting, seed):
        return (
            setting * np.array([0.2, 1.0, 1.6, 0.4, 1.2, -0.1, 0.9, 0.1, 0.3, 1.4])[: len(seed)] * 0.5
            if name == "prr"
            else 0.0 * seed
        )

    study = study_of(tmp_path, made_sweep, TWO, 10, value)
    (usual,) = compared(study)
    (strict,) = compared(study, confidence=0.9999)
    assert 0.0001 < usual.found.p[0] < 0.05
    assert (usual.survives[0], strict.survives[0]) == (True, False)


def test_holm_counts_all_metrics_that_are_asked_at_once(tmp_path, made_sweep):
    grow = np.array([0.4, 1.0, 1.6, 0.4, 1.2, -0.9, 0.9, -0.4, 0.3, 1.4])
    study = study_of(
        tmp_path, made_sweep, TWO, 10, lambda n, s, k: s * (grow if n == "prr" else np.roll(grow, len(n)) - 0.55)
    )  # fmt: skip
    (alone,) = compared(study)
    (among,) = compared(study, chosen_metrics([study], [], True))
    assert 0.005 < alone.found.p[0] < 0.05
    row = [name for name, _ in among.metrics].index("prr")
    assert (alone.survives[0], among.survives[row]) == (True, False)


def test_a_relay_is_judged_within_each_penetration(tmp_path, made_sweep):
    """Against one baseline at 0.3, the relay would seem to add 0.2 at penetration 1, where it takes 0.1."""
    study = study_of(tmp_path, made_sweep, GRID, 3, crossed)
    found = compared(study, cooperation__relay="none")
    assert [one.title for one in found] == [
        "relay=hybrid against relay=none at penetration=0.3",
        "relay=hybrid against relay=none at penetration=1",
    ]
    assert [one.found.mean[0] for one in found] == pytest.approx([0.2, -0.1])
    assert [one.verdict(0) for one in found] == ["higher", "lower"]
    assert [one.differs for one in found] == [(Change("cooperation.relay", "none", "hybrid"),)] * 2


def test_pooling_averages_over_the_other_keys_within_each_seed(tmp_path, made_sweep):
    """(0.2 - 0.1) / 2 in each of three seeds."""
    (one,) = compared(study_of(tmp_path, made_sweep, GRID, 3, crossed), pool=True, cooperation__relay="none")
    assert one.title == "relay=hybrid against relay=none at the mean of 2 settings of penetration"
    assert (one.found.pairs[0], one.settings[0]) == (3, 2)
    assert one.found.mean[0] == pytest.approx(0.05)
    assert (one.base_mean[0], one.other_mean[0]) == pytest.approx((0.57, 0.62))


def test_holm_goes_over_all_settings_and_metrics_of_a_table(tmp_path, made_sweep):
    """A p of 0.02 holds alone, and not beside nineteen settings in which nothing differs."""
    grow = np.array([0.4, 1.0, 1.6, 0.4, 1.2, -0.9, 0.9, -0.4, 0.3, 1.4])
    zero = grow - grow.mean()

    def value(name, setting, seed):
        return 0.0 * seed if setting == 0 else grow if setting == 1 else zero

    settings = [{"radio.mcs": n} for n in range(21)]
    (alone,) = compared(study_of(tmp_path, made_sweep, settings[:2], 10, value, "a"))
    among = compared(study_of(tmp_path, made_sweep, settings, 10, value, "b"))
    assert 0.0025 < alone.found.p[0] == among[0].found.p[0] < 0.05
    assert (alone.survives[0], among[0].survives[0]) == (True, False)


def test_pure_noise_is_rarely_significant_anywhere_in_a_table(tmp_path, made_sweep):
    """60 studies of 5 settings and 10 metrics without any effect: at most 5 % of them may show a star, by three standard errors."""
    settings = [{"radio.mcs": n} for n in range(6)]

    def study(number):
        def value(name, setting, seed):
            return np.random.default_rng([number, len(name), setting]).normal(50, 1, len(seed))

        return study_of(tmp_path, made_sweep, settings, 8, value, f"s{number}")

    stars = [
        any(one.survives.any() for one in compared(one_study, chosen_metrics([one_study], [], True)))
        for one_study in map(study, range(60))
    ]
    assert np.mean(stars) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_no_interval_of_a_reception_ratio_is_impossible(tmp_path, made_sweep, seeds):
    near_one = np.array([1.0, 0.9, 0.99, 0.7, 1.0])
    study = study_of(tmp_path, made_sweep, TWO, seeds, lambda n, s, k: near_one[k - 1] * (s if n == "prr" else 1))
    mean = mean_interval("prr", study.of("prr"))
    ends = np.stack([mean.low[1], mean.high[1]])
    assert (ends >= 0).all()
    assert (ends <= 1).all()
    (difference,) = compared(study)
    assert difference.found.high[0] <= 1.0


def test_a_latency_and_a_count_are_never_negative(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, lambda n, s, k: np.array([1.0, 90.0]))
    for metric in ("awareness_latency", "on_air", "hidden_conflicts"):
        assert mean_interval(metric, study.of("on_air")).low[0] > 0
        assert means(study.of("on_air")).low[0] < 0


def test_one_pair_without_a_difference_is_no_chance(tmp_path, made_sweep):
    text = significance(compared(study_of(tmp_path, made_sweep, TWO, 1, lambda n, s, k: 0.5 + 0 * k)))
    assert text == "None of the 1 compared values differs in any pair: what was varied had no effect on these metrics."


def test_a_metric_of_no_known_range_keeps_an_interval_without_bounds():
    assert range_of("extra_0") == (-np.inf, np.inf)
    assert range_of("ap_0.9_fused") == (0.0, 1.0)
    assert range_of("age_of_fused_data") == (0.0, np.inf)


def test_few_pairs_are_told_what_they_can_show(tmp_path, made_sweep):
    """t of 0.975 with 2 degrees is 4.3027, over the root of 3 and by Hedges' 4/7: 1.4; two tests: 6.2053 instead of 4.3027."""
    study = study_of(tmp_path, made_sweep, TWO, 3, lambda n, s, k: s * (0.1 * k + (n == "on_air")) + 0.5)
    text = significance(compared(study, [("prr", "1"), ("on_air", "B/s")]))
    assert "2 differences were tested" in text
    assert "With 3 pairs, a difference is called higher or lower from an effect of about 1.4 on" in text
    assert "the largest one gets * from 2 on" in text
    assert "run at least 5 seeds" in text


def test_runs_in_which_nothing_differs_are_called_so(tmp_path, made_sweep):
    text = significance(compared(study_of(tmp_path, made_sweep, TWO, 3, lambda n, s, k: 0.5 + 0 * k)))
    assert text == "None of the 1 compared values differs in any pair: what was varied had no effect on these metrics."


def test_metrics_named_are_compared_in_the_order_named(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO, 2, noisy)
    assert chosen_metrics([study], ["on_air", "prr"], False) == [("on_air", "B/s"), ("prr", "1")]


def test_headline_metrics_are_compared_unless_all_are_asked_for(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO, 2, noisy, more=1)
    some, every = (dict(chosen_metrics([study], [], everything)) for everything in (False, True))
    assert "prr" in some
    assert set(every) - set(some) == {"ap_0.5_ego", "coverage_before", "channel_busy_ratio_p95", "extra_0"}


def test_metrics_that_exist_by_bin_alone_are_not_compared(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO, 2, noisy)
    assert "awareness_latency_within" not in dict(chosen_metrics([study], [], True))


def test_a_metric_of_either_study_can_be_named(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO, 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO, 2, noisy, "b", more=1)
    assert chosen_metrics([one, two], ["extra_0"], False) == [("extra_0", "1")]


def versus(mean, low, high, p, pairs=5):
    """Return a comparison of one metric with this difference."""
    numbers = (np.array([value]) for value in (pairs, mean, low, high, np.nan, p))
    return Versus(
        "a",
        "b",
        "c=1",
        (),
        (("prr", "1"),),
        np.array([2]),
        np.array([0.5]),
        np.array([np.nan]),
        np.array([5]),
        np.array([0]),
        Paired(*numbers),
        0.95,
        np.array([True]),
        np.array([0]),
        np.array([0]),
    )


@pytest.mark.parametrize(
    ("mean", "low", "high", "p", "pairs", "verdict"),
    [
        (np.nan, np.nan, np.nan, np.nan, 0, "no pair"),
        (0.0, np.nan, np.nan, np.nan, 1, "identical"),
        (0.1, np.nan, np.nan, np.nan, 1, "one pair"),
        (0.0, np.nan, np.nan, 1.0, 2, "identical"),
        (0.0, -0.3, 0.3, 1.0, 2, "noise"),
        (0.1, -0.1, 0.3, 0.2, 2, "noise"),
        (0.1, 0.05, 0.3, 0.01, 5, "higher"),
        (-0.1, -0.3, -0.05, 0.01, 5, "lower"),
        (0.1, np.nan, np.nan, 0.0625, 5, "no spread"),
        (-0.1, np.nan, np.nan, 0.03125, 6, "lower"),
    ],
)
def test_the_verdict_follows_from_pairs_and_test(mean, low, high, p, pairs, verdict):
    assert versus(mean, low, high, p, pairs).verdict(0) == verdict


def test_a_difference_without_spread_is_explained(tmp_path, made_sweep):
    text = significance(compared(study_of(tmp_path, made_sweep, TWO, 5, lambda n, s, k: 0.5 + 0.1 * s + 0 * k)))
    assert "no spread: the difference is the same in every pair" in text
    assert "at least 6 pairs" in text


def test_rows_for_json_hold_numbers_and_null_where_there_is_none():
    (row,) = versus(0.1, 0.05, 0.3, 0.01).as_rows()
    assert row == {
        "metric": "prr", "unit": "1", "base": "a", "other": "b", "within": "c=1", "pairs": 5, "settings": 2, "base_seeds": 5, "other_seeds": 0, "base_mean": 0.5,
        "other_mean": None, "difference": 0.1, "low": 0.05, "high": 0.3, "effect": None, "p": 0.01, "verdict": "higher",
        "survives_holm": True, "base_n_gt": None, "other_n_gt": None,
    }  # fmt: skip


def test_the_page_about_studies_repeats_the_intervals_of_means():
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    names: dict = {}
    exec(next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def interval" in block), names)
    for metric, values in (("prr", [0.91, 0.88, 0.97]), ("awareness_latency", [12.0, 18.0, 15.0, 12.5])):
        computed = mean_interval(metric, np.array(values))
        assert names["interval"](values, is_share=metric == "prr") == pytest.approx(
            (float(computed.low), float(computed.high))
        )
