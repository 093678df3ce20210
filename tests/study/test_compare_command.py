"""The command that compares: its formats, its widths, and what it refuses."""

import csv
import io
import json

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.study.comparisons import GRID, TWO, crossed, noisy
from v2xsim.cli.app import app


def said(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_command_says_noise_and_what_differs(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    found = said(tmp_path / "s")
    assert found.exit_code == 0
    assert "noise: the 95 % interval contains 0" in found.stdout
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
    head = next(line for line in table if line.startswith("metric"))
    assert {"metric", "pairs", "difference", "interval", "verdict"} <= set(head.split())
    assert all("10" in line.split() for line in table[1:])
    assert "Left out at 80 characters: against, mean, effect." in " ".join(lines)


def test_units_without_a_column_follow_below_the_table(tmp_path, made_sweep, monkeypatch, capsys):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    monkeypatch.setattr("v2xsim.cli.compare.terminal_width", lambda: 68)
    app(["compare", str(tmp_path / "s")], standalone_mode=False)
    output = " ".join(capsys.readouterr().out.split())
    assert "Left out at 68 characters: unit," in output
    assert "ms: age_of_fused_data, awareness_latency; B/s: on_air" in output


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
    assert "continue the sweep with --resume" in found.output


def test_of_points_that_all_failed_the_first_reason_is_told(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, noisy)
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.schema.empty_table(), folder / "results.parquet")
    failure = {"settings": {}, "seed": 1, "reason": "took longer than 5 s (timeout_s)", "log": "logs/0.log"}
    (folder / "failures.json").write_text(json.dumps([failure] * 4))
    output = " ".join(said(folder).output.split())
    assert "4 points failed, the first because: took longer than 5 s (timeout_s)" in output
    assert "--retry-failed" in output


def test_a_sweep_without_the_important_metrics_names_the_option_for_the_others(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, noisy)
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.filter(pc.equal(table["metric"], "ap_0.5_ego")), folder / "results.parquet")
    found = said(folder)
    assert (found.exit_code, "--all compares those that it has" in found.output) == (2, True)
    assert "ap_0.5_ego" in said(folder, "--all").stdout


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


def test_a_long_value_is_shortened_and_complete_in_json(tmp_path, made_sweep):
    for name, letter in (("a", "x"), ("b", "y")):
        folder = made_sweep(tmp_path / name, TWO[:1], 2, noisy)
        plan = json.loads((folder / "sweep.json").read_text())
        plan["scenario"]["traffic"] = {"file": letter * 300}
        (folder / "sweep.json").write_text(json.dumps(plan))
    output = said(tmp_path / "a", tmp_path / "b").stdout
    assert "x" * 37 not in output
    assert output.count("(300 characters, digest ") == 2
    (compared,) = json.loads(said(tmp_path / "a", tmp_path / "b", "--json").stdout)["comparisons"]
    assert compared["differs"] == [{"key": "traffic.file", "base": "x" * 300, "other": "y" * 300}]


def test_a_terminal_of_forty_columns_gets_a_line_for_each_number(tmp_path, made_sweep, monkeypatch, capsys):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    monkeypatch.setattr("v2xsim.cli.compare.terminal_width", lambda: 40)
    app(["compare", str(tmp_path / "s")], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert lines.count("  pairs: 10") == 6
    assert "Left out" not in " ".join(lines)


def test_points_without_a_result_are_reported(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 3, noisy)
    table = pq.read_table(folder / "results.parquet")
    pq.write_table(table.filter(pc.not_equal(table["point"], 4)), folder / "results.parquet")
    found = said(folder)
    assert (
        "1 of 6 points have no result, so their pairs are missing (0 failed; --resume runs the other 1)" in found.stdout
    )
    assert "2 pairs" in found.stdout


def endless(name, setting, seed):
    """With the second setting, the median latency of a cycle is never in two of ten seeds, and longer in the others."""
    if name != "cycle_latency_p50":
        return noisy(name, setting, seed)
    return 20.0 + seed + np.where(setting == 0, 0.0, np.where(seed <= 2, np.inf, 5.0))


def test_differences_of_both_signs_with_a_time_that_never_ends_are_noise(tmp_path, made_sweep):
    """With the second setting, one of eight latencies is never, three are longer and four are shorter."""
    second = np.array([np.nan, np.inf, 9.0, 9.5, 9.2, 7.0, 7.5, 7.2, 7.1])

    def value(name, setting, seed):
        return np.where(setting == 0, 8.0, second[seed]) if name == "cycle_latency_p50" else noisy(name, setting, seed)

    folder = made_sweep(tmp_path / "s", TWO, 8, value, others={"cycle_latency_p50": "ms"})
    text = said(folder, "--metric", "cycle_latency_p50").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("cycle_latency_p50")]
    assert line.split()[2:5] + line.split()[-1:] == ["8", "8", "never", "noise"]
    assert "the difference is the same in every pair" not in text
    assert "its test is a sign test" in " ".join(text.split())


def test_a_latency_that_never_ends_is_a_word_in_texts_and_json_and_infinity_in_csv(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 10, endless, others={"cycle_latency_p50": "ms"})
    only = ("--metric", "cycle_latency_p50")
    (line,) = [line for line in said(folder, *only).stdout.splitlines() if line.startswith("cycle_latency_p50")]
    assert line.split()[2:] == ["10", "25.5", "never", "5", "-", "-", "higher", "*"]
    (row,) = json.loads(said(folder, *only, "--json").stdout)["rows"]
    assert (row["base_mean"], row["other_mean"], row["difference"], row["low"]) == (25.5, "never", 5.0, None)
    assert row["p"] == pytest.approx(2.0**-9)
    (cells,) = csv.DictReader(io.StringIO(said(folder, *only, "--csv").stdout))
    assert (cells["base_mean"], cells["other_mean"], cells["low"]) == ("25.5", "inf", "")


def test_the_road_users_behind_a_precision_stand_beside_it(tmp_path, made_sweep):
    """Each point of the sweep has 100 samples of each metric: 1,000 road users in ten points on each side."""
    folder = made_sweep(tmp_path / "s", TWO, 10, noisy)
    metrics = ("--metric", "ap_0.5_fused", "--metric", "prr")
    assert (
        "n_gt (road users that could be detected, over all points and frames): ap_0.5_fused 1,000 against 1,000\n"
        in said(folder, *metrics).stdout
    )
    rows = {
        row["metric"]: (row["base_n_gt"], row["other_n_gt"])
        for row in json.loads(said(folder, *metrics, "--json").stdout)["rows"]
    }
    assert rows == {"ap_0.5_fused": (1000, 1000), "prr": (None, None)}
