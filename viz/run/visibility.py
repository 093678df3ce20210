"""The map of the ground that lidars saw in a run, and of the road users that none of them saw."""

from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from v2xsim.opened.visibility import Visibility
from v2xsim.viz.drawing import style
from v2xsim.viz.drawing.ground import draw_scale_bar, lane_borders, road_surfaces, set_ticks
from v2xsim.viz.drawing.outlines import buildings_within, inside, walls_m
from v2xsim.viz.run.folder import RunFolder
from v2xsim.viz.run.kept_frame import buildings_of, roads_of, shortened

# Light to dark; vermilion dots stay visible on all of it.
_COLORS = mpl.colormaps["YlGnBu"]
_PALEST = 0.12
_MAP_IN = 5.28


def draw_visibility(folder: RunFolder, view: Visibility, station: str | None) -> Figure:
    """Return a map of the share of time for which lidars saw each piece of ground.

    Args:
        folder: Folder of the run.
        view: What the lidars observed.
        station: Name of the station whose lidars count; None for all stations.
    """
    lower_m, upper_m = _window(view)
    across_m, up_m = upper_m - lower_m
    height_in = float(np.clip(_MAP_IN * up_m / across_m, 2.0, 6.5))
    width_in = min(_MAP_IN, height_in * across_m / up_m)
    keys = _keys(view, lower_m, upper_m, folder.setting("cooperation.matrix.extent_m", 50.0))
    bottom_in = 0.98 + style.legend_height_in(keys)
    figure = style.new_figure(bottom_in + height_in + 0.68)
    who = f"the lidars of {view.stations} stations" if station is None else f"the lidars of {station}"
    style.heading(
        figure, f"How much of the time {who} saw the ground", _caption(folder, view), (_sentence(view, station),)
    )
    axes = style.panel(figure, 0.62 + (_MAP_IN - width_in) / 2, bottom_in, width_in, height_in)
    axes.set_aspect("equal")
    axes.set(xlim=(lower_m[0], upper_m[0]), ylim=(lower_m[1], upper_m[1]))
    set_ticks(axes)
    axes.spines[["top", "right"]].set_visible(True)
    _draw_ground(axes, folder, view, lower_m, upper_m)
    _draw_unseen(axes, view)
    draw_scale_bar(axes)
    _color_bar(figure, bottom_in - 0.58)
    style.legend_row(figure, keys, bottom_in - 0.92)
    return figure


