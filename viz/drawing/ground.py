"""What a map shows on the ground: roads, a scale bar, and the ticks of axes at large coordinates."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from v2xsim.viz.drawing.outlines import clipped
from v2xsim.viz.drawing.style import INK, TEXT_PT
from v2xsim.world.roads import INSIDE, JUNCTION, LANE, Roads, beside

# From this coordinate on, the axes of a map count from a round position, so that their labels stay short.
_LARGE_M = 10_000.0
_BASE_STEP_M = 1000.0

Outline = Float[np.ndarray, "_corners 2"]


def road_surfaces(
    roads: Roads,
    lower_m: Float[np.ndarray, " 2"],
    upper_m: Float[np.ndarray, " 2"],
    kinds: tuple[int, ...] = (JUNCTION, INSIDE, LANE),
) -> list[Outline]:
    """Return the parts of the areas of roads that lie in a rectangle, in the order of the given kinds."""
    areas = []
    for kind in kinds:
        for row in _near(roads, kind, lower_m, upper_m):
            line_m = roads.points_m[roads.offset[row] : roads.offset[row + 1]]
            if kind != JUNCTION:
                half_m = roads.width_m[row] / 2
                line_m = np.concatenate([beside(line_m, half_m), beside(line_m, -half_m)[::-1]])
            areas.append(clipped(line_m, lower_m, upper_m))
    return [area_m for area_m in areas if len(area_m) > 2]


def lane_borders(roads: Roads, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]) -> list[Outline]:
    """Return the left and right borders of all lanes that touch a rectangle; those inside junctions have none."""
    borders = []
    for row in _near(roads, LANE, lower_m, upper_m):
        line_m = roads.points_m[roads.offset[row] : roads.offset[row + 1]]
        borders += [beside(line_m, roads.width_m[row] / 2), beside(line_m, -roads.width_m[row] / 2)]
    return borders


def _near(roads: Roads, kind: int, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]) -> np.ndarray:
    """Return the rows of the roads of a kind whose bounding box touches a rectangle."""
    if not len(roads):
        return np.zeros(0, np.int64)
    start, half_m = roads.offset[:-1], roads.width_m[:, None] / 2
    touching = (np.minimum.reduceat(roads.points_m, start) - half_m <= upper_m).all(1)
    touching &= (np.maximum.reduceat(roads.points_m, start) + half_m >= lower_m).all(1)
    return np.flatnonzero(touching & (roads.kind == kind))


def set_ticks(axes: Axes) -> None:
    """Set round ticks on both axes of a map and name the axes; none is near an end, where labels of two maps would overlap.

    At large coordinates, such as UTM, the ticks count from a round position that the name of the axis has.
    """
    for name, side, axis, (low_m, high_m) in (
        ("x", "east", axes.xaxis, axes.get_xlim()),
        ("y", "north", axes.yaxis, axes.get_ylim()),
    ):
        base_m = 0.0
        if max(abs(low_m), abs(high_m)) >= _LARGE_M:
            base_m = np.round((low_m + high_m) / 2 / _BASE_STEP_M) * _BASE_STEP_M
        ticks_m = np.asarray(MaxNLocator(5, integer=True).tick_values(low_m - base_m, high_m - base_m)) + base_m
        end_m = 0.06 * (high_m - low_m)
        ticks_m = ticks_m[(ticks_m > low_m + end_m) & (ticks_m < high_m - end_m)]
        axis.set_ticks(ticks_m, [f"{tick:.0f}".replace("-", "\N{MINUS SIGN}") for tick in ticks_m - base_m])
        sign = "\N{MINUS SIGN}" if base_m > 0 else "+"
        shift = f" {sign} {abs(base_m):,.0f}" if base_m else ""
        axis.set_label_text(f"{name}{shift}, {side} [m]")


def draw_scale_bar(axes: Axes) -> Float[np.ndarray, "1 4"]:
    """Draw a bar of a round length with its label in the lower right corner of a map; return the rectangle that they cover."""
    (left_m, right_m), (bottom_m, top_m) = axes.get_xlim(), axes.get_ylim()
    across_m, up_m = right_m - left_m, top_m - bottom_m
    length_m = round_length_m(0.25 * across_m)
    end_m, foot_m = right_m - 0.03 * across_m, bottom_m + 0.03 * up_m
    for color, width in (("white", 4.0), (INK, 1.8)):
        axes.plot(
            [end_m - length_m, end_m], [foot_m, foot_m], color=color, linewidth=width, solid_capstyle="butt", zorder=18
        )
    text = axes.text(
        end_m - length_m / 2, foot_m + 0.012 * up_m, f"{length_m:g} m", size=TEXT_PT, color=INK, ha="center", va="bottom", zorder=20
    )  # fmt: skip
    text.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    half_m = max(length_m, 0.16 * across_m) / 2
    middle_m = end_m - length_m / 2
    return np.array([[middle_m - half_m, bottom_m, middle_m + half_m, bottom_m + 0.12 * up_m]])


def round_length_m(most_m: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not larger than a length."""
    power = 10.0 ** np.floor(np.log10(most_m))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= most_m))
