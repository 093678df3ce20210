"""In a study with many rules, every rule is named in one panel, beside the reference, and drawn in grey in the others."""

import pytest

from tests.study.made_studies import GAIN, TEXT, found, made, usual
from v2xsim.viz.drawing import style
from v2xsim.viz.study.load_figures import figure_makers
from v2xsim.viz.study.overview_figure import OVERVIEW
from v2xsim.viz.study.rule_groups import OTHERS, groups_of, has_groups

FAMILY = "{scenario: demo, loads: [0.2, 0.25], recommended: [0.2]}"
MORE = [f"rule_{letter}" for letter in "abcdefgh"]


def findings_of(folder, more):
    """Return what a study with the usual four rules and some more found in two families; the more rules are like height."""

    def value(metric, family, rule, load, seed):
        known = rule if rule in GAIN else "height"
        return usual(metric, family, known, load, seed) + (0.001 * MORE.index(rule) if rule in MORE else 0.0)

    text = TEXT.replace(f"  town: {FAMILY}\n", f"  town: {FAMILY}\n  village: {FAMILY}\n")
    # No point is simulated, but no two may be the same.
    rules = "".join(f"  - {name}: {{cooperation.max_helpers: {n + 4}}}\n" for n, name in enumerate(more))
    return found(made(folder, value, text.replace("  - direct:", f"{rules}  - direct:")))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return findings_of(tmp_path_factory.mktemp("many"), MORE)


@pytest.fixture(scope="module")
def figures(findings):
    makers = figure_makers(findings)
    with style.in_style():
        return {name: makers[name]() for name in (OVERVIEW, "curves-town")}


def names_in(axes):
    """Return the names of the rules that a legend has."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_each_rule_is_in_one_group_and_the_reference_in_all(findings):
    groups = groups_of(findings)
    assert [group[0] for group in groups] == ["hybrid"] * len(groups)
    assert [rule for group in groups for rule in group[1:]] == ["height", *MORE, "direct", "oracle"]
    assert max(map(len, groups)) <= 6


@pytest.mark.parametrize("name", [OVERVIEW, "curves-town"])
def test_a_figure_names_every_rule(findings, figures, name):
    legends = [names_in(axes) for axes in figures[name].figure.axes if axes.get_legend()]
    named = [f"{rule} (bound)" if rule == "oracle" else rule for group in groups_of(findings) for rule in group]
    assert [label for labels in legends for label in labels if label != OTHERS] == named


def test_rules_of_one_panel_have_different_looks(figures):
    for axes in figures["curves-town"].figure.axes:
        named = [line for line in axes.lines if not line.get_label().startswith("_") and line.get_label() != OTHERS]
        assert len({(line.get_color(), line.get_marker()) for line in named}) == len(named)


def test_every_panel_has_the_curves_of_all_rules_over_the_load(findings, figures):
    (axes, *_) = figures["curves-town"].figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 4 + len(MORE)
    (line,) = (line for line in curves if line.get_label() == "rule_a")
    family = findings.families[0]
    assert line.get_xdata() == pytest.approx(family.curve("rule_a", findings.load_metric).mean(axis=1))
    assert line.get_ydata() == pytest.approx(family.curve("rule_a", findings.file.metric).mean(axis=1))


def test_the_overview_has_a_row_for_each_family_with_what_the_reference_brings(findings, figures):
    titles = [text.get_text() for axes in figures[OVERVIEW].figure.axes for text in axes.texts]
    assert [title.split(" at ")[0] for title in titles] == [
        "town: hybrid minus direct",
        "village: hybrid minus direct",
    ]
    columns = len(groups_of(findings))
    assert len(figures[OVERVIEW].figure.axes) == 2 * columns + columns


def test_a_study_with_few_rules_has_one_panel_for_all(tmp_path):
    few = findings_of(tmp_path, MORE[:4])
    assert not has_groups(few)
    with style.in_style():
        assert len(figure_makers(few)["curves-town"]().figure.axes) == 1
