"""Figures of a study at equal load over a key that its families vary, such as a share of trucks: differences from the reference, and the metric itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.study.labels import word_text
from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names
from v2xsim.study.verdicts import Verdict
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import COLUMN_IN, LOOKS, SMALL_PT, Picture

MOST_COLORED = 8
"""Largest number of rules of which each has a colour, marker and dash of its own in a figure of curves."""
_COLUMNS, _PANEL_IN, _LEVEL_IN = 2, 1.25, 1.6
# Two numbers closer than this part of the range of all are too close for their labels.
_CLOSE = 0.18
# Part of the distance between two neighbouring values within which the lines of a panel lie beside each other.
_SPREAD = 0.16


@dataclass(frozen=True)
class Sweep:
    """The families that differ in one varied key alone.

    Attributes:
        name: End of the names of its figures.
        title: Key and family in words.
        key: The varied key.
        families: The families, by rising value of a numeric key, else in the order of the study file.
        values: Value of the key in each.
    """

    name: str
    title: str
    key: str
    families: Sequence[FamilyRuns]
    values: Sequence[Any]

    @property
    def is_numeric(self) -> bool:
        """Whether all values of the key are numbers."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def places(self) -> np.ndarray:
        """Place of each value on the x axis."""
        evenly = np.arange(len(self.values), dtype=float)
        return evenly if self.is_even else np.array(self.values, float)

    @property
    def is_even(self) -> bool:
        """Whether the values lie at even distances: words, and numbers of which two would lie too close for their labels."""
        if not self.is_numeric:
            return True
        numbers = np.sort(np.array(self.values, float))
        return bool(np.diff(numbers).min() < _CLOSE * (numbers[-1] - numbers[0]))

    @property
    def gap(self) -> float:
        """Smallest distance between two places."""
        return float(np.diff(self.places).min())

    def load_text(self, column: int) -> str:
        """Return the load of a column in words: one number if it is the same in all families, else the range."""
        loads = [family.member.loads[column] for family in self.families if column < len(family.member.loads)]
        low, high = min(loads), max(loads)
        return f"load {low:g}" if low == high else f"load {low:g} to {high:g}"

    @property
    def columns(self) -> int:
        """Number of loads; families may have fewer."""
        return max(len(family.member.loads) for family in self.families)


def sweeps_of(findings: Findings) -> list[Sweep]:
    """Return the sweeps over each varied key of a study, one for each combination of the values of the other keys of `vary`."""
    groups: dict[tuple[str, str, str], list[FamilyRuns]] = {}
    for family in findings.families:
        member = family.member
        for key in member.chosen:
            rest = [f"{_last(other)}={word_text(value)}" for other, value in member.chosen.items() if other != key]
            groups.setdefault((member.key, key, ", ".join(rest)), []).append(family)
    sweeps = []
    for (name, key, others), families in groups.items():
        sweep = Sweep("", "", key, families, [family.member.chosen[key] for family in families])
        if len(families) < 2:
            continue
        order = np.argsort(sweep.values if sweep.is_numeric else sweep.places, kind="stable").tolist()
        end = name + "".join(f"-{part}" for part in others.replace("=", "-").split(", ") if part)
        end = "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in end)
        title = f"{_last(key)} in {name}" + (f", {others}" if others else "")
        sweeps.append(Sweep(end, title, key, [families[row] for row in order], [sweep.values[row] for row in order]))
    return sweeps


def vary_makers(findings: Findings) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each figure over a varied key, by the figure's name."""
    file = findings.file
    makers: dict[str, Callable[[], Picture]] = {}
    for sweep in sweeps_of(findings):
        over = f"over-{_last(sweep.key)}-{sweep.name}"
        for metric in dict.fromkeys([file.metric, *file.also]):
            end = "" if metric == file.metric else f"-{metric}"
            makers[f"differences-{over}{end}"] = partial(
                _differences, findings, sweep, metric, f"differences-{over}{end}"
            )
            makers[f"levels-{over}{end}"] = partial(_levels, findings, sweep, metric, f"levels-{over}{end}")
    return makers


