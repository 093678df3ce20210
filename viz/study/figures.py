"""Figures of a study at column width: delivery over distance, latencies, and metrics over the varied keys.

Figures are 3.5 inches wide, one column of a paper, with text of 7 pt. Lines differ in colour, marker and dash, so that they
can be distinguished in print and with every kind of colour vision. Bands and error bars are 95 % confidence intervals of
the mean over seeds.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from v2xsim.study.axes import has_values
from v2xsim.study.compare import mean_interval
from v2xsim.study.studies import Study
from v2xsim.viz.drawing import style
from v2xsim.viz.study.axes import Layout, column, few, layout, numeric

# Width of a column of a paper in inches.
COLUMN_IN = 3.5
SMALL_PT = 7.0
# Largest number of characters of a line beside a row of a figure, and in a legend, at this width and size of text.
_ROW_CHARACTERS, _LEGEND_CHARACTERS = 28, 44
LOOKS = (
    (style.BLACK, "o", "solid"),
    (style.VERMILION, "s", (0, (4, 1.5))),
    (style.BLUE, "^", (0, (1, 1.2))),
    (style.GREEN, "D", (0, (5, 1, 1, 1))),
    (style.ORANGE, "v", (0, (2.5, 1))),
    (style.PURPLE, "X", (0, (6, 1, 1, 1, 1, 1))),
)
_MOST_SCATTERS = 4


@dataclass(frozen=True)
class Picture:
    """One figure of a report.

    Attributes:
        name: Name of the figure's files, without extension.
        title: Title of the figure.
        says: Explanation of the figure for the reader.
        figure: Drawing in matplotlib's form.
    """

    name: str
    title: str
    says: str
    figure: Figure


def pictures(study: Study, unit_of: Callable[[str], str]) -> Iterator[Picture]:
    """Yield the figures for which a study has data.

    Args:
        study: Study to draw.
        unit_of: Function that returns the unit of a scenario's key, or an empty text for none.
    """
    candidates = (
        _over_distance(study),
        _latencies(
            study,
            "awareness_latency_within",
            "awareness-latency",
            "Latency of awareness messages",
            "Of the messages that arrived.",
        ),
        _latencies(
            study, "data_latency_within", "data-latency", "Latency of data", "Of all answers, lost ones included."
        ),
    )
    yield from (picture for picture in candidates if picture is not None)
    for name, title, label, metrics in _METRICS:
        present = [(metric, word) for metric, word in metrics if np.isfinite(study.of(metric)).any()]
        if present:
            yield _metric(study, name, title, label, present, unit_of)


_METRICS = (
    ("coverage", "Coverage of the surroundings", "share of cells seen [1]", (("coverage_before", "alone"), ("coverage_after", "with others"))),
    ("average-precision", "Average precision at IoU 0.5", "average precision [1]", (("ap_0.5_ego", "alone"), ("ap_0.5_fused", "fused"))),
    ("cycle-success", "Cycles of cooperation complete by the deadline", "share of those wanted [1]", (("cycle_any_answer", "at least one answer"), ("cycle_success", "all answers"))),
    ("cycle-latency", "Latency of a cycle of cooperation", "latency [ms]", (("cycle_latency_p90", "90th percentile"), ("cycle_latency_p50", "median"))),
    ("busy-ratio", "Channel busy ratio", "busy share of time [1]", (("channel_busy_ratio_p95", "95th percentile"), ("channel_busy_ratio", "mean"))),
    ("reception", "Awareness messages received", "packet reception ratio [1]", (("prr", ""),)),
    ("age", "Age of the data that was fused", "age [ms]", (("age_of_fused_data", ""),)),
)  # fmt: skip


def _over_distance(study: Study) -> Picture | None:
    edges = [(m, part) for part in study.bins("prr") if (m := re.fullmatch(r"(\d+)-(\d+) m", part))]
    edges.sort(key=lambda item: int(item[0][1]))
    if not edges:
        return None
    middle = np.array([(int(m[1]) + int(m[2])) / 2 for m, _ in edges])
    values = np.stack([study.of("prr", part) for _, part in edges])
    shown = few(study)
    names = [_wrapped(_named(study, setting), _LEGEND_CHARACTERS) for setting in shown]
    figure, axes = new_axes(2.3 + 0.13 * _lines(names))
    for n, setting in enumerate(shown):
        _band(axes, "prr", middle, values[:, setting], n, names[n])
    axes.set(xlabel="distance [m]", ylabel="packet reception ratio [1]", ylim=(-0.02, 1.02), xlim=(0, None))
    finish(figure, axes)
    return Picture("prr-by-distance", "Packet reception ratio over distance", _says(study, shown), figure)


def _latencies(study: Study, metric: str, name: str, title: str, of_which: str) -> Picture | None:
    parts = [(float(m[1]), part) for part in study.bins(metric) if (m := re.fullmatch(r"([\d.]+) ms", part))]
    parts.sort()
    values = np.stack([study.of(metric, part) for _, part in parts]) if parts else np.zeros((0, 1, 1))
    if not np.isfinite(values).any():
        return None
    bound = np.array([b for b, _ in parts])
    shown = [setting for setting in few(study) if np.isfinite(values[:, setting]).any()]
    names = [_wrapped(_named(study, setting), _LEGEND_CHARACTERS) for setting in shown]
    figure, axes = new_axes(2.3 + 0.13 * _lines(names))
    for n, setting in enumerate(shown):
        _band(axes, metric, bound, values[:, setting], n, names[n])
    axes.set(xscale="log", xlabel="latency [ms]", ylabel="share that arrives within [1]", ylim=(-0.02, 1.02))
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    finish(figure, axes)
    return Picture(name, title, f"{of_which} {_says(study, shown)}", figure)


def _metric(
    study: Study, name: str, title: str, label: str, metrics: Sequence[tuple[str, str]], unit_of: Callable[[str], str]
) -> Picture:
    plan = layout(study)
    drawn = {"rows": _rows, "lines": _over_key, "scatter": _scatters}[plan.kind]
    figure = drawn(study, plan, label, metrics, unit_of)
    left_out = f" Left out: {plan.left_out}." if plan.left_out else ""
    dots = " Dots are settings, the line joins means of ten groups of them." if plan.kind == "scatter" else ""
    return Picture(name, title, _bars(study) + dots + left_out + _endless(study, plan, metrics), figure)


def _endless(study: Study, plan: Layout, metrics: Sequence[tuple[str, str]]) -> str:
    """Return a sentence about the infinite values of a figure, which have no place on an axis."""
    # A scatter has no lines: it shows all settings.
    rows = sorted({int(row) for _, members in plan.lines for row in members}) or list(range(len(study.settings)))
    shown = metrics if plan.kind == "rows" else metrics[-1:]
    counts = [(word, int(np.isinf(study.of(metric)[rows]).any(axis=1).sum())) for metric, word in shown]
    some = [f"{count} of {len(rows)} settings{f' ({word})' if word else ''}" for word, count in counts if count]
    return f" Never in at least one seed, so without a point: {', '.join(some)}." if some else ""


def _rows(
    study: Study, plan: Layout, label: str, metrics: Sequence[tuple[str, str]], unit_of: Callable[[str], str]
) -> Figure:
    """Return a figure of some metrics with one row for each setting, the baseline at the top."""
    rows = [int(members[0]) for _, members in plan.lines]
    names = [_wrapped(name, _ROW_CHARACTERS) for name, _ in plan.lines]
    row_in = max(0.2, 0.04 + 0.12 * max(_lines([name]) for name in names))
    figure, axes = new_axes(0.75 + row_in * len(rows) + 0.14 * (len(metrics) > 1))
    row_y = -np.arange(len(rows), dtype=float)
    for n, (metric, word) in enumerate(metrics):
        mean_and_interval = mean_interval(metric, study.of(metric)[rows])
        color, marker, _ = LOOKS[n]
        at = row_y + (0.12 if n == 0 else -0.12) * (len(metrics) > 1)
        for row in np.flatnonzero(np.isinf(mean_and_interval.mean)).tolist():
            axes.annotate(
                "never",
                (1.0, at[row]),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="center",
                fontsize=SMALL_PT,
                color=color,
            )
        axes.errorbar(
            drawable(mean_and_interval.mean), at, xerr=_reach(mean_and_interval.mean, mean_and_interval.low, mean_and_interval.high), fmt=marker, color=color, markersize=3.5,
            linewidth=1.0, capsize=2.0, label=word,
        )  # fmt: skip
    axes.set_yticks(row_y, names)
    axes.set(xlabel=label, ylim=(row_y[-1] - 0.6, 0.6))
    axes.set_xlim(right=_most(np.stack([study.of(metric)[rows] for metric, _ in metrics]), axes.get_xlim()[1]))
    axes.grid(True, axis="x")
    finish(figure, axes, legend=len(metrics) > 1)
    return figure


def _over_key(
    study: Study, plan: Layout, label: str, metrics: Sequence[tuple[str, str]], unit_of: Callable[[str], str]
) -> Figure:
    """Return a figure of the last of some metrics over a numeric key, with one line for each combination of the other keys."""
    metric, word = metrics[-1]
    values, x = study.of(metric), column(study, plan.key)
    names = [_wrapped(name or word or metric, _LEGEND_CHARACTERS) for name, _ in plan.lines]
    figure, axes = new_axes(2.3 + 0.13 * _lines(names))
    for n, (_, members) in enumerate(plan.lines):
        _band(axes, metric, x[members], values[members], n, names[n])
    _scaled(axes, x)
    axes.set(xlabel=_key_label(plan.key, unit_of), ylabel=_worded(label, word))
    axes.set_ylim(top=_most(values, axes.get_ylim()[1]))
    finish(figure, axes)
    return figure


def _scatters(
    study: Study, plan: Layout, label: str, metrics: Sequence[tuple[str, str]], unit_of: Callable[[str], str]
) -> Figure:
    """Return a figure of the last of some metrics over each numeric key: a point for each setting, and means of ten groups."""
    keys = [key for key in study.keys if numeric(study, key) and len(set(column(study, key).tolist())) > 1][
        :_MOST_SCATTERS
    ]
    with np.errstate(invalid="ignore"):
        mean = mean_interval(metrics[-1][0], study.of(metrics[-1][0])).mean
    figure = style.new_figure(1.75 * len(keys), COLUMN_IN)
    panels = figure.subplots(len(keys), 1, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        x = column(study, key)
        there = np.isfinite(mean)
        axes.plot(
            x[there],
            mean[there],
            ".",
            color=style.SKY,
            markersize=3,
            alpha=max(0.08, min(1.0, 300 / max(len(x), 1))),
            rasterized=len(x) > 2000,
        )
        order = np.argsort(x[there], kind="stable")
        groups = [g for g in np.array_split(order, 10) if len(g)]
        axes.plot(
            [x[there][g].mean() for g in groups],
            [mean[there][g].mean() for g in groups],
            color=style.BLACK,
            marker="o",
            markersize=3,
        )
        _scaled(axes, x)
        axes.set(xlabel=_key_label(key, unit_of), ylabel=_worded(label, metrics[-1][1]).replace(" (", "\n("))
        _small(axes)
    figure.tight_layout(pad=0.4)
    return figure


def _band(axes: Axes, metric: str, x: np.ndarray, values: np.ndarray, number: int, label: str) -> None:
    mean_and_interval = mean_interval(metric, values)
    color, marker, dash = LOOKS[number % len(LOOKS)]
    axes.fill_between(x, mean_and_interval.low, mean_and_interval.high, color=color, alpha=0.15, linewidth=0)
    axes.plot(
        x,
        drawable(mean_and_interval.mean),
        color=color,
        marker=marker,
        linestyle=dash,
        markersize=3,
        linewidth=1.1,
        label=label,
    )


def _named(study: Study, setting: int) -> str:
    return study.label(setting) + (" (baseline)" if _is_baseline(study, setting) else "")


def _is_baseline(study: Study, setting: int) -> bool:
    if len(study.settings) < 2:
        return False
    return (
        has_values(study.settings[setting], study.baseline_values)
        if study.baseline_values
        else setting == study.baseline
    )


def _most(values: np.ndarray, highest: float) -> float:
    """Return the largest value that an axis shows: with two seeds, an interval can reach a hundred times as high as the data."""
    data = np.nanmax(drawable(values), initial=0.0)
    return float(min(highest, 2.0 * data)) if data > 0 else highest


def _reach(mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the lengths of error bars below and above each mean; 0 if there is no interval."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(drawable(np.stack([mean - low, high - mean])), nan=0.0).clip(0.0)


def drawable(values: np.ndarray) -> np.ndarray:
    """Return values with NaN in place of those that have no place on an axis."""
    return np.where(np.isfinite(values), values, np.nan)


def new_axes(height_in: float) -> tuple[Figure, Axes]:
    """Return an empty figure of a column's width, with its axes."""
    figure = style.new_figure(height_in, COLUMN_IN)
    return figure, figure.add_subplot()


