"""The picture of latency and channel load: the age of helpers' data when it arrives, and the channel busy ratio."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from v2xsim.viz.drawing import style
from v2xsim.viz.run.folder import NothingToShowError, RunFolder
from v2xsim.viz.run.kept_frame import shortened
from v2xsim.viz.run.over_time import course_of, draw_course

_PATHS = (("direct", style.BLUE, "solid"), ("relayed", style.PURPLE, (0, (4, 1.5))))

# Distance in inches from a panel to the name of its y axis, whatever the numbers between them.
_LABEL_IN = 0.41


def draw_delays(folder: RunFolder) -> Figure:
    """Return a figure with latency and age at arrival in the upper panels, and the channel busy ratio over time below."""
    rows = folder.arrays("transfers", ["kind", "relay", "frame_us", "queue_us", "arrive_us"], [("kind", "==", "data")])
    channel = folder.arrays("channel", ["time_us", "station", "busy_share"])
    if not len(rows["kind"]) and not len(channel["time_us"]):
        raise NothingToShowError(
            "the run has no data transfers (transfers.parquet) and no channel load (channel.parquet)"
        )
    figure = style.new_figure(4.8)
    style.heading(figure, "Latency of shared data, and channel load", shortened(folder.name, 40))
    left = style.panel(figure, 0.55, 2.62, 2.35, 1.5)
    right = style.panel(figure, 3.5, 2.62, 2.35, 1.5)
    relayed = rows["relay"] >= 0
    lost = rows["arrive_us"] < 0
    deadline_ms = folder.setting("cooperation.deadline_ms", None)
    deadline_ms = float(deadline_ms) if isinstance(deadline_ms, int | float) else 0.0
    _draw_shares(left, np.where(lost, np.inf, (rows["arrive_us"] - rows["queue_us"]) / 1e3), relayed, 0.0)
    left.yaxis.set_label_coords(-_LABEL_IN / 2.35, 0.5)
    left.set(xlabel="from queue to arrival [ms]", ylabel="share of transfers", title="Latency")
    _draw_shares(right, np.where(lost, np.inf, (rows["arrive_us"] - rows["frame_us"]) / 1e3), relayed, deadline_ms)
    right.set(xlabel="from the ego's capture to arrival [ms]", title="Arrival against the deadline")
    deadline = _draw_deadline(right, deadline_ms)
    entries: list[tuple[Artist, str]] = [(line, str(line.get_label())) for line in (*left.get_lines(), *deadline)]
    style.legend_row(figure, [("", entries)], 2.2, columns=3)
    load = style.panel(figure, 0.55, 0.48, 5.3, 1.2)
    load.yaxis.set_label_coords(-_LABEL_IN / 5.3, 0.5)
    _draw_load(load, channel)
    return figure


def _draw_shares(
    axes: Axes, delay_ms: Float[np.ndarray, " transfers"], relayed: Bool[np.ndarray, " transfers"], least_ms: float
) -> None:
    """Draw the share of transfers that has arrived within each delay.

    Lost transfers count as never arrived, so a line ends at the share that was delivered.

    Args:
        axes: Axes to draw in.
        delay_ms: Delay of each transfer; infinite for a lost one.
        relayed: Whether each transfer used a relay.
        least_ms: Delay that the axis must at least include.
    """
    until_ms = 1.06 * float(np.max(delay_ms[np.isfinite(delay_ms)], initial=max(least_ms, 1.0)))
    for (name, color, dash), chosen in zip(_PATHS, (~relayed, relayed), strict=True):
        ranked = np.sort(delay_ms[chosen])
        arrived = ranked[np.isfinite(ranked)]
        if not len(ranked):
            continue
        steps = np.arange(1, len(arrived) + 1) / len(ranked)
        x_ms = np.concatenate([[0.0], arrived, [until_ms]])
        share = np.concatenate([[0.0], steps, [steps[-1] if len(steps) else 0.0]])
        label = f"{name} ({len(arrived):,} of {len(ranked):,} arrived)"
        axes.step(x_ms, share, where="post", color=color, linestyle=dash, label=label)
    if len(delay_ms):
        axes.grid(True, axis="y")
    else:
        axes.text(0.5, 0.5, "no data transfers", ha="center", va="center", transform=axes.transAxes, color=style.GREY)
    axes.set(xlim=(0, until_ms), ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_deadline(axes: Axes, deadline_ms: float) -> list[Line2D]:
    if deadline_ms <= 0:
        return []
    label = f"deadline {deadline_ms:g} ms"
    return [axes.axvline(deadline_ms, color=style.VERMILION, linewidth=1.2, linestyle=(0, (1.2, 1.2)), label=label)]


def _draw_load(axes: Axes, channel: dict[str, np.ndarray]) -> None:
    axes.set(xlabel="time [s]", ylabel="share of time")
    stations = len(np.unique(channel["station"]))
    axes.set_title(f"Channel busy ratio, mean and quartiles over {stations} stations", loc="left")
    if not stations:
        axes.set_title("Channel busy ratio", loc="left")
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color=style.GREY)
        return
    course = course_of(channel["time_us"], channel["busy_share"].astype(np.float64))
    draw_course(axes, course, style.BLACK, "busy")
    top = float(np.max(course.high, initial=0.0))
    axes.set_ylim(0, min(max(top * 1.15, 0.05), 1.02))
    axes.margins(x=0.01)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(True, axis="y")
