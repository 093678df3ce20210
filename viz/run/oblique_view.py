"""The picture of a fused point cloud, seen obliquely from above, with outlines of boxes and transparent buildings."""

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from v2xsim.records import BUILDING as ON_BUILDING
from v2xsim.records import GROUND
from v2xsim.viz.drawing import style
from v2xsim.viz.drawing.ground import road_surfaces
from v2xsim.viz.drawing.labels import Label, draw_labels
from v2xsim.viz.drawing.outlines import EDGES, FACES, buildings_within, corners_m, inside, thinned, walls_m
from v2xsim.viz.drawing.perspective import Camera, blocked_by, camera_at, painted
from v2xsim.viz.run.kept_frame import KeptFrame
from v2xsim.viz.run.legend_keys import OUTLINES, box_entries, fates, ground_entries, station_colors, station_entries
from v2xsim.world.roads import INSIDE, JUNCTION, LANE

_ELEVATION_RAD = np.deg2rad(38.0)
# Number of directions that are tried for the camera: one every 15 degrees.
_SIDES = 24
_GRID_M = 10.0
_LABELS = 10

Glass = list[tuple[Float[np.ndarray, "_corners 2"], float, float]]


def point_colors(frame: KeptFrame) -> UInt8[np.ndarray, "points 3"]:
    """Return the colour of each point: that of the station whose lidar captured it."""
    colors = station_colors(frame)
    rgb = np.zeros((len(frame.source), 3), np.uint8)
    for station, color in colors.items():
        rgb[frame.source == station] = np.round(np.array(to_rgb(color)) * 255)
    return rgb


def draw_fused_cloud(frame: KeptFrame, run: str) -> Figure:
    """Return a figure with the oblique view of the fused point cloud, and its legend below.

    Args:
        frame: Frame to draw.
        run: Name of the run, for the title.
    """
    keys = [("Lidar points", station_entries(frame)), ("Road users", box_entries(frame))]
    absent = [entry for entry in ground_entries(frame) if entry[1].startswith("no ")]
    view_key = Patch(facecolor="none", edgecolor="none")
    # The direction is known only after the camera is chosen, but not the number of lines.
    lines = [(view_key, ""), (view_key, f"grid of {_GRID_M:g} m"), *absent]
    width_in, height_in, bottom_in = 5.8, 3.45, 0.05 + style.legend_height_in([*keys, ("View", lines)])
    figure = style.new_figure(bottom_in + height_in + 0.5)
    style.heading(figure, f"Fused cloud of {len(frame.source):,} points", frame.caption(run))
    axes = style.panel(figure, 0.1, bottom_in, width_in, height_in)
    axes.set_axis_off()
    lower_m, upper_m = frame.view_m
    glass = buildings_within(frame.buildings, lower_m, upper_m)
    camera = _best_camera(frame, glass, lower_m, upper_m)
    _frame_limits(axes, camera, frame, width_in / height_in)
    _draw_roads(axes, camera, frame, lower_m, upper_m)
    _draw_grid(axes, camera, lower_m, upper_m)
    _draw_glass(axes, camera, glass)
    _draw_points(axes, camera, frame, lower_m, upper_m, (round(height_in * style.DPI), round(width_in * style.DPI)))
    _draw_wires(axes, camera, frame, lower_m, upper_m)
    _draw_labels(axes, camera, frame)
    keys.append(("View", [(view_key, f"from the {_compass(camera)}"), *lines[1:]]))
    style.legend_row(figure, keys, bottom_in - 0.02)
    return figure


