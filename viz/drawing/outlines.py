"""Outlines of objects on the ground: boxes and buildings as corners, and points thinned for drawing."""

import numpy as np
from jaxtyping import Bool, Float, Int

from v2xsim.records import Boxes, Prisms

# The edges of a box, as pairs of the eight corners that `corners_m` returns: bottom, top and upright edges.
EDGES = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)])

# The faces of a box in the same form: top and four sides. The bottom lies on the ground and is not drawn.
FACES = np.array([(4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)])

# Corners of a box seen from above in units of half its length and width: front left, rear left, rear right, front right.
_FOOTPRINT = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])


def footprints_m(boxes: Boxes) -> Float[np.ndarray, "boxes 4 2"]:
    """Return the corners of the bottom face of each box, counter-clockwise from the front left one."""
    along = np.stack([np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)], axis=1)
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half_m = boxes.size_m[:, None, :2] * _FOOTPRINT / 2
    return np.asarray(boxes.center_m[:, None, :2] + half_m[..., :1] * along[:, None] + half_m[..., 1:] * left[:, None])


def corners_m(boxes: Boxes) -> Float[np.ndarray, "boxes 8 3"]:
    """Return the eight corners of each box: the four of the bottom face, then the four above them."""
    flat_m = np.tile(footprints_m(boxes), (1, 2, 1))
    height_m = boxes.center_m[:, None, 2] + boxes.size_m[:, None, 2] * np.repeat([0.0, 1.0], 4)
    return np.concatenate([flat_m, height_m[..., None]], axis=2)


def headings_m(boxes: Boxes) -> Float[np.ndarray, "boxes 2 2"]:
    """Return a short line for each box that shows its heading: from the middle of the front to one metre ahead."""
    along = np.stack([np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)], axis=1)
    reach_m = boxes.size_m[:, :1] / 2 + np.array([0.0, 1.5])
    return np.asarray(boxes.center_m[:, None, :2] + reach_m[..., None] * along[:, None])


def buildings_within(
    prisms: Prisms, lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> list[tuple[Float[np.ndarray, "_corners 2"], float, float]]:
    """Return the parts of buildings that lie in a rectangle: footprint, and heights of base and top."""
    if not len(prisms):
        return []
    start = prisms.offset[:-1]
    touching = (np.minimum.reduceat(prisms.vertices_m, start) <= upper_m).all(1)
    touching &= (np.maximum.reduceat(prisms.vertices_m, start) >= lower_m).all(1)
    parts = [
        (clipped(prisms.vertices_m[prisms.offset[p] : prisms.offset[p + 1]], lower_m, upper_m), p)
        for p in np.flatnonzero(touching)
    ]
    return [(part_m, float(prisms.base_m[p]), float(prisms.top_m[p])) for part_m, p in parts if len(part_m) > 2]


def walls_m(footprint_m: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "walls 2 2"]:
    """Return the sides of a footprint that are walls: all but the seams that join its courts to its outline."""
    prism = Prisms(footprint_m, np.array([0, len(footprint_m)]), np.zeros(1), np.ones(1))
    return np.stack([footprint_m, np.roll(footprint_m, -1, axis=0)], axis=1)[~prism.is_seam]


def clipped(
    footprint_m: Float[np.ndarray, "corners 2"], lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "kept 2"]:
    """Return the part of a polygon that lies in a rectangle; separate pieces stay joined along the rectangle's sides.

    References:
        Sutherland and Hodgman, Reentrant polygon clipping, CACM 17 (1974).
    """
    for axis, sign, limit_m in ((0, 1, upper_m[0]), (0, -1, lower_m[0]), (1, 1, upper_m[1]), (1, -1, lower_m[1])):
        if not len(footprint_m):
            break
        beyond_m = sign * (footprint_m[:, axis] - limit_m)
        kept = []
        for here in range(len(footprint_m)):
            last = here - 1
            if (beyond_m[here] > 0) != (beyond_m[last] > 0):
                share = beyond_m[last] / (beyond_m[last] - beyond_m[here])
                kept.append(footprint_m[last] + share * (footprint_m[here] - footprint_m[last]))
            if beyond_m[here] <= 0:
                kept.append(footprint_m[here])
        footprint_m = np.array(kept).reshape(-1, 2)
    return footprint_m


def thinned(points_m: Float[np.ndarray, "points axes"], side_m: float) -> Int[np.ndarray, " kept"]:
    """Return the row numbers of thinned points: the first point in each square or cube of side `side_m`."""
    if not len(points_m):
        return np.zeros(0, np.int64)
    cell = np.floor((points_m - points_m.min(0)) / side_m).astype(np.int64)
    span = cell.max(0) + 1
    return np.unique(np.ravel_multi_index(tuple(cell.T), tuple(span)), return_index=True)[1]


def inside(
    points_m: Float[np.ndarray, "points 2"], lower_m: Float[np.ndarray, " 2"], upper_m: Float[np.ndarray, " 2"]
) -> Bool[np.ndarray, " points"]:
    """Return whether each point lies in a rectangle, its border included."""
    return np.asarray(((points_m >= lower_m) & (points_m <= upper_m)).all(1))
