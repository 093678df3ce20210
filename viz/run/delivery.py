"""The picture of the radio: share of awareness broadcasts delivered, by distance, and the causes of loss of the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from v2xsim.records import LINK_STATE_NAMES
from v2xsim.viz.drawing import style
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, words_of
from v2xsim.viz.run.kept_frame import shortened

# Quantile of the standard normal distribution for a two-sided interval of 95 %.
_Z95 = 1.959964
# Possible widths of distance bins; the narrowest that gives at most _MOST_BINS bins is used.
_WIDTHS_M = (5.0, 10.0, 20.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_MOST_BINS = 14

_MARKS = {"LOS": "o", "NLOSv": "s", "NLOSb": "^"}
_CAUSE_COLORS = {
    "propagation": style.VERMILION,
    "collision": style.ORANGE,
    "half_duplex": style.PURPLE,
    "receiver_busy": style.YELLOW,
    "sensing": style.SKY,
}


@dataclass(frozen=True)
class Delivery:
    """Receptions by distance bin.

    Attributes:
        edge_m: Edges of the distance bins.
        states: Names of the link states that occur.
        delivered: Number of delivered receptions, by link state and bin.
        sent: Number of all receptions, delivered or not, by link state and bin.
        outcomes: Names of the outcomes that occur, `delivered` first.
        by_outcome: Number of receptions by outcome and bin.
    """

    edge_m: Float[np.ndarray, " bins_plus_1"]
    states: list[str]
    delivered: Int[np.ndarray, "states bins"]
    sent: Int[np.ndarray, "states bins"]
    outcomes: list[str]
    by_outcome: Int[np.ndarray, "outcomes bins"]


def wilson_band(
    hits: Int[np.ndarray, " *rows"], trials: Int[np.ndarray, " *rows"]
) -> tuple[Float[np.ndarray, " *rows"], Float[np.ndarray, " *rows"]]:
    """Return lower and upper end of the 95 % Wilson score interval of each share of hits; NaN without trials.

    References:
        Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    n = np.where(trials > 0, trials, np.nan)
    share = hits / n
    middle = (share + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
    half = _Z95 / (1 + _Z95**2 / n) * np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n**2))
    return middle - half, middle + half


def deliveries(folder: RunFolder) -> Delivery:
    """Return the numbers of receptions of awareness broadcasts, by distance bin.

    Raises:
        NothingToShowError: If no awareness message was sent by radio.
    """
    edge_m, states, outcomes = _extent(folder)
    weak = folder.arrays("unheard", ["bin_m", "link_state", "count"])
    states = [*states, *sorted(set(weak["link_state"]) - set(states))]
    outcomes = [*outcomes, *({"sensing"} - set(outcomes) if len(weak["count"]) else ())]
    bins = len(edge_m) - 1
    shape = (len(states), len(outcomes), bins)
    count = np.zeros(shape, np.int64)
    for group in _receptions(folder):
        inside = group.distance_m <= edge_m[-1]
        bin_index = np.clip(np.searchsorted(edge_m, group.distance_m[inside], "right") - 1, 0, bins - 1)
        state = np.array([_place(states, name) for name in group.states], np.int64)[group.state[inside]]
        outcome = np.array([_place(outcomes, name) for name in group.outcomes], np.int64)[group.outcome[inside]]
        cell = np.ravel_multi_index((state, outcome, bin_index), shape)
        count += np.bincount(cell, minlength=count.size).reshape(shape)
    # The bins of the table `unheard` are 5 m wide, so none of them lies in two bins of the picture.
    near = weak["bin_m"] < edge_m[-1]
    at = np.searchsorted(edge_m, weak["bin_m"][near], "right") - 1
    of = np.array([states.index(name) for name in weak["link_state"][near]], np.int64)
    np.add.at(count[:, _place(outcomes, "sensing")], (of, at), weak["count"][near])
    # A dictionary of a row group also has the words of other messages; only those that occur count.
    known = [name for name in (*LINK_STATE_NAMES, *states) if name in states]
    kept = [name for name in dict.fromkeys(known) if count[states.index(name)].any()]
    causes = [name for name in dict.fromkeys(("delivered", *_CAUSE_COLORS, *outcomes)) if name in outcomes]
    rows = [states.index(name) for name in kept]
    arrived = outcomes.index("delivered") if "delivered" in outcomes else None
    return Delivery(
        edge_m,
        kept,
        count[rows, arrived] if arrived is not None else np.zeros((len(kept), bins), np.int64),
        count[rows].sum(1),
        causes,
        count[:, [outcomes.index(name) for name in causes]].sum(0),
    )


@dataclass(frozen=True)
class _Receptions:
    """The receptions of awareness broadcasts in one row group.

    Attributes:
        distance_m: Distance of each.
        states: Names of link states.
        state: Index of the link state of each.
        outcomes: Names of outcomes.
        outcome: Index of the outcome of each.
    """

    distance_m: Float[np.ndarray, " rows"]
    states: list[str]
    state: Int[np.ndarray, " rows"]
    outcomes: list[str]
    outcome: Int[np.ndarray, " rows"]


def _receptions(folder: RunFolder) -> Iterator[_Receptions]:
    """Yield the receptions of awareness broadcasts, row group by row group."""
    for group in folder.groups("packets", ["kind", "hop", "distance_m", "link_state", "outcome"]):
        kinds, kind = words_of(group.column("kind"))
        chosen = (kind == _place(kinds, "awareness")) & (group.column("hop").to_numpy() == 1)
        if chosen.any():
            states, state = words_of(group.column("link_state"))
            outcomes, outcome = words_of(group.column("outcome"))
            distance_m = group.column("distance_m").to_numpy()[chosen]
            yield _Receptions(distance_m, states, state[chosen], outcomes, outcome[chosen])


