"""The page about the study of matching has the numbers of the reports that are committed beside it, and its tables say what a report says."""

import csv
import hashlib
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "study_matching.md"
BESIDE = PAGE.with_suffix("")
sys.path.insert(0, str(ROOT / "tools"))
from matching_picture import SHOWN, drawn  # noqa: E402
from matching_tables import MADE, METRIC, NOT_RUN, PARTS, main, with_tables  # noqa: E402
from page_tables import Report  # noqa: E402

from v2xsim.viz.drawing import style  # noqa: E402

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="this copy of the project has no docs/")


def test_the_tables_of_the_page_are_those_of_the_reports():
    page = PAGE.read_text(encoding="utf-8")
    assert all(page.count(f"<!-- table {name} -->") == 1 for name in MADE)
    assert page.count("<!-- table ") == len(MADE)
    assert with_tables(page, BESIDE) == page


@pytest.mark.parametrize("part", ["worth", "ablations"])
def test_the_tables_beside_the_page_have_the_digests_of_the_report(part):
    if not (BESIDE / part).exists():
        pytest.skip(f"{part} was not run yet")
    sums = (BESIDE / part / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    digests = dict(reversed(each.split()) for each in sums)
    tables = [name for name in PARTS[part].copied if name.endswith(".csv")]
    assert tables
    for name in tables:
        assert hashlib.sha256((BESIDE / part / name).read_bytes()).hexdigest() == digests[name]


def test_the_picture_of_the_page_has_the_names_of_the_rules_and_the_numbers_of_the_report():
    report = Report(BESIDE / "worth")
    if not report.families:
        pytest.skip("worth was not run yet")
    with style.in_style():
        texts = style.texts_on(drawn(report))
    assert set(SHOWN.values()) < set(texts)
    with Image.open(PAGE.with_suffix(".png")) as picture:
        assert picture.text["Description"] == "\n".join(texts)


def write(path, *rows):
    """Write rows as a table of a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def report(folder, study="matching_worth", reference="unheard", other="cpm", loads=(130000.0, 240000.0, 500000.0)):
    """Write a report of one family in which the reference knows 0.6 and the other rule 0.5, at 90 and 220 kB/s."""
    base = {"family": "grid", "rule": other}
    gains = [{**base, "load": load, "difference": 0.1, "low": 0.04, "high": 0.16} for load in loads]
    words = [("better", "better"), ("better", "undecided"), ("no overlap", "no overlap")]
    verdicts = [
        {**gain, "recommended": str(gain["load"] < loads[-1]).lower(), "verdict_alone": alone, "verdict": word}
        for gain, (alone, word) in zip(gains, words, strict=False)
    ]
    rules = ((reference, 0.6, 75000.0), (other, 0.5, 90000.0))
    write(folder / "differences.csv", *verdicts)
    write(folder / "within-loads.csv", *gains)
    write(folder / "other-metrics.csv", *(dict(gain, metric="false_tracks_fused") for gain in gains))
    write(
        folder / "at-loads.csv",
        *({"family": "grid", "rule": rule, "load": load, "metric": metric, "mean": mean if load < loads[-1] else ""}
          for rule, mean, _ in rules for load in loads for metric in (METRIC, "false_tracks_fused")),
    )  # fmt: skip
    write(
        folder / "curves.csv",
        *({"family": "grid", "rule": rule, "load": load, "metric": METRIC, "mean": value}
          for rule, mean, least in rules for load, value in ((least, mean), (220000.0, mean - 0.1), (600000.0, mean + 0.1))),
    )  # fmt: skip
    cost = {"family": "grid", "level": 0.59}
    write(
        folder / "costs.csv",
        {**cost, "rule": reference, "least_load": 75000.0, "ratio": 1.0, "low": 1.0, "high": 1.0, "reached": "true", "at_end_of_curve": "true"},
        {**cost, "rule": other, "least_load": 150000.0, "ratio": 2.0, "low": 1.5, "high": "", "reached": "true", "at_end_of_curve": "false"},
        {**cost, "rule": "matrices", "least_load": "", "ratio": "", "low": "", "high": "", "reached": "false", "at_end_of_curve": "false"},
    )  # fmt: skip
    (folder / "provenance.md").write_text(f"# Provenance of {study}: the test\n")
    return folder


@pytest.fixture
def page(tmp_path):
    """A page with all tables, and no report beside it."""
    path = tmp_path / "page.md"
    path.write_text("".join(f"<!-- table {name} -->\n<!-- end -->\n" for name in MADE))
    return path


def table(page, name):
    """Return the cells of a table of a page, without its head."""
    part = page.read_text().split(f"<!-- table {name} -->\n")[1].split("<!-- end -->")[0]
    return [row.strip("| ").split(" | ") for row in part.splitlines()[2:]]


def test_a_table_without_its_report_says_so(page, tmp_path):
    main([str(page), f"busy={report(tmp_path / 'r', loads=(0.03, 0.05))}"])
    assert page.read_text().count(NOT_RUN) == len(MADE) - 1
    assert table(page, "busy")


def test_loads_are_in_kilobytes_and_only_recommended_ones_are_compared(page, tmp_path):
    main([str(page), f"worth={report(tmp_path / 'r')}"])
    assert "| rule | `grid`, 130 kB/s | `grid`, 240 kB/s |\n" in page.read_text()
    assert table(page, "levels") == [["`unheard`", "0.600", "0.600"], ["`cpm`", "0.500", "0.500"]]


def test_a_verdict_that_holds_only_alone_is_told_as_such(page, tmp_path):
    main([str(page), f"worth={report(tmp_path / 'r')}"])
    interval = "+0.100 (+0.040 to +0.160)"
    assert table(page, "differences") == [["`cpm`", f"{interval} better", f"{interval} undecided (alone: better)"]]


def test_a_cost_has_a_star_at_the_end_of_its_curve_and_a_dash_where_it_is_not_reached(page, tmp_path):
    main([str(page), f"worth={report(tmp_path / 'r')}"])
    assert table(page, "costs") == [
        ["`unheard`", "75 *", "1.00 (1.00 to 1.00)"],
        ["`cpm`", "150", "2.00 (1.50 to not reached)"],
        ["`matrices`", "-", "-"],
    ]


def test_other_metrics_are_read_at_the_second_load(page, tmp_path):
    main([str(page), f"worth={report(tmp_path / 'r')}"])
    assert "| rule | `grid`, 240 kB/s | `unheard` minus |" in page.read_text()
    assert table(page, "false-tracks")[1] == ["`cpm`", "0.500", "+0.100 (+0.040 to +0.160)"]


def test_asked_rules_are_compared_at_all_loads_and_at_their_best(page, tmp_path):
    main([str(page), f"asked={report(tmp_path / 'r', reference='asked_bodies', other='asked_nearest')}"])
    assert [row[0] for row in table(page, "asked")] == [
        "`grid`, 130 kB/s", "`grid`, 240 kB/s", "`grid`, 500 kB/s", "`grid`, at most 500 kB/s",
    ]  # fmt: skip
    assert table(page, "asked")[-1][1] == "+0.100 (+0.040 to +0.160)"


def test_where_the_plan_recommends_nothing_all_loads_but_the_largest_are_compared(page, tmp_path):
    folder = report(tmp_path / "r", "matching_ablations", other="one_hop")
    text = (folder / "differences.csv").read_text()
    (folder / "differences.csv").write_text(text.replace("true", "false"))
    main([str(page), f"ablations={folder}"])
    head = "| `unheard` minus | `grid`, 130 kB/s | `grid`, 240 kB/s |\n"
    assert f"<!-- table ablation-differences -->\n{head}" in page.read_text()
    head = "| `unheard` minus | `grid`, at most 130 kB/s | `grid`, at most 500 kB/s |\n"
    assert f"<!-- table ablation-within -->\n{head}" in page.read_text()


def test_with_more_power_retelling_is_compared_with_reports_alone(page, tmp_path):
    folder = report(tmp_path / "r", "matching_ablations", "unheard_power", "cpm_power")
    main([str(page), f"power={folder}"])
    assert "| `unheard_power` minus | `grid`, at most 130 kB/s | `grid`, at most 500 kB/s |\n" in page.read_text()
    assert table(page, "ablation-power") == [["`cpm_power`", *2 * ["+0.100 (+0.040 to +0.160)"]]]


def test_under_a_condition_the_best_point_within_the_load_counts(page, tmp_path):
    main([str(page), f"conditions={report(tmp_path / 'r', 'matching_conditions', 'unseen', loads=(250000.0,))}"])
    # Both rules know more at 600 kB/s, which is too much, and less at 220 kB/s.
    assert table(page, "conditions") == [["`grid`", "250 kB/s", "0.600 (75)", "0.500 (90)"]]


def test_the_picture_has_a_panel_for_each_family_with_loads_in_kilobytes(tmp_path):
    with style.in_style():
        panel, names = drawn(Report(report(tmp_path / "r", other="cpm_self"))).axes
    lines = {each.get_label(): each for each in panel.lines}
    assert lines[SHOWN["unheard"]].get_xdata() == pytest.approx([75.0, 220.0, 600.0])
    assert lines[SHOWN["unheard"]].get_ydata() == pytest.approx([0.6, 0.5, 0.7])
    assert [text.get_text() for text in names.get_legend().get_texts()] == [SHOWN["unheard"], "all other rules"]


@pytest.mark.parametrize(
    ("part", "made", "reason"),
    [
        ("ablations", {}, "must be a report of matching_ablations"),
        ("asked", {}, "with the reference asked_bodies"),
        ("busy", {}, "at equal channel_busy_ratio"),
        ("worth", {"loads": (0.03, 0.05)}, "at equal on_air"),
        ("more", {}, "PART must be one of"),
    ],
)
def test_the_report_of_another_part_is_refused(page, tmp_path, part, made, reason):
    other = {"asked": "asked_bodies"}.get(part, "cpm")
    with pytest.raises(SystemExit, match=reason):
        main([str(page), f"{part}={report(tmp_path / 'r', other=other, **made)}"])
    assert not (tmp_path / "page").exists()
