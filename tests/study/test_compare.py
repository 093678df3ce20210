"""Comparisons: what was paired, what is said of it, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.study.compare import Versus, against_baseline, baseline_row, between, chosen_metrics
from v2xsim.study.statistics import Paired
from v2xsim.study.studies import StudyError, read_study

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]


def noisy(name, setting, seed):
    """Seeds differ much; the second setting adds 0.05 to delivery with little noise, and noise alone to precision."""
    common = np.random.default_rng(len(name)).normal(0.5, 0.2, 1000)[seed]
    own = np.random.default_rng([len(name), setting]).normal(0, 0.01, 1000)[seed]
    if name == "channel_busy_ratio":
        return common
    return common + own + (0.05 * setting if name == "prr" else 0.0)


def verdicts(folder):
    study = read_study(folder)
    (one,) = against_baseline(study, chosen_metrics([study], [], True), study.baseline)
    return {name: one.verdict(row) for row, (name, _) in enumerate(one.metrics)}


def test_a_small_difference_shows_through_large_common_chance(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 10, noisy))
    assert found["prr"] == "higher"
    assert found["ap_0.5_fused"] == "not distinguishable from noise"
    assert found["channel_busy_ratio"] == "identical"


def test_one_seed_gets_no_interval(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 1, noisy))
    assert found["prr"] == "one pair: no interval"
    assert found["channel_busy_ratio"] == "identical"


def test_what_was_not_measured_has_no_pair(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 5, lambda n, s, k: np.where((n == "prr") & (k > 0), np.nan, 1.0 * k))
    assert verdicts(folder)["prr"] == "no pair"


def test_two_sweeps_are_paired_by_seed_and_common_setting(tmp_path, made_sweep):
    power = [{"radio.tx_power_dbm": p} for p in (10, 20)]
    one = made_sweep(tmp_path / "a", power, 5, lambda n, s, k: 1.0 * k + 10 * s)
    two = made_sweep(tmp_path / "b", power[::-1], 4, lambda n, s, k: 2.0 + k + 10 * (1 - s))
    found = between(read_study(one), read_study(two), [("prr", "1")])
    assert found.found.pairs[0] == 8
    assert found.found.mean[0] == 2.0
    assert found.verdict(0) == "higher"


def test_sweeps_without_a_common_seed_are_not_compared(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    plan = json.loads((one / "sweep.json").read_text())
    two = made_sweep(tmp_path / "b", TWO, 2, noisy)
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(two / "results.parquet")
    table = table.set_column(table.schema.get_field_index("seed"), "seed", pc.add(table["seed"], 10))
    pq.write_table(table, two / "results.parquet")
    (two / "sweep.json").write_text(json.dumps(plan | {"seeds": [11, 12]}))
    with pytest.raises(StudyError, match="no seed in common"):
        between(read_study(one), read_study(two), [("prr", "1")])


def test_sweeps_of_different_keys_cannot_be_paired(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    two = made_sweep(tmp_path / "b", [{"radio.mcs": 0}, {"radio.mcs": 2}], 2, noisy)
    with pytest.raises(StudyError, match="cannot be paired"):
        between(read_study(one), read_study(two), [("prr", "1")])


def said(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_command_says_noise_and_what_differs(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    found = said(tmp_path / "s")
    assert found.exit_code == 0
    assert "not distinguishable from noise" in found.stdout
    assert 'cooperation.relay: "none" -> "hybrid"' in found.stdout
    assert all(len(line) <= 100 for line in found.stdout.splitlines() if "│" in line or "prr" in line[:4])


def test_the_command_as_json_gives_every_row(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    rows = json.loads(said(tmp_path / "s", "--json", "--metric", "prr").stdout)["rows"]
    assert [row["metric"] for row in rows] == ["prr"]
    assert rows[0]["low"] < 0.05 < rows[0]["high"]


@pytest.mark.parametrize(
    ("made", "arguments", "words"),
    [
        ("nothing", [], "no such folder"),
        ("empty", [], "neither sweep.json nor manifest.json"),
        ("newer", [], "newer version: format 9"),
        ("unfinished", [], "--resume"),
        ("damaged", [], "damaged"),
        ("good", ["--metric", "pr"], "did you mean 'prr'"),
        ("good", ["--baseline", "cooperation.relay=height"], "no setting has"),
        ("single", [], "single setting"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(tmp_path, made, arguments, words, made_sweep):
    folder = tmp_path / "s"
    if made == "empty":
        folder.mkdir()
    elif made != "nothing":
        made_sweep(folder, TWO[:1] if made == "single" else TWO, 2, noisy, **({"format": 9} if made == "newer" else {}))
    if made == "unfinished":
        (folder / "results.parquet").unlink()
    if made == "damaged":
        (folder / "results.parquet").write_bytes(b"PAR1 and then nothing")
    found = said(folder, *arguments)
    assert found.exit_code == 2
    assert words in found.output


def study_of(tmp_path, made_sweep, settings, seeds, value, name="s", **said):
    return read_study(made_sweep(tmp_path / name, settings, seeds, value, **said))


def test_each_setting_but_the_baseline_is_compared_with_it(tmp_path, made_sweep):
    three = [{"radio.mcs": n} for n in (0, 1, 2)]
    study = study_of(tmp_path, made_sweep, three, 3, lambda n, s, k: 1.0 * s + 0 * k)
    found = list(against_baseline(study, [("prr", "1")], 1))
    assert [(one.base, one.other) for one in found] == [("mcs=1", "mcs=0"), ("mcs=1", "mcs=2")]
    assert [one.found.mean[0] for one in found] == [-1.0, 1.0]


def test_means_of_both_sides_are_over_pairs_that_both_measured(tmp_path, made_sweep):
    """Seed 1 lacks the baseline, seed 2 the other: seeds 3 and 4 remain."""

    def value(name, setting, seed):
        return np.where(seed == setting + 1, np.nan, 1.0 * seed + 10 * setting)

    (one,) = against_baseline(study_of(tmp_path, made_sweep, TWO, 4, value), [("prr", "1")], 0)
    assert (one.found.pairs[0], one.base_mean[0], one.other_mean[0]) == (2, 3.5, 13.5)


def test_only_the_keys_in_which_two_settings_differ_are_named(tmp_path, made_sweep):
    settings = [{"radio.mcs": 0, "cooperation.relay": "none"}, {"radio.mcs": 2, "cooperation.relay": "none"}]
    (one,) = against_baseline(study_of(tmp_path, made_sweep, settings, 2, noisy), [("prr", "1")], 0)
    assert one.differs == ("radio.mcs: 0 -> 2",)


def test_against_a_baseline_holm_goes_by_the_confidence(tmp_path, made_sweep):
    """A p of about 0.02 holds at 95 % and not at 99 %."""

    def value(name, setting, seed):
        return (
            setting * np.array([0.2, 1.0, 1.6, 0.4, 1.2, -0.1, 0.9, 0.1, 0.3, 1.4])[: len(seed)] * 0.5
            if name == "prr"
            else 0.0 * seed
        )

    study = study_of(tmp_path, made_sweep, TWO, 10, value)
    (usual,) = against_baseline(study, [("prr", "1")], 0, 0.95)
    (strict,) = against_baseline(study, [("prr", "1")], 0, 0.9999)
    assert 0.0001 < usual.found.p[0] < 0.05
    assert (usual.survives[0], strict.survives[0]) == (True, False)


def test_between_two_studies_holm_goes_by_the_confidence(tmp_path, made_sweep):
    grow = np.array([0.2, 1.0, 1.6, 0.4, 1.2, -0.1, 0.9, 0.1, 0.3, 1.4])
    one = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: 0.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: grow, "b")
    usual, strict = (between(one, two, [("prr", "1")], confidence) for confidence in (0.95, 0.9999))
    assert 0.0001 < usual.found.p[0] < 0.05
    assert (usual.survives[0], strict.survives[0]) == (True, False)


def test_holm_counts_all_metrics_that_are_asked_at_once(tmp_path, made_sweep):
    grow = np.array([0.4, 1.0, 1.6, 0.4, 1.2, -0.9, 0.9, -0.4, 0.3, 1.4])
    study = study_of(
        tmp_path, made_sweep, TWO, 10, lambda n, s, k: s * (grow if n == "prr" else np.roll(grow, len(n)) - 0.55)
    )  # fmt: skip
    (alone,) = against_baseline(study, [("prr", "1")], 0)
    (among,) = against_baseline(study, [(name, unit) for name, unit in chosen_metrics([study], [], True)], 0)
    assert 0.005 < alone.found.p[0] < 0.05
    row = [name for name, _ in among.metrics].index("prr")
    assert (alone.survives[0], among.survives[row]) == (True, False)


def test_pairs_of_two_studies_go_by_seed_and_not_by_place(tmp_path, made_sweep):
    """The second study has seeds 4, 2 and 9 in this order; values are ten times the seed, and one more in the second."""
    one = study_of(tmp_path, made_sweep, TWO[:1], 4, lambda n, s, k: 10.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 3, lambda n, s, k: 0.0 * k, "b")
    two = replace(two, seeds=(4, 2, 9), values=np.broadcast_to(np.array([41.0, 21.0, 91.0]), two.values.shape))
    found = between(one, two, [("prr", "1")])
    assert (found.found.pairs[0], found.base_mean[0], found.other_mean[0]) == (2, 30.0, 31.0)


def test_a_metric_that_one_study_lacks_has_no_pair(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy, "b", more=1)
    for first, second in ((one, two), (two, one)):
        assert between(first, second, [("extra_0", "1")]).verdict(0) == "no pair"


def test_studies_that_vary_the_same_keys_without_a_common_value_are_not_compared(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[1:], 2, noisy, "b")
    with pytest.raises(StudyError, match="no setting in common"):
        between(one, two, [("prr", "1")])


def test_settings_are_paired_only_where_all_common_keys_agree(tmp_path, made_sweep):
    """Of four settings by two keys, each has one partner in a study with the order turned round."""
    four = [{"radio.mcs": m, "cooperation.relay": r} for m in (0, 1) for r in ("none", "hybrid")]
    one = study_of(tmp_path, made_sweep, four, 2, lambda n, s, k: 1.0 * s + 0 * k, "a")
    two = study_of(tmp_path, made_sweep, four[::-1], 2, lambda n, s, k: 3.5 - s + 0 * k, "b")
    found = between(one, two, [("prr", "1")])
    assert (found.found.pairs[0], found.found.mean[0], found.verdict(0)) == (8, 0.5, "higher")


@pytest.mark.parametrize("turned", [False, True])
def test_a_study_that_varies_one_key_more_cannot_be_paired(tmp_path, made_sweep, turned):
    """Each setting of the one would have two partners in the other, whichever comes first."""
    four = [{"radio.mcs": m, "cooperation.relay": r} for m in (0, 1) for r in ("none", "hybrid")]
    pair = [
        study_of(tmp_path, made_sweep, TWO, 2, noisy, "a"),
        study_of(tmp_path, made_sweep, four, 2, noisy, "b"),
    ]
    with pytest.raises(StudyError, match="cannot be paired"):
        between(*(pair[::-1] if turned else pair), [("prr", "1")])


def scenario(study, *, seed=1, power=23.0, name="s", text=""):
    return replace(
        study, scenario={"name": name, "description": text, "run": {"seed": seed}, "radio": {"tx_power_dbm": power}}
    )


def test_seed_name_and_description_are_no_differences_between_studies(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = scenario(study), scenario(study, seed=2, name="t", text="other")
    assert between(one, two, [("prr", "1")]).differs == ()


def test_differences_between_studies_name_key_and_both_values(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = scenario(study, power=23.0), scenario(study, power=10.0)
    assert between(one, two, [("prr", "1")]).differs == ("radio.tx_power_dbm: 23.0 -> 10.0",)


def test_a_key_that_one_scenario_lacks_is_a_difference(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = replace(study, scenario={"a": {"b": 1}}), replace(study, scenario={"a": {"b": 1, "c": 2}, "d": 3})
    assert between(one, two, [("prr", "1")]).differs == ("a.c: null -> 2", "d: null -> 3")


def test_a_section_that_one_scenario_lacks_is_one_difference(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = replace(study, scenario={"a": {"b": 1}}), replace(study, scenario={})
    assert between(one, two, [("prr", "1")]).differs == ('a: {"b": 1} -> null',)
    assert between(two, one, [("prr", "1")]).differs == ('a: null -> {"b": 1}',)


@pytest.mark.parametrize(("letters", "shown"), [(58, '"' + "x" * 58 + '"'), (59, '"' + "x" * 56 + "...")])
def test_a_long_value_is_cut_to_sixty_characters(tmp_path, made_sweep, letters, shown):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = replace(study, scenario={"a": "x" * letters}), replace(study, scenario={"a": 1})
    assert between(one, two, [("prr", "1")]).differs == (f"a: {shown} -> 1",)


def test_studies_are_called_by_their_folders(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "b")
    found = between(one, two, [("prr", "1")])
    assert (found.base, found.other) == (str(tmp_path / "a"), str(tmp_path / "b"))


FOUR = [{"radio.mcs": m, "cooperation.relay": r} for m in (0, 1) for r in ("none", "hybrid")]


@pytest.mark.parametrize(
    ("wanted", "row"),
    [({}, 2), ({"radio.mcs": 1, "cooperation.relay": "hybrid"}, 3), ({"cooperation.relay": "hybrid"}, 1), ({"radio.mcs": 1}, 2)],
)  # fmt: skip
def test_a_baseline_has_all_values_that_are_asked_for(tmp_path, made_sweep, wanted, row):
    study = study_of(tmp_path, made_sweep, FOUR, 2, noisy, baseline=2)
    assert baseline_row(study, wanted) == row


@pytest.mark.parametrize("wanted", [{"radio.mcs": 5}, {"radio.range_m": 1}, {"radio.mcs": 0, "radio.range_m": 1}])
def test_a_baseline_that_no_setting_has_is_refused(tmp_path, made_sweep, wanted):
    study = study_of(tmp_path, made_sweep, FOUR, 2, noisy)
    with pytest.raises(StudyError, match=r"no setting has .*; varied are radio\.mcs, cooperation\.relay"):
        baseline_row(study, wanted)


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


def versus(mean, low, high, pairs=5):
    """Return a comparison of one metric with this difference."""
    numbers = (np.array([value]) for value in (pairs, mean, low, high, np.nan, 0.5))
    return Versus(
        "a", "b", (), (("prr", "1"),), np.array([0.5]), np.array([np.nan]), Paired(*numbers), np.array([True]), 0.95
    )


@pytest.mark.parametrize(
    ("mean", "low", "high", "pairs", "verdict"),
    [
        (0.0, np.nan, np.nan, 0, "no pair"),
        (0.0, np.nan, np.nan, 1, "identical"),
        (0.1, np.nan, np.nan, 1, "one pair: no interval"),
        (0.0, 0.0, 0.0, 2, "identical"),
        (0.1, -0.1, 0.3, 2, "not distinguishable from noise"),
        (0.1, 0.0, 0.3, 5, "not distinguishable from noise"),
        (-0.1, -0.3, 0.0, 5, "not distinguishable from noise"),
        (0.1, 0.05, 0.3, 5, "higher"),
        (0.1, 0.1, 0.1, 5, "higher"),
        (-0.1, -0.3, -0.05, 5, "lower"),
    ],
)
def test_the_verdict_follows_from_pairs_and_interval(mean, low, high, pairs, verdict):
    assert versus(mean, low, high, pairs).verdict(0) == verdict


def test_rows_for_json_hold_numbers_and_null_where_there_is_none():
    (row,) = versus(0.1, 0.05, 0.3).as_rows()
    assert row == {
        "metric": "prr", "unit": "1", "base": "a", "other": "b", "pairs": 5, "base_mean": 0.5, "other_mean": None,
        "difference": 0.1, "low": 0.05, "high": 0.3, "effect": None, "verdict": "higher", "survives_holm": True,
    }  # fmt: skip
