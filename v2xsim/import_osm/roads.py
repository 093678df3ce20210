"""What an extract says of its roads beside the network that netconvert makes: passages, tunnels and bridges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.osm_map import OsmMap, Positions, Tags, Way, points_of
from v2xsim.world.building_heights import length_m

# Width of a lane and of a path, and clear height above them, where the map gives none: assumptions of this project. 4.5 m is the
# clear height above roads that is usual in Europe.
_LANE_M, _PATH_M = 3.25, 2.5
_ROAD_HEIGHT_M, _PATH_HEIGHT_M = 4.5, 2.5
_PATHS = {"footway", "path", "steps", "pedestrian", "cycleway", "bridleway", "corridor", "elevator"}
_NO_ROAD = {
    "proposed",
    "construction",
    "razed",
    "abandoned",
    "platform",
    "rest_area",
    "services",
    "elevator",
    "corridor",
}


@dataclass(frozen=True)
class Corridor:
    """The space above a piece of road.

    Attributes:
        name: The way of the map.
        area_m: Its surface, in the coordinates of the road network.
        height_m: Its clear height.
    """

    name: str
    area_m: BaseGeometry
    height_m: float


def roads_of(osm: OsmMap) -> list[Way]:
    """Return the ways that are roads or paths."""
    return [way for way in osm.ways.values() if way.tags.get("highway") and way.tags["highway"] not in _NO_ROAD]


def carries_cars(tags: Tags) -> bool:
    """Return whether a way is a road for motor vehicles, and no path."""
    return tags.get("highway", "") not in (*_PATHS, "")


def is_passage(tags: Tags) -> bool:
    """Return whether a road leads through a building or below a roof that belongs to it."""
    return tags.get("tunnel") in ("building_passage", "building") or tags.get("covered") in (
        "yes",
        "arcade",
        "colonnade",
        "building_passage",
    )


def is_tunnel(tags: Tags) -> bool:
    """Return whether a road lies below the ground."""
    return tags.get("tunnel", "no") not in ("no", "building_passage", "building", "avalanche_protector") or (
        tags.get("location") == "underground"
    )


def is_bridge(tags: Tags) -> bool:
    """Return whether a road lies on a bridge."""
    return tags.get("bridge", "no") != "no"


def corridor(way: Way, positions_m: Positions) -> Corridor:
    """Return the space above a road, as wide as its lanes or its tag `width`."""
    line = line_of(way, positions_m)
    is_road = carries_cars(way.tags)
    lanes = min(max(_number(way.tags.get("lanes")) or (1.0 if way.tags.get("oneway") == "yes" else 2.0), 1.0), 12.0)
    width_m = length_m(way.tags.get("width")) or (lanes * _LANE_M + 0.5 if is_road else _PATH_M)
    given = [length_m(way.tags.get(key)) for key in ("maxheight:physical", "maxheight", "height")]
    height_m = next((value for value in given if value and value >= 1.5), _ROAD_HEIGHT_M if is_road else _PATH_HEIGHT_M)
    return Corridor(
        f"way {way.number}", shapely.buffer(line, min(width_m, 60.0) / 2, cap_style="square", join_style="mitre", mitre_limit=2.0),
        height_m,
    )  # fmt: skip


def line_of(way: Way, positions_m: Positions) -> shapely.LineString:
    """Return the line of a way; empty if fewer than two of its nodes are in the extract."""
    points_m = points_of(way, positions_m)
    return shapely.LineString(points_m) if len(points_m) > 1 else shapely.LineString()


def through_buildings(
    roads: Mapping[int, shapely.LineString], bodies: Sequence[BaseGeometry], least_m: float = 2.0
) -> set[int]:
    """Return the numbers of the roads of which at least some metres lie inside buildings."""
    if not bodies:
        return set()
    tree = shapely.STRtree(bodies)
    inside = set()
    for number, line in roads.items():
        rows = tree.query(line, predicate="intersects")
        if len(rows) and shapely.length(shapely.intersection(line, [bodies[row] for row in rows])).max() >= least_m:
            inside.add(number)
    return inside


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None
