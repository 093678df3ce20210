"""Figures of a study at equal load: the metric over the channel load, and the differences from the reference with their intervals."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names
from v2xsim.study.verdicts import Verdict
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import SMALL_PT, Picture, finish, new_axes
from v2xsim.viz.study.overview_figure import OVERVIEW, has_overview, overview
from v2xsim.viz.study.rule_groups import draw_rule, grouped_curves, has_groups, labelled
from v2xsim.viz.study.vary_figures import look, vary_makers

_VERDICT_COLORS = {
    Verdict.BETTER: style.BLUE,
    Verdict.EQUAL: style.GREEN,
    Verdict.WORSE: style.VERMILION,
    Verdict.UNDECIDED: style.GREY,
    Verdict.NO_OVERLAP: style.GREY,
}
_ROW_IN = 0.17


def figure_makers(findings: Findings) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each figure of a study, by the figure's name."""
    makers: dict[str, Callable[[], Picture]] = {}
    if has_overview(len(findings.families)):
        makers[OVERVIEW] = partial(overview, findings)
    for family in findings.families:
        makers[f"curves-{family.name}"] = partial(_curves, findings, family)
        makers[f"differences-{family.name}"] = partial(_forest, findings, family)
    return makers | vary_makers(findings)


def _curves(findings: Findings, family: FamilyRuns) -> Picture:
    file = findings.file
    figure = grouped_curves(findings, family) if has_groups(findings) else _one_panel(findings, family)
    names = (
        f" Each panel names some rules beside {file.reference}; grey: those of the others."
        if has_groups(findings)
        else ""
    )
    says = (
        f"Means over {int(family.used.sum())} seeds with their {100 * file.confidence:g} % intervals; each point is one value of the load axis. "
        f"Dotted: the loads at which the rules are compared.{names} {file.metric}: {KINDS[file.metric].meaning}."
    )
    return Picture(f"curves-{family.name}", f"{file.metric} over the channel load, {family.name}", says, figure)


def _one_panel(findings: Findings, family: FamilyRuns) -> Figure:
    """Return the curves of a family in one panel, each rule in its own look."""
    file, used = findings.file, family.used
    figure, axes = new_axes(2.4 + 0.13 * (len(rule_names(file)) + 2))
    for number, rule in enumerate(rule_names(file) if used.any() else []):
        draw_rule(axes, findings, family, rule, look(number), 0.12)
    for load in family.member.loads:
        axes.axvline(load, color=style.GREY, linewidth=0.5, linestyle=(0, (1, 2)), zorder=0)
    axes.set(xlabel=labelled(findings.load_metric), ylabel=labelled(file.metric))
    finish(figure, axes)
    return figure


def _forest(findings: Findings, family: FamilyRuns) -> Picture:
    file, found = findings.file, findings.differences
    rows = [n for n, one in enumerate(findings.comparisons) if one.family is family]
    figure, axes = new_axes(0.8 + _ROW_IN * len(rows))
    axes.axvspan(-file.margin, file.margin, color=style.GREY, alpha=0.15, linewidth=0)
    axes.axvline(0.0, color=style.GREY, linewidth=0.6)
    for position, n in enumerate(rows):
        verdict, y = found.verdict[n], -position
        color = _VERDICT_COLORS[verdict]
        if verdict is not Verdict.NO_OVERLAP:
            reach = np.nan_to_num(np.array([[found.mean[n] - found.low[n]], [found.high[n] - found.mean[n]]]))
            axes.errorbar(found.mean[n], y, xerr=reach, fmt="o", color=color, markersize=3, linewidth=1.0, capsize=1.5)
        axes.annotate(
            str(verdict), (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL_PT, color=color
        )
    names = [f"{findings.comparisons[n].rule}, load {findings.comparisons[n].load:g}" for n in rows]
    axes.set_yticks([-float(position) for position in range(len(rows))], names)
    axes.set(xlabel=f"advantage of {file.reference} in {labelled(file.metric)}", ylim=(-len(rows) + 0.4, 0.6))
    axes.grid(True, axis="x")
    finish(figure, axes, legend=False)
    says = (
        f"Mean differences paired by seed with their {100 * file.confidence:g} % intervals, and verdicts; better and worse hold for all comparisons of the study together (Holm). "
        f"Grey: as good as equal (within {file.margin:g})."
    )
    return Picture(
        f"differences-{family.name}", f"{file.reference} against each rule at equal load, {family.name}", says, figure
    )
