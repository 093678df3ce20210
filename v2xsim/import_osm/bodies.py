"""The bodies that stand on the map: building parts where they are mapped, else whole outlines; passages cut out.

Simple 3D Buildings of OpenStreetMap: where parts are mapped, they are the body, and the outline stands only where it has no part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.mapped_areas import MappedArea, MappedBuildings
from v2xsim.import_osm.osm_map import Tags
from v2xsim.import_osm.roads import Corridor
from v2xsim.world.building_heights import HEIGHT_KEYS, prism_heights_m, roof_height_m
from v2xsim.world.footprints import HEADROOM_M

# Strips of an outline that are narrower than this and have no part are drawing errors.
_NARROWEST_M = 0.6
# A part may be higher than its outline, and reach beyond it, by rounding and careless drawing.
_SAME_HEIGHT_M, _BEYOND_SHARE = 0.5, 0.05


@dataclass(frozen=True)
class Body:
    """Something upright that blocks rays and waves.

    Attributes:
        name: What it is in the map.
        tags: Tags from which its heights and its type are read.
        area_m: Its polygons seen from above, in the coordinates of the road network.
    """

    name: str
    tags: Tags
    area_m: BaseGeometry

    @property
    def type_name(self) -> str:
        """Type of the building."""
        return building_of(self.tags) or part_of(self.tags) or "yes"

    @property
    def heights_m(self) -> tuple[float, float]:
        """Heights of the underside and of the roof above ground."""
        return prism_heights_m(self.tags, self.type_name)[:2]


def bodies_of(buildings: MappedBuildings) -> list[Body]:
    """Return the bodies of all buildings: parts, and outlines where they have no part.

    Parts that contradict their outline stand as they are mapped, and are added to what is lost or changed.
    """
    bodies: list[Body] = []
    own_parts = _parts_of_outlines(buildings)
    for row, outline in enumerate(buildings.outlines):
        if row not in own_parts:
            bodies.append(Body(outline.name, outline.tags, outline.area_m))
        else:
            bodies += _body_in_parts(outline, own_parts[row])
            _note_parts(buildings.lost, outline, own_parts[row])
    alone = own_parts.get(-1, [])
    bodies += [Body(part.name, _part_tags(part.tags, {}, ()), part.area_m) for part in alone]
    buildings.lost["a part without an outline"] = [part.name for part in alone]
    return bodies


def _parts_of_outlines(buildings: MappedBuildings) -> dict[int, list[MappedArea]]:
    """Return the parts of each outline, by the outline's row; -1 for parts that lie in no outline.

    A part belongs to the outline that holds most of it, if that is at least half of it.
    """
    parts: dict[int, list[MappedArea]] = {}
    if not buildings.parts:
        return parts
    tree = shapely.STRtree([outline.area_m for outline in buildings.outlines])
    for part in buildings.parts:
        rows = tree.query(part.area_m)
        shared = shapely.area(shapely.intersection(part.area_m, [buildings.outlines[row].area_m for row in rows]))
        row = int(rows[np.argmax(shared)]) if len(rows) and shared.max() >= 0.5 * part.area_m.area else -1
        parts.setdefault(row, []).append(part)
    return parts


def _body_in_parts(outline: MappedArea, parts: Sequence[MappedArea]) -> list[Body]:
    """Return the parts of a building, and its outline where it has no part."""
    bodies = [Body(part.name, _part_tags(part.tags, outline.tags, parts), part.area_m) for part in parts]
    if part_of(outline.tags):
        # An outline that is a part itself is a body, whatever other parts stand on it or in it.
        return [*bodies, Body(outline.name, outline.tags, outline.area_m)]
    tallest_m = max(body.heights_m[1] for body in bodies)
    rest = Body(outline.name, outline.tags, outline.area_m)
    own_top_m = rest.heights_m[1] if _has_height(outline.tags) else None
    # A part that begins at the height of the outline's roof stands on it, so the outline goes on below.
    covering = [
        body.area_m
        for body in bodies
        if own_top_m is None or body.heights_m[0] == 0 or body.heights_m[0] < own_top_m - _SAME_HEIGHT_M
    ]
    uncovered = _without_strips(shapely.difference(outline.area_m, shapely.union_all(covering)))
    if not uncovered.is_empty:
        tags = dict(outline.tags)
        if own_top_m is None and rest.heights_m[1] < tallest_m:
            # Not lower by a guess than what the map says of its tallest part.
            tags["height"] = f"{tallest_m:g}"
        bodies.append(Body(outline.name, tags, uncovered))
    return bodies


def _note_parts(lost: dict[str, list[str]], outline: MappedArea, parts: Sequence[MappedArea]) -> None:
    """Note the parts that are higher than the height of their outline, or reach beyond it."""
    own_top_m = (
        prism_heights_m(outline.tags, building_of(outline.tags) or "")[1] if _has_height(outline.tags) else np.inf
    )
    higher = [
        part.name
        for part in parts
        if _has_height(part.tags) and prism_heights_m(part.tags, "")[1] > own_top_m + _SAME_HEIGHT_M
    ]
    beyond_m2 = shapely.area(shapely.difference([part.area_m for part in parts], outline.area_m))
    beyond = [
        part.name
        for part, area_m2 in zip(parts, beyond_m2, strict=True)
        if area_m2 > max(1.0, _BEYOND_SHARE * part.area_m.area)
    ]
    lost.setdefault("a part higher than its outline", []).extend(higher)
    lost.setdefault("a part beyond its outline", []).extend(beyond)


def _has_height(tags: Tags) -> bool:
    return prism_heights_m(tags, building_of(tags) or "")[2] != "default"


def _part_tags(tags: Tags, outline: Tags, parts: Iterable[MappedArea]) -> dict[str, str]:
    """Return the tags of a part as those of a body: with type and height of the outline where the part has none.

    The height of an outline is that of its tallest part, so it is no guess for the other parts once one part has it.
    """
    type_name = part_of(tags) or "yes"
    merged = {**tags, "building": type_name if type_name != "yes" else building_of(outline) or "yes"}
    if not any(key in tags for key in HEIGHT_KEYS) and _has_height(outline):
        given_m = prism_heights_m(outline, "")[1]
        tops_m = [prism_heights_m(part.tags, "")[1] for part in parts if _has_height(part.tags)]
        if not tops_m or max(tops_m) < 0.9 * given_m:
            inherited = {key: outline[key] for key in HEIGHT_KEYS if key in outline}
            merged |= _above(inherited, "", merged)
    return merged


def _above(tags: Tags, type_name: str, raised: Tags) -> dict[str, str]:
    """Return tags of a building with those of a raised piece of it.

    The piece may be lower than the roof of the building, which is no contradiction: its roof is at the height of the building.
    """
    has_height = roof_height_m(tags, type_name)[1] == "height"
    return {key: value for key, value in tags.items() if key != "roof:height" or not has_height} | dict(raised)


def _without_strips(area_m: BaseGeometry) -> BaseGeometry:
    """Return the polygons of an area that are at least 1 m2 large and somewhere as wide as a wall is thick."""
    wide = [
        polygon
        for polygon in shapely.get_parts(area_m)
        if isinstance(polygon, shapely.Polygon)
        and polygon.area >= 1.0
        and not polygon.buffer(-_NARROWEST_M / 2).is_empty
    ]
    return shapely.union_all(wide) if wide else shapely.Polygon()


def is_over_roads(tags: Tags) -> bool:
    """Return whether a building lies above the roads that cross it: a bridge, or a building on a layer above the ground."""
    layer = tags.get("layer", "").strip()
    return building_of(tags) == "bridge" or tags.get("bridge", "no") != "no" or (layer.isdigit() and int(layer) > 0)


def with_passages(bodies: Sequence[Body], passages: Sequence[Corridor], roads: Sequence[Corridor]) -> list[Body]:
    """Return the bodies with the passages through them cut out: open up to the height of each passage, closed above.

    Args:
        bodies: Bodies on the map.
        passages: Roads that the map calls passages.
        roads: All roads; a building that lies above the roads is open where any of them crosses it.
    """
    if not bodies:
        return []
    areas_m = [body.area_m for body in bodies]
    tree = shapely.STRtree(areas_m)
    cuts: dict[int, list[Corridor]] = {}
    for passage in passages:
        for row in tree.query(passage.area_m, predicate="intersects"):
            cuts.setdefault(int(row), []).append(passage)
    raised = [row for row, body in enumerate(bodies) if is_over_roads(body.tags)]
    road_tree = shapely.STRtree([road.area_m for road in roads]) if raised else None
    for row in raised:
        if road_tree is not None:
            cuts[row] = [roads[n] for n in road_tree.query(areas_m[row], predicate="intersects")]
    opened: list[Body] = []
    for row, body in enumerate(bodies):
        base_m, top_m = body.heights_m
        rest = body.area_m
        for passage in cuts.get(row, ()):
            if base_m >= min(passage.height_m, HEADROOM_M):
                continue
            above = shapely.intersection(rest, passage.area_m)
            if passage.height_m < top_m - 0.3 and above.area >= 1.0:
                tags = _above(body.tags, body.type_name, {"min_height": f"{passage.height_m:g}"})
                opened.append(Body(body.name, tags, above))
            rest = shapely.difference(rest, passage.area_m)
        if not rest.is_empty:
            opened.append(Body(body.name, body.tags, rest))
    return opened
