"""Comparisons: what was paired, what is said of it, and what is refused."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.study.compare import (
    Versus,
    against_baseline,
    chosen_metrics,
    mean_interval,
    range_of,
    significance,
    with_first,
)  # fmt: skip
from v2xsim.study.contrasts import contrasts_of
from v2xsim.study.statistics import Paired, paired
from v2xsim.study.studies import StudyError, read_study

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]


def noisy(name, setting, seed):
    """Seeds differ much; the second setting adds 0.05 to delivery with little noise, and noise alone to precision."""
    common = np.random.default_rng(len(name)).normal(0.5, 0.2, 1000)[seed]
    own = np.random.default_rng([len(name), setting]).normal(0, 0.01, 1000)[seed]
    if name == "channel_busy_ratio":
        return common
    return common + own + (0.05 * setting if name == "prr" else 0.0)


def compared(study, metrics=(("prr", "1"),), confidence=0.95, pool=False, **wanted):
    baseline = {key.replace("__", "."): value for key, value in wanted.items()}
    return against_baseline(study, metrics, contrasts_of(study, baseline), confidence, pool)


def between(one, two, metrics, confidence=0.95):
    (found,) = with_first([one, two], metrics, confidence)
    return found


def verdicts(folder):
    study = read_study(folder)
    (one,) = compared(study, chosen_metrics([study], [], True))
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
    assert (found.found.pairs[0], found.settings[0]) == (4, 2)
    assert found.found.mean[0] == 2.0
    assert found.verdict(0) == "higher"


def test_sweeps_without_a_common_seed_are_not_compared(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    plan = json.loads((one / "sweep.json").read_text())
    two = made_sweep(tmp_path / "b", TWO, 2, noisy)
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
    assert "noise: the 95 % interval holds 0" in found.stdout
    assert 'cooperation.relay: "none" -> "hybrid"' in found.stdout


def test_the_command_compares_within_each_combination_of_the_other_keys(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", GRID, 5, crossed)
    found = said(tmp_path / "s", "--baseline", "cooperation.relay=none", "--metric", "prr", "--json")
    rows = json.loads(found.stdout)["rows"]
    assert [(row["other"], row["base"], row["within"]) for row in rows] == [
        ("relay=hybrid", "relay=none", "penetration=0.3"), ("relay=hybrid", "relay=none", "penetration=1"),
    ]  # fmt: skip
    assert [row["difference"] for row in rows] == pytest.approx([0.2, -0.1])


def test_piped_output_has_every_column_and_no_ellipsis(tmp_path, made_sweep):
    """Twelve settings, of which a terminal would show eight."""
    made_sweep(tmp_path / "s", [{"radio.tx_power_dbm": 1.234567 * n} for n in range(12)], 5, noisy)
    output = said(tmp_path / "s", "--all").stdout
    assert not {"\u2026", "..."} & set(output.split())
    assert "\u2026" not in output
    assert output.count("against tx_power_dbm=0") == 11
    assert all(
        head in output for head in ("unit", "against", "mean", "difference", "95 % interval", "effect", "verdict")
    )


def test_a_terminal_of_eighty_columns_names_the_columns_that_it_leaves_out(tmp_path, made_sweep, monkeypatch, capsys):
    made_sweep(tmp_path / "s", TWO, 10, lambda n, s, k: 1234567.891 * noisy(n, s, k))
    monkeypatch.setattr("v2xsim.cli.compare.terminal_width", lambda: 80)
    app(["compare", str(tmp_path / "s"), "--all"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith(("metric", "prr", "age_of", "on_air", "ap_", "coverage"))]
    assert len(table) > 5
    assert max(map(len, table)) <= 80
    assert any(line.startswith("left out for the width of 80 characters: ") and "effect" in line for line in lines)


def test_comma_separated_values_have_a_line_for_each_difference(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", GRID, 5, crossed)
    found = said(tmp_path / "s", "--csv", "--metric", "prr", "--metric", "on_air")
    table = list(csv.DictReader(io.StringIO(found.stdout)))
    assert len(table) == 8
    assert (table[0]["metric"], table[0]["unit"], table[1]["metric"]) == ("prr", "1", "on_air")
    assert float(table[0]["difference"]) == pytest.approx(0.2)
    assert "No baseline is chosen" in found.stderr
    assert "No baseline" not in found.stdout


def test_two_formats_at_once_are_refused(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 2, noisy)
    found = said(tmp_path / "s", "--csv", "--json")
    assert (found.exit_code, "takes one format" in found.output) == (2, True)


def test_a_list_in_a_setting_is_printed_as_it_is(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", [{"stations.rsus": [1]}, {"stations.rsus": [1, 2]}], 3, noisy)
    assert "rsus=[1, 2] against rsus=[1]: 3 pairs" in said(tmp_path / "s").stdout


def test_a_sweep_of_which_every_point_failed_has_nothing_to_compare(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, noisy)
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.schema.empty_table(), folder / "results.parquet")
    found = said(folder)
    assert (found.exit_code, "no point has finished" in found.output) == (2, True)


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
    (usual,) = compared(study)
    (strict,) = compared(study, confidence=0.9999)
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
    (alone,) = compared(study)
    (among,) = compared(study, chosen_metrics([study], [], True))
    assert 0.005 < alone.found.p[0] < 0.05
    row = [name for name, _ in among.metrics].index("prr")
    assert (alone.survives[0], among.survives[row]) == (True, False)


GRID = [{"cooperation.relay": r, "stations.penetration": s} for r in ("none", "hybrid") for s in (0.3, 1.0)]


def crossed(name, setting, seed):
    """The relay adds 0.2 at penetration 0.3 and takes 0.1 at penetration 1; delivery is 0.3 higher at penetration 1."""
    return np.array([0.4, 0.7, 0.6, 0.6])[setting] + 0.01 * seed


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
    assert [one.differs for one in found] == [('cooperation.relay: "none" -> "hybrid"',)] * 2


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


def test_holm_goes_over_all_folders_that_are_compared_with_the_first(tmp_path, made_sweep):
    grow = np.array([0.4, 1.0, 1.6, 0.4, 1.2, -0.9, 0.9, -0.4, 0.3, 1.4])
    zero = [
        study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k, d=n: np.roll(grow - grow.mean(), d), f"z{n}")
        for n in range(20)
    ]  # fmt: skip
    one = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: 0.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: grow, "b")
    (alone,) = with_first([one, two], [("prr", "1")])
    among = with_first([one, two, *zero], [("prr", "1")])
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
    assert (np.stack([mean.low, mean.high]) >= 0).all()
    assert (np.stack([mean.low, mean.high]) <= 1).all()
    (difference,) = compared(study)
    assert difference.found.high[0] <= 1.0


def test_a_latency_and_a_count_are_never_negative(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, lambda n, s, k: np.array([1.0, 90.0]))
    for metric in ("awareness_latency", "on_air", "hidden_conflicts"):
        assert mean_interval(metric, study.of("on_air")).low[0] > 0
        assert paired(study.of("on_air")).low[0] < 0


def test_a_metric_of_no_known_range_keeps_an_interval_without_bounds():
    assert range_of("extra_0") == (-np.inf, np.inf)
    assert range_of("ap_0.9_fused") == (0.0, 1.0)
    assert range_of("age_of_fused_data") == (0.0, np.inf)


def test_few_pairs_are_told_what_they_can_show(tmp_path, made_sweep):
    """t of 0.975 with 2 degrees is 4.3027, over the root of 3 and by Hedges' 4/7: 1.4; two tests: 6.2053 instead of 4.3027."""
    study = study_of(tmp_path, made_sweep, TWO, 3, lambda n, s, k: s * (0.1 * k + (n == "on_air")) + 0.5)
    text = significance(compared(study, [("prr", "1"), ("on_air", "B/s")]))
    assert "2 differences have an interval" in text
    assert "With 3 pairs, a difference counts from an effect of about 1.4 on" in text
    assert "with * from 2 on" in text
    assert "run at least 5 seeds" in text


