"""The area that the rings of a multipolygon enclose, and where their roles contradict their places."""

import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.osm_map import Positions, Way, area_of_way, area_of_ways, polygonal
from v2xsim.world.outlines import SMALLEST_M2

INNER_OUTSIDE = "an inner ring outside of the outer ones"
OUTER_IN_OUTER = "an outer ring directly in another one"


def area_of_rings(
    outer: list[Way], inner: list[Way], positions_m: Positions, lacks_outer: bool
) -> tuple[BaseGeometry, int, list[str]]:
    """Return the area of a multipolygon, its number of open ways, and what is wrong with the roles of its rings.

    A place belongs to the area if an odd number of rings lies round it, except inside an inner ring that lies in no outer one: its
    outer ring may be outside of the extract.

    Args:
        outer: Ways of the outer rings: those with any role but `inner`.
        inner: Ways of the inner rings.
        positions_m: Positions of the nodes.
        lacks_outer: Whether a way of an outer ring is not in the extract.
    """
    area_m, open_ways = area_of_ways([*outer, *inner], positions_m)
    if len(outer) > 1:
        area_m = _with_overlaps(area_m, outer, inner, positions_m)
    faults = []
    built, courts = _filled(outer, positions_m), _filled(inner, positions_m)
    stray = shapely.difference(courts, built)
    if (outer or lacks_outer) and shapely.intersection(stray, area_m).area >= SMALLEST_M2:
        if not lacks_outer:
            faults.append(INNER_OUTSIDE)
        area_m = polygonal(shapely.difference(area_m, stray))
    if shapely.difference(built, shapely.union(area_m, courts)).area >= SMALLEST_M2:
        faults.append(OUTER_IN_OUTER)
    return area_m, open_ways, faults


def _filled(ways: list[Way], positions_m: Positions) -> BaseGeometry:
    """Return the area of all rings of some ways, without openings."""
    area_m, _ = area_of_ways(ways, positions_m)
    shells = [shapely.Polygon(polygon.exterior) for polygon in shapely.get_parts(area_m)]
    return shapely.union_all(shells) if shells else shapely.Polygon()


def _with_overlaps(area_m: BaseGeometry, outer: list[Way], inner: list[Way], positions_m: Positions) -> BaseGeometry:
    """Return an area with the places where two outer rings overlap, which even counting of rings leaves out.

    An outer ring that lies in another one stands in a court of it, and is left as it is.
    """
    rings = [ring for ring in (area_of_way(way, positions_m) for way in outer if way.is_closed) if not ring.is_empty]
    if len(rings) < 2:
        return area_m
    pairs = shapely.STRtree(rings).query(rings, predicate="overlaps").T
    common = [shapely.intersection(rings[a], rings[b]) for a, b in pairs if a < b]
    if not any(part.area >= SMALLEST_M2 for part in common):
        return area_m
    courts = shapely.union_all([area_of_way(way, positions_m) for way in inner if way.is_closed])
    return polygonal(shapely.union_all([area_m, shapely.difference(shapely.union_all(common), courts)]))