def _worded(label: str, word: str) -> str:
    """Return an axis label with a word inserted before its unit."""
    return label.replace(" [", f" ({word}) [") if word else label


def _scaled(axes: Axes, x: np.ndarray) -> None:
    # The axis is logarithmic if the range is wide and most values are at its lower end, as for values spaced by ratios.
    if x.min() > 0 and x.max() / x.min() >= 30 and np.median(x) < 0.25 * x.max():
        axes.set_xscale("log")


def finish(figure: Figure, axes: Axes, legend: bool = True) -> None:
    """Set the size of all text, and place the legend below the axes, so that it hides no curve."""
    _small(axes)
    axes.grid(True, axis="y")
    if legend and axes.get_legend_handles_labels()[1]:
        columns = 1 if max(map(len, axes.get_legend_handles_labels()[1])) > 22 else 2
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower left", ncols=columns, fontsize=SMALL_PT, bbox_to_anchor=(0.0, 0.0))
        rows = -(-_lines(labels) // columns)
        figure.tight_layout(pad=0.4, rect=(0, (rows * 0.135 + 0.06) / figure.get_size_inches()[1], 1, 1))
    else:
        figure.tight_layout(pad=0.4)


def _small(axes: Axes) -> None:
    for text in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_fontsize(SMALL_PT)


def _key_label(key: str, unit_of: Callable[[str], str]) -> str:
    unit = unit_of(key)
    return f"{key} [{unit}]" if unit else key


def _wrapped(label: str, most: int) -> str:
    """Return a label in lines of at most so many characters, broken between keys if possible; nothing is cut.

    Args:
        label: Keys with their values, separated by commas.
        most: Largest number of characters of a line.
    """
    lines = [""]
    for part in label.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(joined) <= most:
            lines[-1] = joined
        else:
            lines += textwrap.wrap(part, most)
    return "\n".join(line for line in lines if line)


def _lines(labels: Sequence[str]) -> int:
    return sum(label.count("\n") + 1 for label in labels)


def _says(study: Study, shown: Sequence[int]) -> str:
    rest = len(study.settings) - len(shown)
    return _bars(study) + (
        f" {rest} of {len(study.settings)} settings are left out; the baseline is drawn first." if rest > 0 else ""
    )


def _bars(study: Study) -> str:
    seeds = len(study.seeds)
    return f"Mean over {seeds} seeds with its 95 % interval." if seeds > 1 else "One seed: no interval."
