"""One figure of a whole study at equal load: a panel for each family, with what the reference brings over direct and over the other ways to spend spectrum."""

import numpy as np
from matplotlib.axes import Axes

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names
from v2xsim.study.studyfile import rules_of
from v2xsim.study.verdicts import Verdict
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import COLUMN_IN, LOOKS, SMALL_PT, Picture, drawable
from v2xsim.viz.study.rule_groups import grouped_overview, has_groups, labelled
from v2xsim.viz.study.vary_figures import look

OVERVIEW = "overview"
# Largest number of families of which each gets a panel; figures over varied keys show larger studies better.
MOST_PANELS = 8
_COLUMNS, _PANEL_IN = 2, 2.2


def has_overview(families: int) -> bool:
    """Return whether a study with so many families has one figure of all."""
    return 1 < families <= MOST_PANELS


def overview(findings: Findings) -> Picture:
    """Draw the metric over the channel load in every family: chosen rules in colour, all others in grey; all rules by name if there are many."""
    file = findings.file
    difference = (
        f"the difference {file.reference} minus {file.direct or file.compared()[0]} at equal load, paired by seed, with its {100 * file.confidence:g} % interval, at the middle one of the loads "
        f"that both reach. {file.metric}: {KINDS[file.metric].meaning}."
    )
    title = f"{file.metric} over the channel load in all families"
    if has_groups(findings):
        figure = grouped_overview(findings, [_gain(findings, family) for family in findings.families])
        says = f"Means over seeds; each point is one value of a rule's load axis. A row for each family; each column names some rules beside {file.reference}. Above each row: {difference}"
        return Picture(OVERVIEW, title, says, figure)
    chosen = chosen_rules(findings)
    others = [name for name in rule_names(file) if name not in chosen]
    rows = -(-len(findings.families) // _COLUMNS)
    lines = -(-(len(chosen) + bool(others)) // (2 * _COLUMNS))
    height_in = _PANEL_IN * rows + 0.2 + 0.15 * lines
    figure = style.new_figure(height_in, COLUMN_IN * _COLUMNS)
    panels: list[Axes] = []
    for number, family in enumerate(findings.families):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1, sharey=panels[0] if panels else None)
        panels.append(axes)
        _draw(axes, findings, family, chosen, others)
        axes.set_title(family.name, loc="left", pad=12)
        axes.text(
            0.0, 1.02, _gain(findings, family), transform=axes.transAxes, va="bottom", fontsize=SMALL_PT
        ).set_in_layout(False)
        axes.grid(True, axis="y")
        axes.set(xlabel=labelled(findings.load_metric))
        if number % _COLUMNS == 0:
            axes.set(ylabel=labelled(file.metric))
    panels[0].set_ylim(bottom=min(0.0, panels[0].get_ylim()[0]))
    # Drawn last, so that it lies on top, but named first.
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="lower left", ncols=2 * _COLUMNS, fontsize=SMALL_PT, bbox_to_anchor=(0.0, 0.0)
    )
    figure.tight_layout(pad=0.4, h_pad=0.8, rect=(0.0, (0.15 * lines + 0.1) / height_in, 1.0, 1.0))
    says = f"Means over seeds; each point is one value of a rule's load axis. Grey: the other rules. In each panel: {difference}"
    return Picture(OVERVIEW, title, says, figure)


def chosen_rules(findings: Findings) -> list[str]:
    """Return the rules in colour: the reference, direct, the bounds, and rules that spend spectrum in another way than the load axis of the study."""
    file = findings.file
    another_way = [rule.name for rule in rules_of(file) if rule.load.key != file.load.key]
    wanted = [
        file.reference,
        file.direct or file.compared()[0],
        *another_way,
        *filter(None, [file.oracle]),
        *file.bounds,
    ]
    return list(dict.fromkeys(wanted))[: len(LOOKS)]


def _draw(axes: Axes, findings: Findings, family: FamilyRuns, chosen: list[str], others: list[str]) -> None:
    file, used = findings.file, family.used
    if not used.any():
        axes.text(0.5, 0.5, "no seed with all points", transform=axes.transAxes, ha="center", fontsize=SMALL_PT)
        return
    for rule in [*others, *reversed(chosen)]:
        busy, mean = (family.curve(rule, name)[:, used].mean(axis=1) for name in (findings.load_metric, file.metric))
        if rule in others:
            label = "other rules" if rule == others[0] else None
            axes.plot(busy, drawable(mean), color=style.GREY, marker=".", markersize=3, linewidth=0.5, label=label)
            continue
        color, marker, dash = look(chosen.index(rule))
        label = f"{rule} (bound)" if rule in file.bounds else rule
        axes.plot(
            busy, drawable(mean), color=color, marker=marker, linestyle=dash, markersize=3.5, linewidth=1.2, label=label
        )


def _gain(findings: Findings, family: FamilyRuns) -> str:
    """Return in words what the reference brings over direct at the middle one of the loads that both reach."""
    file, found = findings.file, findings.differences
    other = file.direct or file.compared()[0]
    rows = [
        row
        for row, one in enumerate(findings.comparisons)
        if one.family is family and one.rule == other and found.verdict[row] is not Verdict.NO_OVERLAP
    ]
    if not rows:
        return f"{file.reference} and {other} reach no common load"
    row = rows[len(rows) // 2]
    sign = 1.0 if file.better == "higher" else -1.0
    low, high = sorted((sign * found.low[row], sign * found.high[row]))
    reach = f" ({low:+.3f} to {high:+.3f})" if np.isfinite([low, high]).all() else ""
    return f"{file.reference} minus {other} at load {findings.comparisons[row].load:g}: {sign * found.mean[row]:+.3f}{reach}"
