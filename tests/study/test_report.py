"""Reports: one page that needs nothing else, figures with units, and nothing lost when it cannot be written."""

import csv
import json
import re
from itertools import islice

import numpy as np
import pytest
from typer.testing import CliRunner

import v2xsim
from v2xsim.cli.app import app
from v2xsim.study.studies import read_study
from v2xsim.viz.drawing import style
from v2xsim.viz.study import page
from v2xsim.viz.study.axes import layout
from v2xsim.viz.study.figures import COLUMN_IN, pictures

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]
POWER = [{"radio.tx_power_dbm": p, "cooperation.relay": r} for p in (5, 10, 15, 20) for r in ("none", "hybrid")]
DESIGN = [{"radio.tx_power_dbm": float(p), "radio.range_m": float(2**p)} for p in np.linspace(5, 20, 300)]


def values(name, setting, seed):
    return 0.5 + 0.01 * setting + 0.1 * np.random.default_rng(len(name)).normal(size=1000)[seed]


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture
def one_figure(monkeypatch):
    """Draw the first figure alone: it takes a second to draw and write all."""
    monkeypatch.setattr(page, "pictures", lambda study, unit_of: islice(pictures(study, unit_of), 1))


@pytest.mark.parametrize(
    ("settings", "kind"), [(TWO, "rows"), (POWER, "lines"), (DESIGN, "scatter")], ids=["two", "power", "design"]
)
def test_the_page_stands_alone(tmp_path, settings, kind, made_sweep):
    folder = made_sweep(tmp_path / "s", settings, 3, values, question="Is it <so> & why?")
    assert report(folder).exit_code == 0
    page = (folder / "report" / "report.html").read_text()
    assert "Is it &lt;so&gt; &amp; why?" in page
    assert layout(read_study(folder)).kind == kind
    # Nothing is fetched: images are in the page, and links lead to the files beside it.
    assert not re.search(r'(src|href)="(?!data:|figures/|means.csv"|comparisons.csv")', page)
    assert "<script" not in page
    for name in ("prr-by-distance", "awareness-latency", "coverage", "average-precision", "busy-ratio"):
        assert (folder / "report" / "figures" / f"{name}.svg").read_bytes().startswith(b"<?xml")
        assert (folder / "report" / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("settings", [TWO, POWER, DESIGN], ids=["two", "power", "design"])
def test_every_axis_has_a_unit_and_every_text_can_be_read(tmp_path, settings, made_sweep):
    study = read_study(made_sweep(tmp_path / "s", settings, 3, values))
    with style.in_style():
        for picture in pictures(study, lambda key: "dBm" if key.endswith("dbm") else "m"):
            assert picture.figure.get_size_inches()[0] == COLUMN_IN
            picture.figure.canvas.draw()
            width, height = picture.figure.canvas.get_width_height()
            for axes in picture.figure.axes:
                assert re.search(r"\[.+\]$", axes.get_xlabel()), axes.get_xlabel()
                assert axes.get_ylabel() == "" or re.search(r"\[.+\]$", axes.get_ylabel())
                for text in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
                    assert text.get_fontsize() >= 7.0
                box = axes.get_tightbbox()
                assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, picture.name  # noqa: PT018
            for legend in picture.figure.legends:
                assert legend.get_window_extent().x1 <= width + 1, picture.name


@pytest.mark.usefixtures("one_figure")
def test_a_single_run_has_a_report_too(tmp_path):
    v2xsim.run(v2xsim.load("demo", ["run.duration_s=1"]), out=tmp_path / "r")
    assert report(tmp_path / "r").exit_code == 0
    page = (tmp_path / "r" / "report" / "report.html").read_text()
    assert "One seed: no interval." in page
    assert "run.duration_s" in page


@pytest.mark.usefixtures("one_figure")
def test_failures_are_listed_with_their_reason_and_log(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, values)
    (folder / "failures.json").write_text(
        '[{"point": 1, "setting": 0, "seed": 2, "settings": {"cooperation.relay": "none"}, "reason": "ran out of <memory>", "log": "logs/x.log"}]'
    )
    report(folder)
    page = (folder / "report" / "report.html").read_text()
    assert "ran out of &lt;memory&gt;" in page
    assert "logs/x.log" in page


GRID = [{"cooperation.relay": r, "radio.tx_power_dbm": p} for r in ("none", "hybrid") for p in (5.0, 20.0)]


@pytest.mark.usefixtures("one_figure")
def test_a_report_compares_within_the_other_keys(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", GRID, 5, values)
    assert report(folder, "--baseline", "cooperation.relay=none").exit_code == 0
    page = (folder / "report" / "report.html").read_text()
    assert "Baseline: cooperation.relay=none, within each combination of radio.tx_power_dbm." in page
    assert "relay=hybrid against relay=none at tx_power_dbm=20" in page
    table = list(csv.DictReader((folder / "report" / "comparisons.csv").read_text().splitlines()))
    assert {row["within"] for row in table} == {"tx_power_dbm=5", "tx_power_dbm=20"}


@pytest.mark.usefixtures("one_figure")
def test_a_report_of_random_draws_says_why_nothing_is_compared(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", DESIGN, 1, values, factors=[{"keys": list(DESIGN[0]), "drawn": True}])
    assert report(folder).exit_code == 0
    assert "drawn at random" in (folder / "report" / "report.html").read_text()
    assert not (folder / "report" / "comparisons.csv").exists()


@pytest.mark.usefixtures("one_figure")
def test_the_table_of_means_has_every_metric_of_every_setting(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 3, lambda n, s, k: 0.25 * k)
    report(folder)
    table = list(csv.DictReader((folder / "report" / "means.csv").read_text().splitlines()))
    row = next(row for row in table if row["metric"] == "prr" and row["cooperation.relay"] == "hybrid")
    assert (row["setting"], row["seeds"], float(row["mean"])) == ("1", "3", 0.5)
    assert 0.0 < float(row["low"]) < 0.5 < float(row["high"]) < 1.0


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_no_band_of_a_figure_is_above_one_or_below_zero(tmp_path, made_sweep, seeds):
    near_one = np.array([1.0, 0.9, 0.99, 0.7, 1.0])
    study = read_study(made_sweep(tmp_path / "s", POWER, seeds, lambda n, s, k: near_one[k - 1]))
    with style.in_style():
        for picture in pictures(study, lambda key: "dBm"):
            for axes in picture.figure.axes:
                for band in axes.collections:
                    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
                    assert heights.min() >= 0, picture.name
                    assert heights.max() <= 1 or "[1]" not in axes.get_ylabel(), picture.name


MANY_KEYS = [
    {"cooperation.relay": "hybrid", "radio.access": a, "radio.mcs": 7, "radio.tx_power_dbm": 10.15, "stations.penetration": 0.5 * n}
    for a in ("ieee80211p", "nr_mode2") for n in (1, 2)
]  # fmt: skip


def test_settings_of_many_keys_are_named_in_full_in_every_figure(tmp_path, made_sweep):
    study = read_study(made_sweep(tmp_path / "s", MANY_KEYS, 3, values))
    with style.in_style():
        for picture in pictures(study, lambda key: ""):
            picture.figure.canvas.draw()
            width, _ = picture.figure.canvas.get_width_height()
            if picture.name == "prr-by-distance":
                (legend,) = picture.figure.legends
                assert legend.get_window_extent().x1 <= width + 1
                named = [text.get_text() for text in legend.get_texts()]
            else:
                (axes,) = picture.figure.axes
                named = [text.get_text() for text in axes.get_yticklabels()]
            if picture.name in ("prr-by-distance", "reception"):
                assert [" ".join(name.replace(",", "").split()[:5]) for name in named] == [
                    study.label(row).replace(",", "") for row in range(4)
                ], picture.name


def test_a_key_without_a_unit_has_none_on_its_axis(tmp_path, made_sweep):
    settings = [{"stations.penetration": s} for s in (0.2, 0.4, 0.6)]
    study = read_study(made_sweep(tmp_path / "s", settings, 3, values))
    with style.in_style():
        labels = [axes.get_xlabel() for picture in pictures(study, lambda key: "") for axes in picture.figure.axes]
    assert "stations.penetration" in labels


def test_a_second_report_is_the_same_and_takes_the_place_of_the_first(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 3, values)
    report(folder)
    first = {p.name: p.read_bytes() for p in (folder / "report").rglob("*") if p.is_file()}
    report(folder)
    assert {p.name: p.read_bytes() for p in (folder / "report").rglob("*") if p.is_file()} == first


def test_a_folder_with_something_else_is_left_alone(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, values)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    found = report(folder, "--out", tmp_path / "mine")
    assert found.exit_code == 2
    assert "holds something else" in found.output
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    assert not list(tmp_path.glob(".*partial"))


def test_a_paper_beside_a_report_that_v2xsim_did_not_write_is_not_replaced(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, values)
    (tmp_path / "pub").mkdir()
    (tmp_path / "pub" / "report.html").write_text("another tool's")
    (tmp_path / "pub" / "paper.tex").write_text("years of work")
    assert report(folder, "--out", tmp_path / "pub").exit_code == 2
    assert sorted(p.name for p in (tmp_path / "pub").iterdir()) == ["paper.tex", "report.html"]


@pytest.mark.usefixtures("one_figure")
def test_a_report_that_got_a_file_of_the_user_is_not_replaced(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, values)
    assert report(folder, "--out", tmp_path / "pub").exit_code == 0
    assert report(folder, "--out", tmp_path / "pub").exit_code == 0
    (tmp_path / "pub" / "figures" / "my.pdf").write_text("years of work")
    found = report(folder, "--out", tmp_path / "pub")
    assert found.exit_code == 2
    assert "'figures/my.pdf'" in found.output


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("out", [".", "..", "../work"])
def test_the_working_folder_is_not_replaced_by_a_report(tmp_path, made_sweep, monkeypatch, out):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = made_sweep(tmp_path / "work" / "s", TWO, 2, values)
    report(folder, "--out", "pub")
    before = sorted(tmp_path.rglob("*"))
    found = report(folder, "--out", out)
    assert found.exit_code == 2
    assert "must not be the working folder" in found.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("one_figure")
def test_no_text_of_a_file_reaches_the_page_unescaped(tmp_path, made_sweep):
    evil = "<script>alert(1)</script>"
    folder = made_sweep(
        tmp_path / "s", [{evil: evil}, {evil: 2}], 2, values, question=evil, name=evil, versions={evil: evil}
    )
    failure = {
        "point": evil,
        "setting": evil,
        "seed": evil,
        "settings": {evil: evil},
        "kind": evil,
        "reason": evil,
        "log": evil,
    }
    (folder / "failures.json").write_text(json.dumps([failure, failure | {"seed": [evil], "reason": {evil: evil}}]))
    assert report(folder).exit_code == 0
    page = (folder / "report" / "report.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


@pytest.mark.parametrize(
    ("name", "change"),
    [("failures.json", "{}"), ("failures.json", "[1]"), ("failures.json", '[{"seed": 1}]'),
     ("failures.json", '[{"settings": [], "seed": 1, "reason": "", "log": ""}]'),
     ("sweep.json", {"versions": []}), ("sweep.json", {"name": 7}), ("sweep.json", {"settings": [1, 2]}), ("sweep.json", {"keys": 5})],
)  # fmt: skip
def test_a_file_of_another_form_is_one_message(tmp_path, made_sweep, name, change):
    folder = made_sweep(tmp_path / "s", TWO, 2, values)
    changed = change if isinstance(change, str) else json.dumps(json.loads((folder / name).read_text()) | change)
    (folder / name).write_text(changed)
    found = report(folder)
    assert found.exit_code == 2
    assert "damaged" in found.output


def test_an_older_result_without_latencies_says_nothing_of_them(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 2, lambda n, s, k: np.where("within" in n, np.nan, 1.0 * k))
    report(folder)
    assert not (folder / "report" / "figures" / "awareness-latency.svg").exists()


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_ten_thousand_points_are_read_and_reported(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", [{"radio.tx_power_dbm": 0.01 * n} for n in range(100)], 100, values)
    assert read_study(folder).finished == 10_000
    assert report(folder).exit_code == 0


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("automatic", [[], ["stations.penetration"]])
def test_keys_that_follow_from_others_are_not_listed_as_chosen(made_sweep, tmp_path, automatic):
    scenario = v2xsim.scenario.resolved(v2xsim.load("demo"))
    folder = made_sweep(tmp_path / "s", TWO, 2, values, scenario=scenario, automatic=automatic)
    assert report(folder).exit_code == 0
    listed = "<code>stations.penetration</code>" in (folder / "report" / "report.html").read_text()
    assert listed == (not automatic)


@pytest.mark.usefixtures("one_figure")
def test_one_setting_and_one_seed_are_singular(made_sweep, tmp_path):
    folder = made_sweep(tmp_path / "s", TWO[:1], 1, values)
    assert report(folder).exit_code == 0
    assert "1 setting with 1 seed (1)" in (folder / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "kind"), [(TWO, "rows"), (POWER, "lines"), (DESIGN, "scatter")], ids=["two", "power", "design"]
)
def test_a_latency_that_never_ends_is_drawn_as_no_point_and_named(tmp_path, settings, kind, made_sweep, recwarn):
    def endless(name, setting, seed):
        return (
            20.0 + seed + np.where(setting == 1, np.inf, 0.0)
            if name == "cycle_latency_p50"
            else values(name, setting, seed)
        )

    study = read_study(made_sweep(tmp_path / "s", settings, 3, endless, others={"cycle_latency_p50": "ms"}))
    with style.in_style():
        (picture,) = [one for one in pictures(study, lambda key: "") if one.name == "cycle-latency"]
        picture.figure.canvas.draw()
        low, high = picture.figure.axes[0].get_xlim() if kind == "rows" else picture.figure.axes[0].get_ylim()
    assert 0 < low < 23 < high < 60
    assert "Never in at least one seed, so without a point: 1 of" in picture.says
    texts = [text.get_text() for text in picture.figure.axes[0].texts]
    assert texts == (["never"] if kind == "rows" else [])
    assert not list(recwarn)


def test_the_page_has_the_word_for_a_mean_that_never_ends(tmp_path, made_sweep, one_figure):
    def endless(name, setting, seed):
        return (
            np.where(seed == 2, np.inf, 20.0)
            if name == "cycle_latency_p50" and setting
            else values(name, setting, seed)
        )

    folder = made_sweep(tmp_path / "s", TWO, 3, endless, others={"cycle_latency_p50": "ms"})
    assert report(folder).exit_code == 0
    assert "<td>never</td>" in (folder / "report" / "report.html").read_text()
    rows = list(csv.DictReader((folder / "report" / "means.csv").read_text().splitlines()))
    assert [row["mean"] for row in rows if row["metric"] == "cycle_latency_p50" and row["setting"] == "1"] == ["inf"]
