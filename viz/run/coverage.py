"""The picture of the gain by fusion over time: observed area, filled part of the blind zone, detected road users."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from v2xsim.viz.drawing import style
from v2xsim.viz.run.folder import NothingToShowError, RunFolder
from v2xsim.viz.run.kept_frame import shortened
from v2xsim.viz.run.over_time import course_of, draw_course

_COLUMNS = [
    "frame_us",
    "ego",
    "objects",
    "seen_ego",
    "seen_fused",
    "coverage_before",
    "coverage_after",
    "blind_covered",
]

# For each panel: label of the y axis, and its curves with table column, colour, dash and name.
_PANELS = (
    (
        "share of the matrix",
        "Observed area",
        (
            ("coverage_after", style.VERMILION, "solid", "after fusion"),
            ("coverage_before", style.BLUE, (0, (4, 1.5)), "ego alone"),
        ),
    ),
    ("share, by relevance", "Blind zone", (("blind_covered", style.VERMILION, "solid", "filled by fusion"),)),
    (
        "number",
        "Road users",
        (
            ("objects", style.GREY, (0, (1.2, 1.2)), "in range"),
            ("seen_fused", style.VERMILION, "solid", "seen, fused"),
            ("seen_ego", style.BLUE, (0, (4, 1.5)), "seen, ego alone"),
        ),
    ),
)


def draw_coverage(folder: RunFolder) -> Figure:
    """Return a figure of the gain by fusion over time, with three panels over one time axis."""
    rows = folder.arrays("fusion", _COLUMNS)
    if not len(rows["frame_us"]):
        raise NothingToShowError("the run has no fused frames (fusion.parquet)")
    run = shortened(folder.name, 40)
    egos = len(np.unique(rows["ego"]))
    figure = style.new_figure(5.0)
    style.heading(
        figure, "What fusion adds over time", run if egos == 1 else f"{run}, mean and quartiles of {egos} egos"
    )
    bottoms_in = (3.28, 1.88, 0.48)
    time_s = rows["frame_us"] / 1e6
    for bottom_in, (unit, title, lines) in zip(bottoms_in, _PANELS, strict=True):
        axes = style.panel(figure, 0.55, bottom_in, 3.95, 1.15)
        for column, color, dash, name in lines:
            course = course_of(rows["frame_us"], rows[column].astype(np.float64))
            draw_course(axes, course, color, name, linestyle=dash)
        _finish(axes, unit, title, float(time_s.min()), float(time_s.max()))
        if bottom_in == bottoms_in[-1]:
            axes.set_xlabel("time [s]")
        else:
            axes.tick_params(labelbottom=False)
    return figure


def _finish(axes: Axes, unit: str, title: str, first_s: float, last_s: float) -> None:
    axes.yaxis.set_label_coords(-0.1, 0.5)
    axes.set(ylabel=unit, xlim=(first_s, last_s if last_s > first_s else first_s + 1))
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.05) if unit == "number" else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=unit == "number"))
    axes.grid(True, axis="y")
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.05), title=title, alignment="left")
    legend.get_title().set_fontweight("bold")