def test_runs_in_which_nothing_differs_are_called_so(tmp_path, made_sweep):
    text = significance(compared(study_of(tmp_path, made_sweep, TWO, 3, lambda n, s, k: 0.5 + 0 * k)))
    assert text == "None of the 1 compared values differs in any pair: what was varied had no effect on these metrics."


def test_what_only_one_of_two_studies_has_is_reported(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, [{"radio.mcs": n} for n in (0, 1, 2)], 5, noisy, "a")
    two = study_of(tmp_path, made_sweep, [{"radio.mcs": n} for n in (1, 2)], 3, noisy, "b")
    assert between(one, two, [("prr", "1")]).notes == (
        f"1 of 3 settings of {one.folder} have no partner and are left out",
        f"2 of 5 seeds of {one.folder} have no partner and are left out",
    )


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
    assert (found.found.pairs[0], found.found.mean[0], found.verdict(0)) == (2, 0.5, "higher")


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


def test_a_long_value_is_complete_in_a_pipe_and_cut_in_a_terminal(tmp_path, made_sweep, monkeypatch, capsys):
    for name, letter in (("a", "x"), ("b", "y")):
        folder = made_sweep(tmp_path / name, TWO[:1], 2, noisy)
        plan = json.loads((folder / "sweep.json").read_text())
        plan["scenario"]["traffic"] = {"file": letter * 300}
        (folder / "sweep.json").write_text(json.dumps(plan))
    assert "y" * 300 in said(tmp_path / "a", tmp_path / "b").stdout
    monkeypatch.setattr("v2xsim.cli.compare.terminal_width", lambda: 80)
    app(["compare", str(tmp_path / "a"), str(tmp_path / "b")], standalone_mode=False)
    assert "x" * 300 not in capsys.readouterr().out


def test_points_without_a_result_are_reported(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 3, noisy)
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.filter(pc.not_equal(table["point"], 4)), folder / "results.parquet")
    found = said(folder)
    assert "1 of 6 points have no result (0 failed), so their pairs are missing" in found.stdout
    assert "2 pairs" in found.stdout


def test_studies_are_called_by_their_folders(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "b")
    found = between(one, two, [("prr", "1")])
    assert (found.base, found.other) == (str(tmp_path / "a"), str(tmp_path / "b"))


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
        "a",
        "b",
        "c=1",
        (),
        (("prr", "1"),),
        np.array([2]),
        np.array([0.5]),
        np.array([np.nan]),
        Paired(*numbers),
        0.95,
        np.array([True]),
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
        "metric": "prr", "unit": "1", "base": "a", "other": "b", "within": "c=1", "pairs": 5, "settings": 2, "base_mean": 0.5,
        "other_mean": None, "difference": 0.1, "low": 0.05, "high": 0.3, "effect": None, "p": 0.5, "verdict": "higher",
        "survives_holm": True,
    }  # fmt: skip
