"""The overview of a study shows every family, with what the reference brings over direct at equal load."""

import pytest

from tests.study.made_studies import GAIN, TEXT, found, made, usual
from v2xsim.viz.drawing import style
from v2xsim.viz.study.load_figures import figure_makers
from v2xsim.viz.study.overview_figure import OVERVIEW, chosen_rules, has_overview

FAMILY = "{scenario: demo, loads: [0.2, 0.25], recommended: [0.2]}"
POWER = "  - power: {cooperation.relay: none, load: {key: radio.tx_power_dbm, values: [10, 16, 23]}}\n"


def text_of(*families):
    """Return a study file with some families of the same scenario, and a rule that raises the power instead."""
    text = TEXT.replace(f"  town: {FAMILY}\n", "".join(f"  {name}: {FAMILY}\n" for name in families))
    return text.replace("rules:\n", f"rules:\n{POWER}")


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    def value(metric, family, rule, load, seed):
        if rule != "power":
            return usual(metric, family, rule, load, seed)
        return usual(metric, family, "direct", {10: 500, 16: 2000, 23: 8000}[load], seed)

    return found(made(tmp_path_factory.mktemp("overview"), value, text_of("town", "village")))


@pytest.fixture(scope="module")
def panels(findings):
    with style.in_style():
        return figure_makers(findings)[OVERVIEW]().figure.axes


def test_each_family_has_a_panel_with_the_difference_at_the_middle_common_load(findings, panels):
    assert [axes.get_title(loc="left") for axes in panels] == ["town", "village"]
    (row,) = (
        n
        for n, one in enumerate(findings.comparisons)
        if (one.family.name, one.rule, one.load) == ("town", "direct", 0.25)
    )
    difference = findings.differences.mean[row]
    assert difference == pytest.approx(GAIN["hybrid"] - GAIN["direct"], abs=0.02)
    assert panels[0].texts[0].get_text().startswith(f"hybrid minus direct at load 0.25: {difference:+.3f} (")


def test_a_line_has_the_means_over_seeds_at_each_value_of_the_load_axis(findings, panels):
    (line,) = (line for line in panels[0].lines if line.get_label() == "hybrid")
    family, file = findings.families[0], findings.file
    assert line.get_xdata() == pytest.approx(family.curve("hybrid", file.load_metric).mean(axis=1))
    assert line.get_ydata() == pytest.approx(family.curve("hybrid", file.metric).mean(axis=1))


def test_rules_that_spend_spectrum_in_another_way_have_colours_and_other_relay_rules_are_grey(findings, panels):
    assert chosen_rules(findings) == ["hybrid", "direct", "power", "oracle"]
    assert {line.get_label() for line in panels[0].lines} == {
        "hybrid",
        "direct",
        "power",
        "oracle (bound)",
        "other rules",
    }


@pytest.mark.parametrize(("families", "drawn"), [(1, False), (2, True), (8, True), (9, False)])
def test_only_a_study_of_a_few_families_has_an_overview(families, drawn):
    assert has_overview(families) is drawn