def _best_camera(
    frame: KeptFrame, glass: Glass, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> Camera:
    """Return the camera in the direction from which buildings hide least of the important objects.

    Road users that fusion adds count most, then the ego and the stations at its links, then the other road users in range.
    Directions from behind the ego are preferred, so that the picture shows roughly the view of its driver.
    """
    weight = np.where(frame.only_fused, 4.0, np.where(frame.in_range, 0.5, 0.0))
    weight[np.isin(frame.agent, list(frame.roles))] = 2.0
    rows = np.flatnonzero(weight)
    places_m = frame.boxes.center_m[rows] + [0.0, 0.0, 0.8]
    middle_m = np.append((lower_m + upper_m) / 2, 0.0)
    distance_m = 1.5 * float(upper_m[0] - lower_m[0])
    behind_rad = frame.boxes.yaw_rad[frame.ego_row] + np.pi
    # The directions are half a step beside the ego's axis, because straight along a street one vehicle hides the next.
    sides_rad = behind_rad + (np.arange(_SIDES) + 0.5) * 2 * np.pi / _SIDES
    cameras = [camera_at(middle_m, distance_m, side, _ELEVATION_RAD) for side in sides_rad]
    scores = []
    for camera, side in zip(cameras, sides_rad, strict=True):
        hidden = np.zeros(len(rows), bool)
        for footprint_m, _, top_m in glass:
            hidden |= blocked_by(camera.eye_m, places_m, footprint_m, top_m)
        scores.append(float((weight[rows] * ~hidden).sum() + np.cos(side - behind_rad)))
    return cameras[int(np.argmax(scores))]


def _compass(camera: Camera) -> str:
    names = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
    away = -camera.axes[2]
    return names[int(np.round(np.arctan2(away[1], away[0]) / (np.pi / 4))) % 8]


def _frame_limits(axes: Axes, camera: Camera, frame: KeptFrame, aspect: float) -> None:
    """Set the limits of the view so that it shows the required boxes, with space for their labels."""
    seen, _ = camera.project(corners_m(frame.boxes[frame.featured]).reshape(-1, 3))
    low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    # The view has at least a tenth of a focal length; otherwise an ego without neighbours would fill the picture.
    up = max(half[1] * 1.25, half[0] * 1.3 / aspect, 0.1)
    axes.set(xlim=middle[0] + np.array([-1, 1]) * up * aspect, ylim=middle[1] + np.array([-1, 1]) * up)


def _draw_roads(
    axes: Axes, camera: Camera, frame: KeptFrame, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> None:
    # The lines between lanes are above all areas, since the area of one lane would cover those of the lane beside it.
    surfaces = ((JUNCTION, INSIDE, LANE), style.ROAD, style.ROAD, 0.5)
    for kinds, fill, line, order in (surfaces, ((LANE,), "none", style.ROAD_EDGE, 1.5)):
        areas = road_surfaces(frame.roads, lower_m, upper_m, kinds)
        seen = [camera.project(np.column_stack([area_m, np.zeros(len(area_m))]))[0] for area_m in areas]
        shown = [corners for corners in seen if np.isfinite(corners).all()]
        axes.add_collection(PolyCollection(shown, facecolor=fill, edgecolor=line, linewidth=0.4, zorder=order))


def _draw_grid(axes: Axes, camera: Camera, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]) -> None:
    first, last = np.ceil(lower_m / _GRID_M) * _GRID_M, np.floor(upper_m / _GRID_M) * _GRID_M
    along_x = [((x, lower_m[1], 0.0), (x, upper_m[1], 0.0)) for x in np.arange(first[0], last[0] + 1, _GRID_M)]
    along_y = [((lower_m[0], y, 0.0), (upper_m[0], y, 0.0)) for y in np.arange(first[1], last[1] + 1, _GRID_M)]
    lines, _ = camera.project(np.array(along_x + along_y))
    axes.add_collection(LineCollection(list(lines), color="#E2E2E2", linewidth=0.6, zorder=1))


def _draw_glass(axes: Axes, camera: Camera, glass: Glass) -> None:
    """Draw the buildings below the points, from far to near, so that objects behind a building stay visible."""
    faces, shades = [], []
    far_first = sorted(glass, key=lambda item: -float(np.hypot(*(item[0].mean(0) - camera.eye_m[:2]))))
    for footprint_m, base_m, top_m in far_first:
        walls = [np.array([(*a, base_m), (*b, base_m), (*b, top_m), (*a, top_m)]) for a, b in walls_m(footprint_m)]
        roof = np.column_stack([footprint_m, np.full(len(footprint_m), top_m)])
        for face_m, shade in [*((wall, 0.35) for wall in walls), (roof, 0.55)]:
            seen, _ = camera.project(face_m)
            if not np.isnan(seen).any():
                faces.append(seen)
                shades.append((*to_rgb(style.BUILDING), shade))
    axes.add_collection(PolyCollection(faces, facecolor=shades, edgecolor=style.BUILDING_EDGE, linewidth=0.6, zorder=2))


def _draw_points(
    axes: Axes,
    camera: Camera,
    frame: KeptFrame,
    lower_m: Float[np.ndarray, " 2"],
    upper_m: Float[np.ndarray, " 2"],
    shape: tuple[int, int],
) -> None:
    ground = frame.hit == GROUND
    shown = inside(frame.points_m[:, :2], lower_m, upper_m)
    solid = np.flatnonzero(shown & ~ground)
    flat = np.flatnonzero(shown & ground)
    across_m = float(upper_m[0] - lower_m[0])
    flat = flat[thinned(frame.points_m[flat], across_m / 200)]
    rows = np.concatenate([solid, flat])
    rgb = point_colors(frame)
    # Colours of ground and walls are mixed with white, so that they are less conspicuous than road users.
    walls = frame.hit == ON_BUILDING
    rgb[ground] = (rgb[ground].astype(np.uint16) + 2 * 255) // 3
    rgb[walls] = (3 * rgb[walls].astype(np.uint16) + 2 * 255) // 5
    seen, depth_m = camera.project(frame.points_m[rows])
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    pixel = (seen - [left, top]) / [right - left, bottom - top] * [shape[1], shape[0]]
    visible = np.isfinite(depth_m) & (np.abs(pixel) < 1e6).all(1)
    # Received points are thinned for the radio, so they get larger dots to be visible among the ego's own points.
    radius_px = np.where(frame.hit[rows] >= 0, 3, 2) + 2 * (frame.source[rows] != frame.ego)
    radius_px[ground[rows]] = 1
    image = painted(
        np.round(pixel[visible]).astype(np.int64), depth_m[visible], rgb[rows][visible], radius_px[visible], shape
    )
    limits = axes.axis()
    axes.imshow(image, extent=(left, right, bottom, top), aspect="auto", interpolation="nearest", zorder=3)
    axes.axis(limits)


def _draw_wires(
    axes: Axes, camera: Camera, frame: KeptFrame, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> None:
    row = frame.drawn.owner
    corners, _ = camera.project(corners_m(frame.drawn.boxes))
    edges = corners[:, EDGES]
    tints = dict.fromkeys(np.flatnonzero(frame.only_fused).tolist(), style.VERMILION) | {frame.ego_row: style.BLUE}
    for box, user in enumerate(row.tolist()):
        if user in tints and np.isfinite(corners[box]).all():
            faces = list(corners[box][FACES])
            axes.add_collection(PolyCollection(faces, facecolor=tints[user], alpha=0.14, zorder=4))
    fate = fates(frame, fused=True)[row]
    shown = inside(frame.boxes.center_m[:, :2], lower_m, upper_m)[row]
    for name, outline in OUTLINES.items():
        lines = edges[(fate == name) & shown].reshape(-1, 2, 2)
        axes.add_collection(
            LineCollection(
                list(lines), color=outline["edgecolor"], linewidth=outline["linewidth"] * 0.75,
                linestyle=outline["linestyle"], zorder=5,
            )
        )  # fmt: skip
    poles = edges[(frame.drawn.boxes.size_m[:, 0] == 0) & shown][:, -1]
    axes.add_collection(LineCollection(list(poles), color=style.INK, linewidth=1.4, zorder=5))
    axes.plot(*poles[:, 1].T, linestyle="", marker="^", markersize=5, color=style.INK, zorder=5)
    own = edges[row == frame.ego_row].reshape(-1, 2, 2)
    axes.add_collection(LineCollection(list(own), color=style.BLUE, linewidth=1.4, zorder=6))


def _draw_labels(axes: Axes, camera: Camera, frame: KeptFrame) -> None:
    corners, _ = camera.project(corners_m(frame.boxes))
    tops, depth_m = camera.project(frame.boxes.center_m + frame.boxes.size_m * [0.0, 0.0, 1.0])
    row_of = {agent: row for row, agent in enumerate(frame.agent.tolist())}
    gained = frame.agent[frame.only_fused].tolist()
    wanted = [frame.ego, *gained, *[agent for agent in frame.roles if agent != frame.ego and agent not in gained]]
    labels = [
        Label(frame.label(agent), tuple(tops[row_of[agent]]), style.VERMILION if agent in gained else style.INK)
        for agent in wanted
        if agent in row_of and np.isfinite(depth_m[row_of[agent]])
    ]
    drawn = np.isfinite(corners).all((1, 2))
    draw_labels(axes, labels[:_LABELS], np.concatenate([corners[drawn].min(1), corners[drawn].max(1)], axis=1))
