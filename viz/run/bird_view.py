"""The picture of a fused frame from above: what the ego saw alone, and beside it what it saw after fusion."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from v2xsim.records import BUILDING as ON_BUILDING
from v2xsim.records import GROUND, UNOBSERVED, PerceptionMatrix
from v2xsim.viz.drawing import style
from v2xsim.viz.drawing.ground import draw_scale_bar, lane_borders, road_surfaces, set_ticks
from v2xsim.viz.drawing.labels import Label, draw_labels
from v2xsim.viz.drawing.outlines import buildings_within, footprints_m, headings_m, inside, thinned, walls_m
from v2xsim.viz.run.kept_frame import KeptFrame
from v2xsim.viz.run.legend_keys import (
    OUTLINES,
    ROLE_COLOR,
    ROLE_WIDTH,
    STATE_DASH,
    box_entries,
    fates,
    ground_entries,
    link_entries,
    station_colors,
    station_entries,
)
from v2xsim.viz.run.story import story

# Largest number of labels of hidden road users, nearest first; more labels would cover the objects that they name.
_MOST_HIDDEN = 8


def draw_fused_frame(frame: KeptFrame, run: str) -> Figure:
    """Return a figure with two maps side by side, before and after fusion, and one legend below.

    Args:
        frame: Frame to draw.
        run: Name of the run, for the title.
    """
    alone, fused, total = frame.counts()
    keys = [
        ("Lidar points", station_entries(frame)),
        ("Road users", box_entries(frame)),
        ("Links (packets arrived)", link_entries(frame)),
        ("Areas", ground_entries(frame)),
    ]
    side_in, bottom_in = 2.585, 0.45 + style.legend_height_in(keys)
    figure = style.new_figure(bottom_in + side_in + 0.81)
    title = (
        f"Ego alone sees {alone} of {total} road users, fused {fused} of {total}"
        if total
        else "No road user is in range"
    )
    style.heading(figure, title, frame.caption(run), story(frame))
    lower_m, upper_m = frame.view_m
    for column, with_help in enumerate((False, True)):
        axes = style.panel(figure, 0.62 + column * (side_in + 0.13), bottom_in, side_in, side_in)
        axes.set_aspect("equal")
        axes.set(xlim=(lower_m[0], upper_m[0]), ylim=(lower_m[1], upper_m[1]))
        set_ticks(axes)
        axes.yaxis.set_label_coords(-0.475 / side_in, 0.5)
        axes.spines[["top", "right"]].set_visible(True)
        if column:
            axes.tick_params(labelleft=False)
            axes.set_ylabel("")
        axes.set_title("After fusion" if with_help else "Ego alone", pad=4)
        _draw_map(axes, frame, with_help, lower_m, upper_m)
    style.legend_row(figure, keys, bottom_in - 0.42)
    return figure


def _draw_map(
    axes: Axes, frame: KeptFrame, fused: bool, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> None:
    _draw_roads(axes, frame, lower_m, upper_m)
    _draw_blind(axes, frame.after if fused else frame.before)
    prisms = buildings_within(frame.buildings, lower_m, upper_m)
    with_courts = [footprint_m for footprint_m, _, _ in prisms if len(walls_m(footprint_m)) < len(footprint_m)]
    axes.add_collection(
        PolyCollection(
            [footprint_m for footprint_m, _, _ in prisms if len(walls_m(footprint_m)) == len(footprint_m)],
            facecolor=style.BUILDING, edgecolor=style.BUILDING_EDGE, linewidth=0.6, zorder=2,
        )
    )  # fmt: skip
    axes.add_collection(PolyCollection(with_courts, facecolor=style.BUILDING, edgecolor="none", zorder=2))
    walls = [wall_m for footprint_m in with_courts for wall_m in walls_m(footprint_m)]
    axes.add_collection(LineCollection(walls, color=style.BUILDING_EDGE, linewidth=0.6, zorder=2))
    shown = inside(frame.points_m[:, :2], lower_m, upper_m)
    if not fused:
        shown &= frame.source == frame.ego
    _draw_points(axes, frame, shown, float(upper_m[0] - lower_m[0]))
    if fused:
        _draw_links(axes, frame)
    _draw_boxes(axes, frame, fused, _mark_size(float(upper_m[0] - lower_m[0])))
    bar = draw_scale_bar(axes)
    draw_labels(axes, _labels(frame, fused), np.concatenate([_obstacles(frame, fused), np.repeat(bar, 3, axis=0)]))


def _mark_size(across_m: float) -> float:
    """Return a factor (0.5 to 1) for the size of lines and points; it is small on a wide map, where cars are small.

    Args:
        across_m: Width of the area that the map shows.
    """
    return float(np.clip(85.0 / across_m, 0.5, 1.0))


def _draw_roads(
    axes: Axes, frame: KeptFrame, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> None:
    """Draw the surfaces of roads below the blind zone, and the borders of lanes above it."""
    areas = road_surfaces(frame.roads, lower_m, upper_m)
    axes.add_collection(PolyCollection(areas, facecolor=style.ROAD, edgecolor=style.ROAD, linewidth=0.3, zorder=0.5))
    borders = lane_borders(frame.roads, lower_m, upper_m)
    axes.add_collection(LineCollection(borders, color=style.ROAD_EDGE, linewidth=0.4, zorder=1.5))


def _draw_blind(axes: Axes, matrix: PerceptionMatrix) -> None:
    if not matrix.code.size:
        return
    blind = (matrix.code == UNOBSERVED).T
    image = np.zeros((*blind.shape, 4))
    image[blind] = (*to_rgb(style.BLIND), 1.0)
    x_m, y_m = matrix.lower * matrix.cell_m
    across_m, up_m = np.array(matrix.code.shape) * matrix.cell_m
    limits = axes.axis()
    axes.imshow(image, extent=(x_m, x_m + across_m, y_m, y_m + up_m), origin="lower", interpolation="nearest", zorder=1)
    axes.axis(limits)


def _draw_points(axes: Axes, frame: KeptFrame, shown: Bool[np.ndarray, " points"], across_m: float) -> None:
    """Draw the lidar points: those on the ground first and pale, then those on walls, and those on road users on top."""
    layers = (
        (frame.hit == GROUND, across_m / 240, 0.8, 0.45, 3.0),
        (frame.hit == ON_BUILDING, across_m / 500, 1.8, 1.0, 4.0),
        (frame.hit >= 0, across_m / 700, 1.8, 1.0, 5.0),
    )
    colors, size = station_colors(frame), _mark_size(across_m)
    for chosen, side_m, size_pt, alpha, order in layers:
        for color in dict.fromkeys(colors.values()):
            stations = [station for station, theirs in colors.items() if theirs == color]
            rows = np.flatnonzero(shown & chosen & np.isin(frame.source, stations))
            places_m = frame.points_m[rows, :2]
            places_m = places_m[thinned(places_m, side_m)]
            # Received points are few, since they are thinned for the radio, but they are the subject of the picture, so they
            # are drawn larger.
            given = 1.0 if frame.ego in stations else 1.6
            axes.plot(
                places_m[:, 0], places_m[:, 1], linestyle="", marker="o", markersize=size_pt * size * given,
                markeredgewidth=0, color=color, alpha=alpha, zorder=order + given / 10,
            )  # fmt: skip


def _draw_links(axes: Axes, frame: KeptFrame) -> None:
    place_m = dict(zip(frame.agent.tolist(), frame.boxes.center_m[:, :2], strict=True))
    links = frame.links
    ends = list(zip(links.a.tolist(), links.b.tolist(), links.state.tolist(), links.role.tolist(), strict=True))
    # The wide relay hops are drawn first, so that a direct link between the same two stations stays visible on top.
    for a, b, state, role in sorted(ends, key=lambda link: -ROLE_WIDTH[link[3]]):
        if a not in place_m or b not in place_m:
            continue
        ends_m = np.array([place_m[a], place_m[b]])
        if role != "direct":
            axes.plot(*ends_m.T, color="white", linewidth=ROLE_WIDTH[role] + 1.2, alpha=0.8, zorder=6)
        axes.plot(*ends_m.T, color=ROLE_COLOR[role], linewidth=ROLE_WIDTH[role], linestyle=STATE_DASH[state], zorder=6)
        if role == "replaced":
            axes.plot(*ends_m.mean(0), marker="x", color=style.INK, markersize=6, markeredgewidth=1.6, zorder=6.2)


def _draw_boxes(axes: Axes, frame: KeptFrame, fused: bool, size: float) -> None:
    drawn, row = frame.drawn, frame.drawn.owner
    corners_m, ticks_m = footprints_m(drawn.boxes), headings_m(drawn.boxes)
    bodies = frame.boxes.size_m[:, 0] > 0
    if fused:
        _fill_stations(axes, frame, corners_m)
    fate = fates(frame, fused)[row]
    for name, outline in OUTLINES.items():
        chosen = (fate == name) & bodies[row]
        line = outline | {"linewidth": outline["linewidth"] * size}
        axes.add_collection(PolyCollection(list(corners_m[chosen]), facecolor="none", zorder=8, **line))
        tick = {"color": line["edgecolor"], "linewidth": line["linewidth"]}
        # The heading is shown at the front part.
        axes.add_collection(LineCollection(list(ticks_m[chosen & ~drawn.is_rear]), zorder=8, **tick))
    ego = row == frame.ego_row
    axes.add_collection(
        PolyCollection(list(corners_m[ego]), facecolor=style.BLUE, edgecolor=style.BLACK, linewidth=1.0, zorder=9)
    )
    axes.add_collection(LineCollection(list(ticks_m[ego & ~drawn.is_rear]), color=style.BLACK, linewidth=1.4, zorder=9))
    poles_m = frame.boxes.center_m[~bodies, :2]
    axes.plot(
        poles_m[:, 0], poles_m[:, 1], linestyle="", marker="^", markersize=6, color=style.INK, markeredgecolor="white",
        markeredgewidth=0.6, zorder=9,
    )  # fmt: skip


def _fill_stations(axes: Axes, frame: KeptFrame, corners_m: Float[np.ndarray, "drawn 4 2"]) -> None:
    """Fill the body of each station that contributed points with the colour of its points."""
    colors = station_colors(frame)
    agent = frame.agent[frame.drawn.owner].tolist()
    rows = [row for row, station in enumerate(agent) if station in colors]
    tints = [(*to_rgb(colors[int(agent[row])]), 0.45) for row in rows]
    axes.add_collection(PolyCollection(list(corners_m[rows]), facecolor=tints, edgecolor="none", zorder=3.5))


def _labels(frame: KeptFrame, fused: bool) -> list[Label]:
    """Return labels for the ego, the stations at its links and the road users that it does not detect, most important first."""
    place_m = dict(zip(frame.agent.tolist(), frame.boxes.center_m[:, :2].tolist(), strict=True))
    gained = frame.agent[frame.only_fused].tolist()
    away_m = {agent: float(np.hypot(*np.subtract(place_m[agent], place_m[frame.ego]))) for agent in gained}
    hidden = sorted(gained, key=lambda agent: away_m[agent])[:_MOST_HIDDEN]
    stations = [agent for agent in frame.roles if agent != frame.ego and agent in place_m and agent not in hidden]
    colors = dict.fromkeys(hidden, style.VERMILION if fused else style.INK)
    return [
        Label(frame.label(agent), (place_m[agent][0], place_m[agent][1]), colors.get(agent, style.INK))
        for agent in [frame.ego, *hidden, *stations]
    ]


def _obstacles(frame: KeptFrame, fused: bool) -> Float[np.ndarray, "rectangles 4"]:
    """Return the rectangles that labels must avoid: those around boxes, and around short pieces of the links."""
    corners_m = np.concatenate([footprints_m(frame.drawn.boxes), headings_m(frame.drawn.boxes)], axis=1)
    parts = [np.concatenate([corners_m.min(1), corners_m.max(1)], axis=1)]
    place_m = dict(zip(frame.agent.tolist(), frame.boxes.center_m[:, :2], strict=True))
    for a, b in zip(frame.links.a.tolist(), frame.links.b.tolist(), strict=True) if fused else ():
        if a in place_m and b in place_m:
            along_m = np.linspace(place_m[a], place_m[b], 25)
            parts.append(np.concatenate([along_m - 0.7, along_m + 0.7], axis=1))
    return np.concatenate(parts)