def _differences(findings: Findings, sweep: Sweep, metric: str, name: str) -> Picture:
    """Draw the difference from the reference over the key: a panel for each rule, a line for each load."""
    file, primary = findings.file, metric == findings.file.metric
    found = findings.differences if primary else findings.differences_of(metric)
    row_of = {(one.family.name, one.rule, one.column): row for row, one in enumerate(findings.comparisons)}
    rules = file.compared()
    figure, panels = _panels(len(rules), sweep.columns)
    for rule, axes in zip(rules, panels, strict=True):
        if primary:
            axes.axhspan(-file.margin, file.margin, color=style.GREY, alpha=0.15, linewidth=0)
        axes.axhline(0.0, color=style.GREY, linewidth=0.6)
        for column in range(sweep.columns):
            rows = [row_of.get((family.name, rule, column)) for family in sweep.families]
            mean, low, high = (
                np.array([np.nan if row is None else side[row] for row in rows])
                for side in (found.mean, found.low, found.high)
            )
            decided = [
                row is not None and primary and found.verdict[row] in (Verdict.BETTER, Verdict.WORSE) for row in rows
            ]
            _line(axes, sweep, column, mean, low, high, np.array(decided))
        axes.set_title(rule, fontsize=SMALL_PT, pad=2)
    unit = KINDS[metric].unit
    label = (
        f"advantage of {file.reference}\nin {metric} [{unit}]"
        if primary
        else f"{file.reference} minus other,\n{metric} [{unit}]"
    )
    _finish(figure, panels, sweep, label, [sweep.load_text(column) for column in range(sweep.columns)])
    verdicts = (
        f"Filled: better or worse, for all comparisons of the study together (Holm). Grey: as good as equal (within {file.margin:g}). "
        if primary
        else "Nothing is tested. "
    )
    says = (
        f"Mean differences in {metric} at equal load, paired by seed, with their {100 * file.confidence:g} % intervals; one panel for each rule. {verdicts}"
        f"A missing point: the load is outside the curve of one of the two rules.{_spacing(sweep)}"
    )
    return Picture(name, f"{metric}: {file.reference} against each rule over {sweep.title}", says, figure)


def _line(
    axes: Axes, sweep: Sweep, column: int, mean: np.ndarray, low: np.ndarray, high: np.ndarray, decided: np.ndarray
) -> None:
    """Draw the differences at one load, with hollow markers where nothing is decided."""
    color, marker, dash = LOOKS[column % len(LOOKS)]
    beside = 0.0 if sweep.columns == 1 else (column / (sweep.columns - 1) - 0.5) * 2.0 * _SPREAD
    x = sweep.places + beside * sweep.gap
    axes.plot(x, mean, color=color, linestyle=dash if sweep.is_numeric else "none", linewidth=0.8)
    axes.vlines(x, low, high, color=color, linewidth=0.9)
    for chosen, face in ((decided, color), (~decided, "white")):
        axes.plot(x[chosen], mean[chosen], marker, color=color, markerfacecolor=face, markersize=3.2, linewidth=0)


