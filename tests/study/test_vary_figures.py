"""Figures over a varied key show the differences and levels of the families that differ in this key alone."""

import numpy as np
import pytest

from tests.study.made_studies import GAIN, TEXT, found, made, usual
from v2xsim.viz.drawing import style
from v2xsim.viz.study import vary_figures
from v2xsim.viz.study.load_figures import figure_makers
from v2xsim.viz.study.vary_figures import drawn_rules, sweeps_of

VARIED = "{scenario: demo, vary: {stations.penetration: [1.0, 0.1, 0.5], cooperation.overhearing: [true, false]}, loads: [0.2, 0.25]}"


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """A study in which direct is the worse the higher the penetration."""

    def value(metric, family, rule, load, seed):
        penetration = float(family.split("-")[2])
        lost = (
            (1.0 - penetration) * (GAIN["hybrid"] - GAIN[rule])
            if rule == "direct" and metric == "blind_covered"
            else 0.0
        )
        return usual(metric, family, rule, load, seed) + lost

    text = TEXT.replace("{scenario: demo, loads: [0.2, 0.25], recommended: [0.2]}", VARIED)
    text = text.replace("test: [11, 12, 13, 14, 15]", "test: [11, 12]")
    return found(made(tmp_path_factory.mktemp("vary"), value, text))


def test_a_figure_has_the_families_that_differ_in_one_key_alone_by_rising_value(findings):
    sweeps = {sweep.name: sweep for sweep in sweeps_of(findings)}
    assert set(sweeps) == {
        "town-overhearing-true", "town-overhearing-false", "town-penetration-1", "town-penetration-0.1", "town-penetration-0.5",
    }  # fmt: skip
    one = sweeps["town-overhearing-true"]
    assert (one.key, list(one.values), one.places.tolist()) == (
        "stations.penetration",
        [0.1, 0.5, 1.0],
        [0.1, 0.5, 1.0],
    )
    assert [family.name for family in one.families] == [
        f"town-penetration-{value}-overhearing-true" for value in ("0.1", "0.5", "1")
    ]
    assert sweeps["town-penetration-1"].values == [True, False]


def test_each_rule_has_a_panel_with_its_differences(findings):
    with style.in_style():
        picture = figure_makers(findings)["differences-over-penetration-town-overhearing-true"]()
    height, direct = picture.figure.axes
    assert [axes.get_title() for axes in (height, direct)] == ["height", "direct"]
    # The first line is the one at a difference of 0.
    (first,) = [
        line
        for line in direct.lines
        if len(line.get_xdata()) == 3 and line.get_linestyle() == "-" and line.get_marker() == "None"
    ]
    assert first.get_ydata() == pytest.approx([0.005, 0.025, 0.05], abs=0.002)
    assert np.abs(height.lines[1].get_ydata()).max() < 0.002
    assert "in blind_covered [1]" in picture.figure.texts[-1].get_text()


def test_the_levels_have_a_panel_for_each_load_and_one_for_the_loads_that_are_reached(findings):
    with style.in_style():
        picture = figure_makers(findings)["levels-over-overhearing-town-penetration-1"]()
    first, second, reached = picture.figure.axes
    assert (first.get_title(), second.get_title()) == ("at load 0.2", "at load 0.25")
    assert [text.get_text() for text in reached.get_xticklabels()] == ["true", "false"]
    by_rule = dict(zip(first.get_legend_handles_labels()[1], (line.get_ydata() for line in first.lines), strict=True))
    assert by_rule["hybrid"] - by_rule["direct"] == pytest.approx([0.05, 0.05], abs=0.003)
    ends = reached.collections[0].get_segments()[0][:, 1]
    assert ends == pytest.approx([0.12, 0.3])


def test_values_too_close_for_their_labels_are_drawn_at_even_distances(findings):
    from dataclasses import replace

    sweep = sweeps_of(findings)[0]
    close = replace(sweep, values=[0.05, 0.1, 1.0])
    assert (sweep.is_even, close.is_even, close.places.tolist()) == (False, True, [0.0, 1.0, 2.0])


def test_of_many_rules_those_that_matter_get_a_colour(findings, monkeypatch):
    assert drawn_rules(findings) == (["hybrid", "height", "direct", "oracle"], [])
    monkeypatch.setattr(vary_figures, "MOST_COLORED", 3)
    monkeypatch.setattr(vary_figures, "LOOKS", vary_figures.LOOKS[:3])
    assert drawn_rules(findings) == (["hybrid", "direct", "oracle"], ["height"])
    with style.in_style():
        picture = figure_makers(findings)["levels-over-overhearing-town-penetration-1"]()
    assert picture.figure.axes[0].get_legend_handles_labels()[1] == [
        "other rules",
        "hybrid",
        "direct",
        "oracle (bound)",
    ]


def test_other_metrics_have_figures_without_verdicts(findings):
    with style.in_style():
        picture = figure_makers(findings)["differences-over-penetration-town-overhearing-false-cycle_success"]()
    assert "Nothing is tested." in picture.says
    assert "hybrid minus other" in picture.figure.texts[-1].get_text()
