"""Outlines of buildings: cleaned, repaired where they cross themselves, and led round courtyards."""

from collections.abc import Sequence

import numpy as np
import shapely
from jaxtyping import Float
from shapely.geometry.base import BaseGeometry

SMALLEST_M2 = 1.0
"""Smallest area of a building's footprint; a smaller outline is a drawing error or street furniture."""

# An outline whose shoelace area is within this share of the area that it encloses does not cross itself: it has a seam to a
# court, or it goes out and back along a line.
_SAME_AREA = 1e-6

Outline = Float[np.ndarray, "_corners 2"]


def corners_of(shape: str) -> Float[np.ndarray, "corners 2"]:
    """Return the corners that a text of the form "x,y x,y" or "x,y,z x,y,z" gives; a third number is left out, as SUMO does.

    Raises:
        ValueError: If the text gives no area; the message has the reason.
    """
    corners = np.array([_point(text)[:2] for text in shape.split()], float).reshape(-1, 2)
    if len(corners) < 3:
        given = ("no points", "one point", "two points")[len(corners)]
        raise ValueError(f"has {given}, an area needs at least three")
    return corners


def has_third_coordinate(shape: str) -> bool:
    """Return whether a point of a shape that can be read has a third number other than 0."""
    return any(value != 0 for text in shape.split() for value in _point(text)[2:])


def _point(text: str) -> list[float]:
    """Return the two or three numbers of a point."""
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or "_" in text:
        raise ValueError(
            f"has {text[:40]!r} instead of a point x,y (points are separated by blanks, and have none inside)"
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"has the point {text[:40]!r}, which is not finite")
    return numbers


def signed_area_m2(corners_m: Float[np.ndarray, "corners 2"]) -> float:
    """Return the area of a closed outline, positive if it runs counter-clockwise (shoelace formula)."""
    local = (
        corners_m - corners_m[:1]
    )  # Coordinates are taken relative to the first corner, because far from the origin the products would lose digits.
    x, y = local[:, 0], local[:, 1]
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def without_repetitions(corners_m: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "kept 2"]:
    """Return an outline without corners that repeat the corner before, the closing corner included."""
    if len(corners_m) == 0:
        return corners_m
    return corners_m[~(np.abs(corners_m - np.roll(corners_m, 1, axis=0)) < 1e-3).all(axis=1)]


def clean_footprint(corners_m: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "kept 2"] | None:
    """Return an outline with its corners counter-clockwise and without repetitions; None if its area is below 1 m2."""
    corners = without_repetitions(corners_m)
    if len(corners) < 3:
        return None
    area = signed_area_m2(corners)
    if abs(area) < SMALLEST_M2:
        return None
    return corners if area > 0 else corners[::-1]


def usable_footprints(
    outlines_m: Sequence[Float[np.ndarray, "_corners 2"]],
) -> tuple[list[list[Outline]], list[bool]]:
    """Return the footprints that each outline gives, and whether the outline crosses itself.

    An outline that crosses itself gives one footprint for each area that it encloses an odd number of times. An outline that
    encloses less than 1 m2 gives none.
    """
    corners = [without_repetitions(outline) for outline in outlines_m]
    polygons = [shapely.Polygon(c) if len(c) >= 3 else shapely.Polygon() for c in corners]
    simple = shapely.is_valid(np.array(polygons, object))
    footprints: list[list[Outline]] = []
    crossing: list[bool] = []
    for outline, polygon, is_simple in zip(corners, polygons, simple, strict=True):
        crosses = False
        enclosed: BaseGeometry = polygon
        if not is_simple:
            enclosed = shapely.make_valid(polygon)
            crosses = abs(abs(signed_area_m2(outline)) - enclosed.area) > _SAME_AREA * max(enclosed.area, SMALLEST_M2)
        if crosses:
            footprints.append(footprints_of(enclosed))
        else:
            clean = clean_footprint(outline)
            footprints.append([] if clean is None else [clean])
        crossing.append(crosses)
    return footprints, crossing


def footprints_of(area: BaseGeometry) -> list[Outline]:
    """Return one outline for each polygon of an area, led round its courts, without polygons below 1 m2."""
    parts = [part for part in shapely.get_parts(area) if isinstance(part, shapely.Polygon | shapely.MultiPolygon)]
    polygons = [polygon for part in parts for polygon in shapely.get_parts(part)]
    outlines = [clean_footprint(one_outline(polygon)) for polygon in polygons if polygon.area >= SMALLEST_M2]
    return [outline for outline in outlines if outline is not None]


def one_outline(polygon: shapely.Polygon) -> Outline:
    """Return the outline of a polygon: round the outer ring, and along a seam to each court, round it, and back.

    A seam joins the nearest corners between which the building lies. It is passed once in each direction, so that it is no wall
    (`v2xsim.records.Prisms.is_seam`).
    """
    oriented = shapely.geometry.polygon.orient(polygon)
    outline = np.array(oriented.exterior.coords)[:-1]
    courts = [np.array(ring.coords)[:-1] for ring in oriented.interiors]
    if not courts:
        return outline
    shapely.prepare(polygon)
    while courts:
        distance_m = [np.linalg.norm(outline[:, None] - court[None], axis=2) for court in courts]
        nearest = int(np.argmin([d.min() for d in distance_m]))
        court = courts.pop(nearest)
        start, end = _seam(polygon, outline, court, distance_m[nearest])
        round_court = np.concatenate([court[end:], court[: end + 1]])
        outline = np.concatenate([outline[: start + 1], round_court, outline[start:]])
    return outline


def _seam(
    polygon: shapely.Polygon,
    outline: Outline,
    court: Outline,
    distance_m: Float[np.ndarray, "outline_corners court_corners"],
) -> tuple[int, int]:
    """Return the corner of the outline and the corner of the court that a seam joins."""
    order = np.argsort(distance_m, axis=None, kind="stable")
    # A seam across the open would be drawn as a line there, but would not change what is inside.
    for pair in order[:200]:
        start, end = (int(n) for n in np.unravel_index(pair, distance_m.shape))
        if polygon.covers(shapely.LineString([outline[start], court[end]])):
            return start, end
    start, end = (int(n) for n in np.unravel_index(order[0], distance_m.shape))
    return start, end