def _extent(folder: RunFolder) -> tuple[Float[np.ndarray, " edges"], list[str], list[str]]:
    """Return the edges of the distance bins, and the names of all link states and outcomes, in order of appearance.

    Raises:
        NothingToShowError: If no awareness message was sent by radio.
    """
    farthest_m = delivered_m = -np.inf
    states: dict[str, None] = {}
    outcomes: dict[str, None] = {}
    for group in _receptions(folder):
        arrived = group.distance_m[group.outcome == _place(group.outcomes, "delivered")]
        farthest_m = np.fmax(farthest_m, np.fmax.reduce(group.distance_m))
        delivered_m = np.fmax(delivered_m, np.fmax.reduce(arrived, initial=-np.inf))
        states |= dict.fromkeys(group.states)
        outcomes |= dict.fromkeys(group.outcomes)
    if not states:
        raise NothingToShowError("the run has no awareness packets (packets.parquet)")
    shown_m = min(farthest_m, 1.5 * delivered_m) if delivered_m >= 0.0 else farthest_m
    return _edges_m(float(shown_m)), list(states), list(outcomes)


def _place(words: list[str], word: str) -> int:
    return words.index(word) if word in words else -1


def _edges_m(farthest_m: float) -> Float[np.ndarray, " edges"]:
    """Return the edges of the distance bins up to a distance: 1.5 times that of the farthest delivery, but not beyond the data."""
    fitting = [width for width in _WIDTHS_M if farthest_m <= width * _MOST_BINS]
    width_m = fitting[0] if fitting else farthest_m / _MOST_BINS
    return np.arange(0, max(int(np.ceil(farthest_m / width_m)), 1) + 1) * width_m


def draw_delivery(folder: RunFolder) -> Figure:
    """Return a figure with the packet reception ratio by link state above, and the shares of all outcomes below."""
    delivery = deliveries(folder)
    figure = style.new_figure(4.45)
    style.heading(figure, "Awareness broadcasts received over distance", shortened(folder.name, 40))
    above = style.panel(figure, 0.55, 2.5, 3.95, 1.4)
    below = style.panel(figure, 0.55, 0.48, 3.95, 1.4)
    _draw_ratio(above, delivery)
    _draw_outcomes(below, delivery)
    return figure


def _draw_ratio(axes: Axes, delivery: Delivery) -> None:
    middle_m = (delivery.edge_m[:-1] + delivery.edge_m[1:]) / 2
    lines = [("all", style.BLACK, "D", delivery.delivered.sum(0), delivery.sent.sum(0))]
    lines += [
        (name, style.LINK_STATE.get(name, style.GREY), _MARKS.get(name, "v"), hits, sent)
        for name, hits, sent in zip(delivery.states, delivery.delivered, delivery.sent, strict=True)
    ]
    for name, color, marker, hits, sent in lines:
        low, high = wilson_band(hits, sent)
        some = sent > 0
        label = f"{name} (n = {_short(int(sent.sum()), 5)})"
        dash = (0, (3, 1.5)) if name == "all" else "solid"
        axes.fill_between(middle_m[some], low[some], high[some], color=color, alpha=0.18, linewidth=0)
        axes.plot(
            middle_m[some], hits[some] / sent[some], color=color, marker=marker, markersize=3.5, label=label,
            linestyle=dash,
        )  # fmt: skip
    axes.set(xlim=(0, delivery.edge_m[-1]), ylim=(-0.02, 1.04), ylabel="share received")
    axes.yaxis.set_label_coords(-0.1, 0.5)
    axes.tick_params(labelbottom=False)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(True, axis="y")
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.03), title="Link, 95 % band", alignment="left")
    legend.get_title().set_fontweight("bold")


def _draw_outcomes(axes: Axes, delivery: Delivery) -> None:
    total = delivery.by_outcome.sum(0)
    share = delivery.by_outcome / np.maximum(total, 1)
    left_m, width_m = delivery.edge_m[:-1], np.diff(delivery.edge_m)
    spare = [style.SKY, style.OTHER_STATIONS, style.GREY]
    foot = np.zeros(len(total))
    for name, part in zip(delivery.outcomes, share, strict=True):
        color = "#E6E6E6" if name == "delivered" else _CAUSE_COLORS.get(name) or spare[len(name) % len(spare)]
        axes.bar(
            left_m, part, width_m, foot, align="edge", color=color, edgecolor="white", linewidth=0.6,
            label=name.replace("_", " "),
        )  # fmt: skip
        foot += part
    for left, width, count in zip(left_m, width_m, total, strict=True):
        if count:
            axes.text(left + width / 2, 1.02, _short(int(count)), ha="center", va="bottom", size=style.TEXT_PT)
    axes.set(
        xlim=(0, delivery.edge_m[-1]),
        ylim=(0, 1),
        xlabel="distance between the antennas [m]",
        ylabel="share of packets",
    )
    axes.yaxis.set_label_coords(-0.1, 0.5)
    axes.set_title("Outcomes; number of packets above each bar", size=style.TEXT_PT, pad=15, loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.03), title="Outcome", alignment="left")
    legend.get_title().set_fontweight("bold")


def _short(count: int, digits: int = 3) -> str:
    """Return a count as text: in full if it has at most `digits` digits, otherwise in thousands or millions."""
    if count < 10**digits:
        return f"{count:,}"
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.1f}{name}" if count < 10 * unit else f"{count / unit:.0f}{name}"
    return str(count)
