"""Bodies of vehicles from their side view: points with a half width each, polygons of the side, and strips from side to side.

The side view lies in the x-z plane. Each point has a half width, so the side bulges, and narrows towards roof and bumpers. Polygons
(panels, windows) cover the outline without gaps and share their points; the right side is the mirror image of the left. Along the
outline, a strip joins both sides: bumper, bonnet, windscreen, roof, tail, floor. A point of the outline may have further vertices
between its sides, which split the strip into columns of different material: lamps, number plates, window pillars.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.solids import Mesh, mesh_of


@dataclass(frozen=True)
class Point:
    """A point of the side view.

    Attributes:
        x_m: Position along the vehicle.
        z_m: Height above the ground.
        half_m: Distance of the side from the middle there.
        between_m: Further vertices on the strip, as distances from the middle on both sides, each below `half_m`.
    """

    x_m: float
    z_m: float
    half_m: float
    between_m: tuple[float, ...] = ()


@dataclass(frozen=True)
class Strip:
    """What a strip along the outline is made of, from the middle outwards.

    Attributes:
        material: Material from the middle up to the first limit.
        columns: Limits and the material beyond each; a triangle counts where its centre lies.
    """

    material: Material
    columns: tuple[tuple[float, Material], ...] = ()

    def at(self, distance_m: float) -> Material:
        """Return the material at a distance from the middle."""
        found = self.material
        for limit_m, material in self.columns:
            found = material if distance_m > limit_m else found
        return found


def side_view_mesh(
    points: Mapping[str, Point],
    outline: Sequence[tuple[str, Strip | Material]],
    panels: Sequence[tuple[Material, str]],
) -> Mesh:
    """Return the body of a side view.

    Args:
        points: The points by name.
        outline: Names around the side view, counter-clockwise where x is to the right and z is up; with each, the strip from it to the next.
        panels: Material and the names, separated by spaces, of the corners of each polygon of the side.

    Raises:
        ValueError: If the panels do not fill the outline once.
    """
    filled_m2 = sum(abs(_area(_flat(points, text.split()))) for _, text in panels)
    outline_m2 = _area(_flat(points, [name for name, _ in outline]))
    if abs(filled_m2 - outline_m2) > 1e-9:
        raise ValueError(
            f"the panels of a side view must fill its outline of {outline_m2:.6f} m2 once, got {filled_m2:.6f} m2 in all"
        )
    vertices: list[tuple[float, float, float]] = []
    row: dict[str, list[int]] = {}
    for name, point in points.items():
        inner = sorted(point.between_m)
        across = [-point.half_m, *(-y for y in reversed(inner)), *inner, point.half_m]
        row[name] = list(range(len(vertices), len(vertices) + len(across)))
        vertices += [(point.x_m, y, point.z_m) for y in across]
    where = np.array(vertices)
    triangles: list[tuple[int, int, int]] = []
    materials: list[Material] = []
    for material, text in panels:
        names = text.split()
        names = names if _area(_flat(points, names)) > 0.0 else names[::-1]
        for a, b, c in polygon_triangles(_flat(points, names)):
            p, q, r = names[a], names[b], names[c]
            triangles += [(row[p][0], row[q][0], row[r][0]), (row[p][-1], row[r][-1], row[q][-1])]
            materials += [material] * 2
    for (here, strip), (there, _) in zip(outline, [*outline[1:], outline[0]], strict=True):
        for triangle in _zipped(row[here], row[there], where):
            center_m = abs(float(where[list(triangle), 1].mean()))
            triangles.append(triangle)
            materials.append(strip if isinstance(strip, Material) else strip.at(center_m))
    return mesh_of(where, triangles, materials)


def _flat(points: Mapping[str, Point], names: Sequence[str]) -> np.ndarray:
    """Return points of the side view as rows of x and z."""
    return np.array([(points[name].x_m, points[name].z_m) for name in names])


def _zipped(here: list[int], there: list[int], where: np.ndarray) -> list[tuple[int, int, int]]:
    """Return triangles between two rows of vertices from right to left, from the one on the outline to the next."""
    triangles = []
    i, j = 0, 0
    while i < len(here) - 1 or j < len(there) - 1:
        # The next triangle is the one whose new edge is shorter; the same from both sides, but for the diagonals of a square.
        ends = [i + 1 < len(here), j + 1 < len(there)]
        first = np.linalg.norm(where[here[min(i + 1, len(here) - 1)]] - where[there[j]])
        second = np.linalg.norm(where[here[i]] - where[there[min(j + 1, len(there) - 1)]])
        if ends[0] and (not ends[1] or first <= second):
            triangles.append((there[j], here[i], here[i + 1]))
            i += 1
        else:
            triangles.append((there[j], here[i], there[j + 1]))
            j += 1
    return triangles


def polygon_triangles(polygon: Float64[np.ndarray, "corners 2"]) -> list[tuple[int, int, int]]:
    """Return triangles that fill a simple counter-clockwise polygon, cut off corner by corner (ear clipping).

    Of all corners that can be cut off, the one whose smallest angle is largest goes first, so needles are rare.

    Raises:
        ValueError: If corners remain that cannot be cut off, as in a polygon that crosses itself or runs clockwise.
    """
    left = list(range(len(polygon)))
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        best, best_place = -1.0, -1
        for place in range(len(left)):
            a, b, c = left[place - 1], left[place], left[(place + 1) % len(left)]
            corner = polygon[[a, b, c]]
            if _area(corner) < 1e-9:
                continue
            rest = polygon[[v for v in left if v not in (a, b, c)]]
            inside = np.all(
                [_turns(p, q, rest) >= -1e-12 for p, q in zip(corner, np.roll(corner, -1, axis=0), strict=True)], axis=0
            )
            if not inside.any() and _smallest_sine(corner) > best:
                best, best_place = _smallest_sine(corner), place
        if best_place < 0:
            break
        triangles.append((left[best_place - 1], left[best_place], left[(best_place + 1) % len(left)]))
        left.pop(best_place)
    if len(left) > 3 or _area(polygon[left]) <= 0.0:
        raise ValueError(
            f"a panel of a side view must be a simple counter-clockwise polygon, got corners {polygon.tolist()}"
        )
    return [*triangles, (left[0], left[1], left[2])]


def _turns(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return on which side of a line points lie: positive on its left."""
    along, to = end - start, points - start
    return np.asarray(along[0] * to[:, 1] - along[1] * to[:, 0])


def _area(polygon: np.ndarray) -> float:
    """Return the area of a polygon; negative if it runs clockwise."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _smallest_sine(corner: np.ndarray) -> float:
    """Return a measure of how far a triangle is from a needle: its area over the square of its longest side."""
    sides = np.roll(corner, -1, axis=0) - corner
    return _area(corner) / float((sides**2).sum(axis=1).max())
