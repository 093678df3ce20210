"""Placement of labels on a map, so that they cover neither each other nor the objects that they name."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from v2xsim.viz.drawing.style import GREY, TEXT_PT

# Positions that are tried for a label around its anchor: every 22.5 degrees, on rings with the radii below in points.
_ANGLES_RAD = np.deg2rad(np.arange(0.0, 360.0, 22.5))
_RINGS_PT = np.array([9.0, 15.0, 23.0, 33.0, 46.0, 62.0, 80.0])
# Cost of covering obstacles, in points of distance: a label whose whole area covers an obstacle costs as much as a free
# label at this distance from its anchor.
_COVER_PT = 1200.0
# Largest share of a label's area that may cover obstacles; only the first label may cover more.
_MOST_COVERED = 0.4


@dataclass(frozen=True)
class Label:
    """A text that labels a position.

    Attributes:
        text: Text of the label.
        at: Labelled position, in the coordinates of the axes.
        color: Colour of the text.
    """

    text: str
    at: tuple[float, float]
    color: str


def place_rectangles(
    anchors: Float[np.ndarray, "labels 2"],
    sizes: Float[np.ndarray, "labels 2"],
    obstacles: Float[np.ndarray, "rectangles 4"],
    bounds: Float[np.ndarray, " 4"],
    unit: float = 1.0,
) -> Float[np.ndarray, "labels 2"]:
    """Return the centre of each label: near its anchor, inside the bounds, off earlier labels and, if possible, off obstacles.

    A label gets NaN if it would cover another label or too much of obstacles at every position: leaving it out is better
    than making it unreadable. The first label is always placed, where it covers least.

    Args:
        anchors: Positions to which the labels belong.
        sizes: Width and height of each label.
        obstacles: Rectangles to avoid, as x_min, y_min, x_max, y_max.
        bounds: Rectangle in which labels must lie, as x_min, y_min, x_max, y_max.
        unit: Length of a typographic point (1/72 inch) in the coordinates of the other arguments.
    """
    taken = np.zeros((0, 4))
    centers = np.full(anchors.shape, np.nan)
    ring, angle = (axis.ravel() for axis in np.meshgrid(_RINGS_PT * unit, _ANGLES_RAD, indexing="ij"))
    for row, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        # The ring's radius counts from the label's edge, so wide labels are moved sideways by half their width.
        tried = anchor + direction * (ring[:, None] + size / 2) - direction * min(size) / 4
        spans = np.concatenate([tried - size / 2, tried + size / 2], axis=1)
        fits = (spans[:, :2] >= bounds[:2]).all(1) & (spans[:, 2:] <= bounds[2:]).all(1)
        fits &= _overlap(spans, taken).sum(1) == 0
        covered = _overlap(spans, obstacles).sum(1) / size.prod()
        fits &= (covered <= _MOST_COVERED) | (row == 0)
        if not fits.any():
            continue
        cost = ring / unit + _COVER_PT * covered
        best = int(np.argmin(np.where(fits, cost, np.inf)))
        centers[row] = tried[best]
        taken = np.concatenate([taken, spans[best : best + 1]])
    return centers


def _overlap(a: Float[np.ndarray, "a 4"], b: Float[np.ndarray, "b 4"]) -> Float[np.ndarray, "a b"]:
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.asarray(np.maximum(sides, 0).prod(2))


def draw_labels(
    axes: Axes, labels: list[Label], obstacles: Float[np.ndarray, "rectangles 4"], margin_pt: float = 2.0
) -> None:
    """Draw labels, each with a thin line to its position.

    Args:
        axes: Axes to draw in; their limits must not change afterwards.
        labels: Labels, the most important first; the last ones are left out if there is no room.
        obstacles: Rectangles to avoid, in the coordinates of the axes.
        margin_pt: Free space around each label, in points.
    """
    if not labels:
        return
    dots_per_pt = axes.figure.dpi / 72
    texts = [
        axes.text(*label.at, label.text, size=TEXT_PT, color=label.color, ha="center", va="center", zorder=20)
        for label in labels
    ]
    for text in texts:
        text.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(e.width, e.height) for e in extents]) + 2 * margin_pt * dots_per_pt
    to_dots = axes.transData
    anchors = to_dots.transform(np.array([label.at for label in labels]))
    blocks = np.concatenate([to_dots.transform(obstacles[:, :2]), to_dots.transform(obstacles[:, 2:])], axis=1)
    frame = axes.get_window_extent()
    bounds = np.array([frame.x0, frame.y0, frame.x1, frame.y1])
    centers = place_rectangles(anchors, sizes, blocks, bounds, dots_per_pt)
    for text, center, anchor, size in zip(texts, centers, anchors, sizes, strict=True):
        if np.isnan(center[0]):
            text.remove()
            continue
        x, y = to_dots.inverted().transform(center)
        text.set_position((x, y))
        # The line starts at the point of the label's edge that is nearest to the position; without a gap there is no line.
        edge = np.clip(anchor, center - size / 2, center + size / 2)
        if np.hypot(*(anchor - edge)) > 5 * dots_per_pt:
            ends = to_dots.inverted().transform(np.array([edge, anchor]))
            axes.plot(ends[:, 0], ends[:, 1], color=GREY, linewidth=0.6, zorder=19)
