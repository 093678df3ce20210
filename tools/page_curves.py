"""Curves of a study for the picture of a page: chosen rules in their own look, all others in grey."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from page_tables import Row

from v2xsim.viz.drawing import style

OTHERS = "all other rules"
Look = tuple[str, str, Any]
"""Colour, marker and dash of a line."""


def draw_curves(
    axes: Axes, rows: Sequence[Row], names: Mapping[str, str], looks: Mapping[str, Look], load_unit: float = 1.0
) -> None:
    """Draw the curve of each rule over the load.

    Args:
        axes: Panel to draw in.
        rows: Rows of curves.csv of one family and metric.
        names: Label of each chosen rule; the first one is drawn last, so that it lies on top.
        looks: Look of each chosen rule.
        load_unit: Load of the report that is one unit on the axis, such as 1000 for kB/s.
    """
    rules = list(dict.fromkeys(row["rule"] for row in rows))
    others = [rule for rule in rules if rule not in names]
    for rule in (*others, *(rule for rule in reversed(names) if rule in rules)):
        points = [row for row in rows if row["rule"] == rule and row["mean"]]
        load = [float(row["load"]) / load_unit for row in points]
        mean = [float(row["mean"]) for row in points]
        if rule in others:
            label = OTHERS if rule == others[0] else None
            axes.plot(load, mean, color=style.GREY, marker=".", markersize=2.5, linewidth=0.4, label=label)
        else:
            color, marker, dash = looks[rule]
            axes.plot(
                load, mean, color=color, marker=marker, linestyle=dash, markersize=3, linewidth=1.1, label=names[rule]
            )


def named_lines(axes: Axes, names: Mapping[str, str]) -> tuple[list[Any], list[str]]:
    """Return the lines of a panel and their labels for a legend, in the order of the names, the other rules last."""
    handles, labels = axes.get_legend_handles_labels()
    order = [labels.index(label) for label in (*names.values(), OTHERS) if label in labels]
    return [handles[n] for n in order], [labels[n] for n in order]