def _levels(findings: Findings, sweep: Sweep, metric: str, name: str) -> Picture:
    """Draw a metric of all rules at each load over the key, and the loads that all rules reach."""
    colored, others = drawn_rules(findings)
    rows = -(-(len(colored) + bool(others)) // _COLUMNS)
    figure = style.new_figure(_LEVEL_IN * (sweep.columns + 1) + 0.35 + 0.13 * rows, COLUMN_IN)
    panels = [figure.add_subplot(sweep.columns + 1, 1, number + 1) for number in range(sweep.columns + 1)]
    levels = findings.levels
    for column, axes in enumerate(panels[:-1]):
        for rule in others:
            mean = [_mean(levels[metric, family.name, rule].value, column) for family in sweep.families]
            label = "other rules" if column == 0 and rule == others[0] else None
            axes.plot(sweep.places, mean, color=style.GREY, marker=".", markersize=3, linewidth=0.5, label=label)
        for number, rule in enumerate(colored):
            mean = [_mean(levels[metric, family.name, rule].value, column) for family in sweep.families]
            color, marker, dash = look(number)
            label = f"{rule} (bound)" if rule in findings.file.bounds else rule
            axes.plot(
                sweep.places, mean, color=color, marker=marker, linestyle=dash if sweep.is_numeric else "none",
                markersize=3, linewidth=1.0, label=label if column == 0 else None,
            )  # fmt: skip
        if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no rule reaches this load", transform=axes.transAxes, ha="center", fontsize=SMALL_PT)
        axes.set_ylabel(f"{metric} [{KINDS[metric].unit}]")
        axes.set_title(f"at {sweep.load_text(column)}", fontsize=SMALL_PT, pad=2)
    _reached(findings, sweep, panels[-1])
    handles, labels = panels[0].get_legend_handles_labels()
    _finish(figure, panels, sweep, "", labels, handles, is_column=True)
    says = f"Means over seeds of {metric} at equal load. Below: the loads that all rules but bounds reach, and those at which they are compared (dots). {metric}: {KINDS[metric].meaning}.{_spacing(sweep)}"
    return Picture(name, f"{metric} at equal load over {sweep.title}", says, figure)


def _reached(findings: Findings, sweep: Sweep, axes: Axes) -> None:
    for place, family in zip(sweep.places.tolist(), sweep.families, strict=True):
        lowest, highest = findings.common_loads(family.name)
        axes.vlines(place, lowest, highest, color=style.BLUE if lowest <= highest else style.VERMILION, linewidth=2.5)
        loads = list(family.member.loads)
        axes.plot([place] * len(loads), loads, "o", color=style.BLACK, markersize=2.5, linewidth=0)
    axes.set_ylabel(f"{findings.load_metric} [{KINDS[findings.load_metric].unit}]")
    axes.set_title("loads that all rules but bounds reach (red: none)", fontsize=SMALL_PT, pad=2)


def _mean(value: np.ndarray, column: int) -> float:
    """Return the mean over seeds at a load; NaN outside the curve."""
    return float(value[column].mean()) if column < len(value) and value.shape[1] else float("nan")


def _panels(count: int, lines: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each rule, all with the same axes."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = style.new_figure(_PANEL_IN * rows + 0.45 + 0.13 * -(-lines // _COLUMNS), COLUMN_IN)
    panels: list[Axes] = []
    for number in range(count):
        shared: Mapping[str, Any] = {"sharex": panels[0], "sharey": panels[0]} if panels else {}
        panels.append(figure.add_subplot(rows, columns, number + 1, **shared))
    for number, axes in enumerate(panels):
        axes.tick_params(labelleft=number % columns == 0, labelbottom=number >= count - columns)
    return figure, panels


def _finish(
    figure: Figure, panels: Sequence[Axes], sweep: Sweep, label: str, labels: Sequence[str], handles: Sequence[Any] = (),
    is_column: bool = False,
) -> None:  # fmt: skip
    """Set ticks, labels and the legend, which is below the panels."""
    for axes in panels:
        axes.grid(True, axis="y")
        texts = [word_text(value) for value in sweep.values]
        axes.set_xticks(sweep.places, [text if len(text) <= 14 else f"{text[:13]}…" for text in texts])
        axes.set_xlim(sweep.places[0] - 0.5 * sweep.gap, sweep.places[-1] + 0.5 * sweep.gap)
        for text in (axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            text.set_fontsize(SMALL_PT)
        if is_column:
            axes.tick_params(labelbottom=axes is panels[-1])
    made = handles or [
        panels[0].plot([], [], marker=LOOKS[n % len(LOOKS)][1], color=LOOKS[n % len(LOOKS)][0], linestyle=LOOKS[n % len(LOOKS)][2], markersize=3)[0]
        for n in range(len(labels))
    ]  # fmt: skip
    figure.legend(made, labels, loc="lower left", ncols=_COLUMNS, fontsize=SMALL_PT, bbox_to_anchor=(0.0, 0.0))
    height_in = figure.get_size_inches()[1]
    below = (0.135 * -(-len(labels) // _COLUMNS) + 0.06) / height_in
    figure.tight_layout(pad=0.4, h_pad=0.6, rect=(0.075 if label else 0.0, below + 0.16 / height_in, 1, 1))
    figure.text(0.5, below + 0.02 / height_in, sweep.key, ha="center", va="bottom", fontsize=SMALL_PT)
    if label:
        middle = 0.5 * (1.0 + below + 0.3 / height_in)
        figure.text(
            0.005, middle, label, ha="left", va="center", rotation=90, fontsize=SMALL_PT, multialignment="center"
        )


def drawn_rules(findings: Findings) -> tuple[list[str], list[str]]:
    """Return the rules that get a colour, at most six where there are more than can be told apart, and the others, which are drawn in grey.

    The ends of the way, bounds and the rules to beat come first; figures of the differences have all rules.
    """
    file, names = findings.file, rule_names(findings.file)
    if len(names) <= MOST_COLORED:
        return names, []
    first = [file.reference, file.direct, file.oracle, *file.bounds, *file.beats]
    colored = list(dict.fromkeys([*filter(None, first), *names]))[: len(LOOKS)]
    return colored, [name for name in names if name not in colored]


def look(number: int) -> tuple[str, str, Any]:
    """Return colour, marker and dash of a rule's line; of more lines than looks, colours meet other markers and dashes."""
    color = LOOKS[number % len(LOOKS)][0]
    _, marker, dash = LOOKS[(number + number // len(LOOKS)) % len(LOOKS)]
    return color, marker, dash


def _spacing(sweep: Sweep) -> str:
    return " The values of the key are drawn at even distances." if sweep.is_numeric and sweep.is_even else ""


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]
