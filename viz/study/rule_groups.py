"""Figures of studies with more rules than can be told apart in one panel: each panel names a few of them beside the reference, and draws the others in grey."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.study.compare import mean_interval
from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import COLUMN_IN, LOOKS, SMALL_PT, drawable
from v2xsim.viz.study.vary_figures import MOST_COLORED

OTHERS = "rules of other panels"
_WIDTH_IN = 2 * COLUMN_IN
_STACKED_IN, _SMALL_IN, _NAME_IN = 1.6, 1.35, 0.14
# Loads from here on are written with a prefix, such as 100k.
_LARGE_LOAD = 1000.0


def has_groups(findings: Findings) -> bool:
    """Return whether a study has more rules than one panel can name."""
    return len(rule_names(findings.file)) > MOST_COLORED


def groups_of(findings: Findings) -> list[list[str]]:
    """Return the rules that each panel names: the reference in all of them, every other one in exactly one.

    Neighbours in the study file stay together, because they are often alike.
    """
    reference, *rest = rule_names(findings.file)
    count = -(-len(rest) // (len(LOOKS) - 1))
    return [[reference, *part.tolist()] for part in np.array_split(np.array(rest, dtype=object), count)]


def grouped_curves(findings: Findings, family: FamilyRuns) -> Figure:
    """Return the curves of a family with their intervals: one panel below the other, the names beside them."""
    groups = groups_of(findings)
    height_in = _STACKED_IN * len(groups) + 0.4
    figure = style.new_figure(height_in, _WIDTH_IN)
    panels: list[Axes] = []
    for number, group in enumerate(groups):
        axes = figure.add_subplot(len(groups), 1, number + 1, **_shared(panels[:1], panels[:1]))
        panels.append(axes)
        draw_group(axes, findings, family, group, bands=True)
        for load in family.member.loads:
            axes.axvline(load, color=style.GREY, linewidth=0.5, linestyle=(0, (1, 2)), zorder=0)
        axes.legend(*_named(axes), loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=SMALL_PT, handlelength=2.4)
    _finish(figure, findings, panels, panels[-1:])
    return figure


def grouped_overview(findings: Findings, gains: Sequence[str]) -> Figure:
    """Return the curves of all families: a row for each family, a column for each group of rules, the names below.

    Args:
        findings: What the study found.
        gains: Line above the first panel of each family.
    """
    groups, families = groups_of(findings), findings.families
    names_in = _NAME_IN * (max(map(len, groups)) + 1) + 0.05
    figure = style.new_figure(_SMALL_IN * len(families) + names_in + 0.35, _WIDTH_IN)
    grid = figure.add_gridspec(len(families) + 1, len(groups), height_ratios=[_SMALL_IN] * len(families) + [names_in])
    panels: list[Axes] = []
    for row, (family, gain) in enumerate(zip(families, gains, strict=True)):
        for column, group in enumerate(groups):
            in_row = panels[row * len(groups) : row * len(groups) + 1]
            axes = figure.add_subplot(grid[row, column], **_shared(in_row, panels[:1]))
            panels.append(axes)
            draw_group(axes, findings, family, group)
            axes.tick_params(labelleft=column == 0)
        first = panels[row * len(groups)]
        title = f"{family.name}: {gain}"
        first.text(0.0, 1.03, title, transform=first.transAxes, va="bottom", fontsize=SMALL_PT).set_in_layout(False)
    for column in range(len(groups)):
        names = figure.add_subplot(grid[len(families), column])
        names.set_axis_off()
        names.legend(*_named(panels[column]), loc="upper left", fontsize=SMALL_PT, borderaxespad=0.0)
    _finish(figure, findings, panels, panels[-len(groups) :], above_in=0.14)
    return figure


def draw_group(axes: Axes, findings: Findings, family: FamilyRuns, group: Sequence[str], bands: bool = False) -> None:
    """Draw the metric over the load: the rules of a group in their own looks, with their intervals if wanted, all others in grey."""
    file, used = findings.file, family.used
    if not used.any():
        axes.text(0.5, 0.5, "no seed with all points", transform=axes.transAxes, ha="center", fontsize=SMALL_PT)
        return
    others = [rule for rule in rule_names(file) if rule not in group]
    for rule in [*others, *reversed(group)]:
        if rule not in others:
            draw_rule(axes, findings, family, rule, LOOKS[group.index(rule)], 0.1 if bands else 0.0)
            continue
        load, mean = (family.curve(rule, name)[:, used].mean(axis=1) for name in (findings.load_metric, file.metric))
        label = OTHERS if rule == others[0] else None
        axes.plot(load, drawable(mean), color=style.GREY, marker=".", markersize=2, linewidth=0.4, label=label)


def draw_rule(
    axes: Axes, findings: Findings, family: FamilyRuns, rule: str, drawn_as: tuple[str, str, Any], opacity: float
) -> None:
    """Draw the metric over the load of one rule, with its name.

    Args:
        axes: Panel to draw on.
        findings: What the study found.
        family: The family; at least one of its seeds is used.
        rule: The rule.
        drawn_as: Colour, marker and dashes.
        opacity: Opacity of the band of its intervals; 0 for none.
    """
    file, used = findings.file, family.used
    load = family.curve(rule, findings.load_metric)[:, used].mean(axis=1)
    found = mean_interval(file.metric, family.curve(rule, file.metric)[:, used], file.confidence)
    color, marker, dash = drawn_as
    if opacity:
        order = np.argsort(load, kind="stable")
        low, high = drawable(found.low)[order], drawable(found.high)[order]
        axes.fill_between(load[order], low, high, color=color, alpha=opacity, linewidth=0)
    # The line joins the settings in the order of the load axis, so that a load that falls is seen.
    line = {"color": color, "marker": marker, "linestyle": dash, "markersize": 3, "linewidth": 1.1}
    axes.plot(load, drawable(found.mean), label=f"{rule} (bound)" if rule in file.bounds else rule, **line)


def _shared(x: Sequence[Axes], y: Sequence[Axes]) -> dict[str, Any]:
    """Return the panels with which a new one shares its axes, if there are any yet."""
    return {name: some[0] for name, some in (("sharex", x), ("sharey", y)) if some}


def _named(axes: Axes) -> tuple[list[Any], list[str]]:
    """Return the lines of a panel and their labels: drawn last, so that it lies on top, but named first."""
    handles, labels = axes.get_legend_handles_labels()
    return handles[::-1], labels[::-1]


def _finish(
    figure: Figure, findings: Findings, panels: Sequence[Axes], lowest: Sequence[Axes], above_in: float = 0.0
) -> None:
    """Set ticks and labels; the lowest panels carry the load's name, the figure the metric's.

    Args:
        figure: The figure.
        findings: What the study found.
        panels: All panels with curves.
        lowest: Those of the lowest row.
        above_in: Room in inches for a line above the first row.
    """
    for axes in panels:
        axes.grid(True, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5 if len(lowest) > 1 else 8, steps=[1, 2, 2.5, 5, 10]))
        if axes.get_xlim()[1] >= _LARGE_LOAD:
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            text.set_fontsize(SMALL_PT)
    for axes in lowest:
        axes.set_xlabel(labelled(findings.load_metric), fontsize=SMALL_PT)
    panels[0].set_ylim(bottom=min(0.0, panels[0].get_ylim()[0]))
    width_in, height_in = figure.get_size_inches()
    figure.tight_layout(pad=0.4, h_pad=0.6, w_pad=0.4, rect=(0.15 / width_in, 0.0, 1.0, 1.0 - above_in / height_in))
    middle = 0.5 * (lowest[0].get_position().y0 + panels[0].get_position().y1)
    label = labelled(findings.file.metric)
    figure.text(0.05 / width_in, middle, label, ha="left", va="center", rotation=90, fontsize=SMALL_PT)


def labelled(metric: str) -> str:
    """Return a metric with its unit, for an axis."""
    return f"{metric} [{KINDS[metric].unit}]"