def _window(view: Visibility) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Return the corners of the rectangle around all cells that a lidar reached."""
    x, y = np.nonzero(view.reached)
    lower, upper = view.lower + np.array([x.min(), y.min()]), view.lower + np.array([x.max() + 1, y.max() + 1])
    margin_m = 0.01 * view.cell_m * float((upper - lower).max())
    return lower * view.cell_m - margin_m, upper * view.cell_m + margin_m


def _caption(folder: RunFolder, view: Visibility) -> str:
    first_s, last_s = view.times_us[0] / 1e6, view.times_us[-1] / 1e6
    ticks = (
        f"{len(view.times_us)} of {view.all_ticks} ticks"
        if len(view.times_us) < view.all_ticks
        else f"all {view.all_ticks} ticks"
    )
    return f"{shortened(folder.name, 30)}, {first_s:g} to {last_s:g} s, {ticks}, lidars cast again; cells of {view.cell_m:g} m"


def _sentence(view: Visibility, station: str | None) -> str:
    share = len(view.unseen_m) / view.users if view.users else 0.0
    hidden = int(view.in_range.sum()) / view.users if view.users else 0.0
    nobody = "No lidar" if station is None else "It"
    verb = "saw" if station is None else "did not see"
    return f"{nobody} {verb} {share:.0%} of the road users, mean over the ticks: {hidden:.0%} hidden in range, {share - hidden:.0%} out of range."


def _draw_ground(
    axes: Axes, folder: RunFolder, view: Visibility, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> None:
    roads = roads_of(folder)
    areas = road_surfaces(roads, lower_m, upper_m)
    axes.add_collection(PolyCollection(areas, facecolor=style.ROAD, edgecolor=style.ROAD, linewidth=0.3, zorder=0.5))
    share = view.observed / len(view.times_us)
    image = np.asarray(_COLORS(_PALEST + (1 - _PALEST) * share))
    image[view.reached == 0] = 0.0
    image[(view.reached > 0) & (view.observed == 0)] = (*to_rgb(style.BLIND), 1.0)
    x_m, y_m = view.lower * view.cell_m
    across_m, up_m = np.array(view.observed.shape) * view.cell_m
    limits = axes.axis()
    axes.imshow(
        image.swapaxes(0, 1), extent=(x_m, x_m + across_m, y_m, y_m + up_m), origin="lower", interpolation="nearest", zorder=1
    )  # fmt: skip
    axes.axis(limits)
    borders = lane_borders(roads, lower_m, upper_m)
    axes.add_collection(LineCollection(borders, color=style.INK, linewidth=0.25, alpha=0.55, zorder=1.5))
    prisms = [footprint_m for footprint_m, _, _ in buildings_within(buildings_of(folder), lower_m, upper_m)]
    axes.add_collection(PolyCollection(prisms, facecolor=style.BUILDING, edgecolor="none", zorder=2))
    walls = [wall_m for footprint_m in prisms for wall_m in walls_m(footprint_m)]
    axes.add_collection(LineCollection(walls, color=style.BUILDING_EDGE, linewidth=0.4, zorder=2))


def _draw_unseen(axes: Axes, view: Visibility) -> None:
    for is_hidden, mark in ((False, _OUT_OF_RANGE), (True, _HIDDEN)):
        chosen = view.unseen_m[view.in_range == is_hidden]
        axes.plot(chosen[:, 0], chosen[:, 1], linestyle="", clip_on=True, zorder=6 + is_hidden, **mark)


_HIDDEN: dict[str, Any] = {
    "marker": "o",
    "markersize": 2.6,
    "color": style.VERMILION,
    "markeredgecolor": "white",
    "markeredgewidth": 0.25,
}
_OUT_OF_RANGE: dict[str, Any] = {"marker": "o", "markersize": 1.4, "color": style.INK, "markeredgewidth": 0.0}


def _keys(
    view: Visibility, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"], extent_m: float
) -> list[tuple[str, list[tuple[Artist, str]]]]:
    shown = inside(view.unseen_m, lower_m, upper_m)
    hidden, far = (int((shown & (view.in_range == is_hidden)).sum()) for is_hidden in (True, False))
    beyond = int((~shown).sum())
    users: list[tuple[Artist, str]] = []
    if hidden:
        users.append((Line2D([], [], linestyle="", **_HIDDEN), f"hidden: in range, no return ({hidden:,})"))
    if far:
        users.append((Line2D([], [], linestyle="", **_OUT_OF_RANGE), f"no lidar in range ({far:,})"))
    if beyond:
        users.append((Patch(facecolor="none", edgecolor="none"), f"outside the map ({beyond:,})"))
    ground: list[tuple[Artist, str]] = [
        (Patch(facecolor=style.BLIND), "near a lidar, never seen"),
        (
            Patch(facecolor="white", edgecolor=style.GREY, linewidth=0.4),
            f"outside all matrices (\N{PLUS-MINUS SIGN}{extent_m:g} m)",
        ),
        (Patch(facecolor=style.BUILDING, edgecolor=style.BUILDING_EDGE, linewidth=0.4), "building"),
    ]
    return [("Road users unseen at a tick", users), ("Ground", ground)]


def _color_bar(figure: Figure, bottom_in: float) -> None:
    axes = style.panel(figure, 0.62 + 1.2, bottom_in, _MAP_IN - 2.4, 0.09)
    colors = mpl.colors.LinearSegmentedColormap.from_list("seen", _COLORS(np.linspace(_PALEST, 1.0, 64)))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colors), cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the ticks at which a lidar saw the cell", labelpad=1)
