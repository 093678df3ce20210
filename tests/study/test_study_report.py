"""The report of a study: its numbers are those of the findings, and the same runs give the same bytes."""

import csv
import io
import json
import re
import shutil

import pytest
from typer.testing import CliRunner

from tests.study.made_studies import TEXT, found, made, usual
from v2xsim.cli.app import app
from v2xsim.study.study_folder import provenance_in
from v2xsim.study.study_tables import bound_rows, difference_rows, level_rows, summary


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a study in which relays help."""
    return made(tmp_path_factory.mktemp("study"), usual)


def report(*arguments):
    return CliRunner().invoke(app, ["study", "report", *map(str, arguments)], catch_exceptions=False)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_has_summary_tables_and_figures_to_the_same_bytes_each_time(runs, tmp_path):
    ran = report(runs, "--out", tmp_path / "first")
    assert ran.exit_code == 0
    first = content(tmp_path / "first")
    assert set(first) - {".v2xsim-report"} >= {
        "summary.md", "curves.csv", "at-loads.csv", "differences.csv", "other-metrics.csv", "bounds.csv", "within-loads.csv", "costs.csv", "figures/curves-town.svg", "figures/curves-town.png",
        "figures/differences-town.svg", "figures/differences-town.png",
    }  # fmt: skip
    # Elsewhere and at another time.
    moved = shutil.copytree(runs, tmp_path / "moved")
    manifest = json.loads((moved / "study.json").read_text()) | {"begun": "2020-01-01T00:00:00Z"}
    (moved / "study.json").write_text(json.dumps(manifest))
    assert report(moved, "--out", tmp_path / "second").exit_code == 0
    second = content(tmp_path / "second")
    # Times are in this file alone.
    assert second.pop("provenance.md") != first.pop("provenance.md")
    assert second == first


def test_the_report_says_with_which_study_file_and_since_when(runs, tmp_path):
    known = provenance_in(runs)
    ran = report(runs, "--out", tmp_path / "report")
    assert f"SHA-256 {known.sha256}, first test run with it began {known.begun}" in ran.stdout
    assert known.sha256 in (tmp_path / "report" / "summary.md").read_text()


def test_one_figure_is_made_again_alone(runs, tmp_path):
    report(runs, "--out", tmp_path / "all")
    whole = content(tmp_path / "all")
    ran = report(runs, "--out", tmp_path / "one", "--figure", "curves-town")
    assert ran.exit_code == 0
    one = content(tmp_path / "one")
    assert {name for name in one if name.startswith("figures/")} == {
        "figures/curves-town.svg",
        "figures/curves-town.png",
    }
    assert all(one[name] == whole[name] for name in one if name.startswith("figures/"))
    (tmp_path / "all" / "figures" / "curves-town.svg").write_text("other")
    report(runs, "--out", tmp_path / "all", "--figure", "curves-town")
    assert content(tmp_path / "all") == whole


def test_an_unknown_figure_is_refused(runs, tmp_path):
    ran = report(runs, "--out", tmp_path / "report", "--figure", "curves-twon")
    assert (ran.exit_code, (tmp_path / "report").exists()) == (2, False)
    assert "did you mean 'curves-town'" in " ".join(ran.stderr.split())


def test_a_folder_with_other_files_is_not_replaced(runs, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert report(runs, "--out", tmp_path).exit_code == 2
    assert report(runs, "--out", tmp_path, "--figure", "curves-town").exit_code == 2
    assert content(tmp_path) == {"mine.txt": b"mine"}


def test_the_tables_have_a_row_for_each_rule_and_load(runs, tmp_path):
    report(runs, "--out", tmp_path / "report")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "differences.csv").read_text())))
    assert [(row["rule"], row["load"], row["verdict"]) for row in rows] == [
        ("height", "0.2", "equal"), ("height", "0.25", "equal"), ("direct", "0.2", "better"), ("direct", "0.25", "better"),
    ]  # fmt: skip
    assert all(float(row["low"]) < 0.05 < float(row["high"]) for row in rows[2:])


def test_a_row_says_how_many_seeds_its_half_width_takes(runs):
    for row in difference_rows(found(runs)):
        assert row["half_width_reached"] is (row["half_width"] <= 0.01)
        assert row["half_width_reached"] is (row["seeds_needed"] <= 5)
        assert row["seeds_needed"] <= row["seeds_needed_cautious"]


def test_bounds_are_compared_with_direct_and_with_the_reference(runs):
    rows = bound_rows(found(runs))
    assert [(row["bound"], row["rule"], row["load"]) for row in rows] == [
        ("oracle", "direct", 0.2), ("oracle", "direct", 0.25), ("oracle", "hybrid", 0.2), ("oracle", "hybrid", 0.25),
    ]  # fmt: skip
    assert [row["difference"] for row in rows] == pytest.approx([0.1, 0.1, 0.05, 0.05], abs=0.002)
    assert all(row["low"] < row["difference"] < row["high"] for row in rows)


def test_a_load_outside_a_curve_is_reported_with_the_loads_that_are_covered(tmp_path):
    folder = made(tmp_path, usual, TEXT.replace("loads: [0.2, 0.25]", "loads: [0.2, 0.11]"))
    findings = found(folder)
    rows = {(row["rule"], row["load"]): row for row in level_rows(findings) if row["metric"] == "blind_covered"}
    assert rows["hybrid", 0.11]["reaches_load"] is False
    assert rows["hybrid", 0.11]["mean"] is None
    assert rows["direct", 0.11]["reaches_load"] is True
    assert "hybrid covers 0.120 to 0.320; direct covers 0.100 to 0.300" in summary(findings, provenance_in(folder))


def test_the_summary_begins_with_what_it_is_and_has_claim_verdicts_and_share_of_the_way(runs):
    text = summary(found(runs), provenance_in(runs))
    assert text.startswith("# small: the test\n")
    assert "Supported: it holds in 1 of the 1 cases that were run." in text
    assert "| direct | 2 | 0 | 0 | 0 | 0 |" in text
    assert "| hybrid | 0.2 | | | | | 0.5" in text
    assert "| town | direct | 0.2 | cycle_success | +0.0500 | +0.0500 to +0.0500 |" in text
    assert "| town | direct | 0.1000 | 0.3000 | 0 of 3 |" in text
    assert "| town | **all but bounds** | 0.1200 | 0.3000 |  |" in text


def test_a_summary_of_development_runs_does_not_pass_as_a_test(tmp_path):
    folder = made(tmp_path, usual, purpose="development")
    assert summary(found(folder), provenance_in(folder)).startswith("# small: development runs, no test\n")


def test_a_report_of_one_seed_and_a_missing_point_says_what_is_missing(tmp_path):
    text = TEXT.replace("[11, 12, 13, 14, 15]", "[11, 12]")
    folder = made(tmp_path, usual, text, only=lambda point: (point.setting, point.seed) != (7, 12))
    assert report(folder).exit_code == 0
    summary_text = (folder / "report" / "summary.md").read_text()
    assert "1 of 2 seeds are left out" in summary_text
    assert "| one seed |" in summary_text
    assert "Not supported" in summary_text


def test_a_rule_without_a_complete_seed_takes_no_seed_from_the_others(tmp_path):
    whole = made(tmp_path / "whole", usual)
    folder = made(tmp_path / "less", usual, only=lambda point: point.setting != 7)
    for each in (whole, folder):
        assert report(each).exit_code == 0
    text = (folder / "report" / "summary.md").read_text()
    assert "town: direct lacks a point in every seed, so the other rules are compared without it" in text
    assert "hybrid covers 0.120 to 0.320; direct has no complete seed" in text
    heights = [
        [
            line.split(",")[:9]
            for line in (each / "report" / "differences.csv").read_text().splitlines()
            if ",height," in line
        ]
        for each in (whole, folder)
    ]
    assert heights[0] == heights[1]
    assert not re.search(r"\bnan\b", text)


def test_a_report_without_a_complete_seed_is_made_too(tmp_path):
    folder = made(tmp_path, usual, only=lambda point: point.setting % 3 != 1)
    assert report(folder).exit_code == 0
    text = (folder / "report" / "summary.md").read_text()
    assert "5 of 5 seeds are left out" in text
    assert "hybrid has no complete seed" in text
    assert not re.search(r"\bnan\b", text)


def test_a_load_that_does_not_rise_along_its_axis_is_reported(tmp_path):
    def value(metric, family, rule, load, seed):
        # The load of height falls with the budget.
        level = usual(metric, family, rule, load, seed)
        return 0.4 - level if (metric, rule) == ("channel_busy_ratio", "height") else level

    folder = made(tmp_path, value)
    assert report(folder).exit_code == 0
    text = (folder / "report" / "summary.md").read_text()
    assert "the load does not rise along the load axis, for height in town." in text


def test_loads_that_not_all_rules_reach_are_printed_with_those_that_all_do(tmp_path):
    assert "all rules reach" not in report(made(tmp_path / "all", usual)).stdout
    ran = report(made(tmp_path / "less", usual, TEXT.replace("loads: [0.2, 0.25]", "loads: [0.2, 0.11]")))
    assert "town: all rules reach the loads from 0.1200 to 0.3000, not all of 0.2, 0.11" in " ".join(ran.stdout.split())
