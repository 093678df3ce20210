"""Which areas of an OpenStreetMap extract are buildings, and which are parts of buildings."""

from dataclasses import dataclass, replace

import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.osm_map import (
    OsmMap,
    Positions,
    Relation,
    Tags,
    Way,
    area_of_way,
    area_of_ways,
    lacks_nodes,
)
from v2xsim.import_osm.outer_rings import is_other_than, pieces_of
from v2xsim.import_osm.rings import area_of_rings
from v2xsim.world.building_heights import HEIGHT_KEYS, is_underground
from v2xsim.world.outlines import SMALLEST_M2

_NOT_STANDING = {"proposed", "planned", "demolished", "razed", "removed", "destroyed", "collapsed"}
_UNFINISHED = {"construction", "ruins", "ruin"}
# Keys of a relation that say nothing of what its area is; an area without other keys has the tags of its outer ways.
_NO_FEATURE = {"type", "source", "note", "created_by", "fixme", "FIXME", "name", "attribution"}


@dataclass(frozen=True)
class MappedArea:
    """An area of the map that is a building or a part of one.

    Attributes:
        name: What the area is in the map, such as "way 12" or "relation 7".
        tags: What the map says of it.
        area_m: Its polygons, in the coordinates of the road network.
    """

    name: str
    tags: Tags
    area_m: BaseGeometry


@dataclass(frozen=True)
class MappedBuildings:
    """The buildings of an extract.

    Attributes:
        outlines: Whole buildings.
        parts: Parts of buildings (`building:part`).
        lost: Names of the elements that are left out or changed, by the reason.
    """

    outlines: list[MappedArea]
    parts: list[MappedArea]
    lost: dict[str, list[str]]


def mapped_buildings(osm: OsmMap, positions_m: Positions) -> MappedBuildings:
    """Return the buildings and building parts of an extract."""
    buildings = MappedBuildings([], [], {})
    courts: dict[int, list[Way]] = {}
    used: set[int] = set()
    roles = _tags_by_role(osm)
    for relation in osm.relations:
        tags = roles.get(("relation", relation.number), relation.tags)
        if relation.tags.get("type") == "multipolygon":
            _add_relation(buildings, osm, positions_m, replace(relation, tags=tags), used, courts)
        elif relation.tags.get("type") != "building" and (building_of(tags) or part_of(tags)):
            buildings.lost.setdefault("a relation of another type", []).append(f"relation {relation.number}")
    for way in osm.ways.values():
        if way.number not in used:
            _add_way(buildings, positions_m, way, roles.get(("way", way.number), way.tags), courts.get(way.number, []))
    buildings.lost["a relation without its outline"] = _without_outline(buildings, osm)
    buildings.lost["a point without an outline"] = [
        f"node {number}" for number, tags in osm.node_tags.items() if building_of(tags) or part_of(tags)
    ]
    return buildings


def _without_outline(buildings: MappedBuildings, osm: OsmMap) -> list[str]:
    """Return the relations of type `building` that name a building, and of which no member is one."""
    named = {area.name for area in (*buildings.outlines, *buildings.parts)}
    named.update(name for names in buildings.lost.values() for name in names)
    return [
        f"relation {relation.number}"
        for relation in osm.relations
        if relation.tags.get("type") == "building"
        and (building_of(relation.tags) or part_of(relation.tags))
        and named.isdisjoint(f"{element} {number}" for element, number, _ in relation.members)
    ]


def _tags_by_role(osm: OsmMap) -> dict[tuple[str, int], dict[str, str]]:
    """Return the tags of the members of relations of type `building`, by kind and number of the member."""
    tags_of = {("relation", relation.number): relation.tags for relation in osm.relations}
    tags_of |= {("way", number): way.tags for number, way in osm.ways.items()}
    return {
        (element, number): _tags_in_building(tags_of[element, number], role, relation.tags)
        for relation in osm.relations
        if relation.tags.get("type") == "building"
        for element, number, role in relation.members
        if (element, number) in tags_of
    }


def _tags_in_building(tags: dict[str, str], role: str, building: Tags) -> dict[str, str]:
    """Return the tags of a member of a relation of type `building`, whose role may say what its own tags do not."""
    if role == "outline" and building_of(tags) and not any(key in tags for key in HEIGHT_KEYS):
        return {**{key: building[key] for key in HEIGHT_KEYS if key in building}, **tags}
    if role == "outline" and not building_of(tags):
        return {"building": "yes", **{key: value for key, value in building.items() if key != "type"}, **tags}
    if role == "part" and not part_of(tags) and not building_of(tags):
        return {"building:part": "yes", **tags}
    return tags


def _add_relation(
    buildings: MappedBuildings,
    osm: OsmMap,
    positions_m: Positions,
    relation: Relation,
    used: set[int],
    courts: dict[int, list[Way]],
) -> None:
    """Add the building that a multipolygon is, or note the courts of a way that is a building itself.

    Args:
        buildings: Buildings so far.
        osm: The extract.
        positions_m: Positions of its nodes.
        relation: A relation of type `multipolygon`.
        used: Numbers of the ways that are no buildings of their own, because they are rings of a relation.
        courts: Inner rings of the ways that are buildings, by the number of the way.
    """
    members = [
        (osm.ways[number], role)
        for element, number, role in relation.members
        if element == "way" and number in osm.ways
    ]
    missing = sum(element == "way" and number not in osm.ways for element, number, _ in relation.members)
    lacks_outer = any(
        element == "way" and number not in osm.ways and role != "inner" for element, number, role in relation.members
    )
    outer = [way for way, role in members if role != "inner"]
    inner = [way for way, role in members if role == "inner"]
    tags: Tags = relation.tags
    other: Tags = {}
    if building_of(tags) is None and part_of(tags) is None:
        named = [way for way in outer if building_of(way.tags) or part_of(way.tags)]
        if not named:
            return
        if set(relation.tags) - _NO_FEATURE:
            # The relation is something else, such as a school ground; only a closed way is a building by itself.
            for way in (way for way in named if way.is_closed):
                courts.setdefault(way.number, []).extend(inner)
            return
        other = named[0].tags
    name = f"relation {relation.number}"
    # A closed outer ring may also be the outline of a building whose part the relation is, or a part of it.
    is_outline = building_of({**other, **tags}) is not None
    used.update(way.number for way in outer if not is_other_than(way, is_outline))
    # An inner ring with tags of its own is a building that stands in the court.
    used.update(way.number for way in inner if not (building_of(way.tags) or part_of(way.tags)))
    area_m, open_ways, faults = area_of_rings(outer, inner, positions_m, lacks_outer)
    for fault in faults:
        buildings.lost.setdefault(fault, []).append(name)
    if open_ways or missing:
        buildings.lost.setdefault("a ring does not close", []).append(name)
    pieces, contradicts = pieces_of(outer, tags, other, area_m, positions_m)
    if contradicts:
        buildings.lost.setdefault("an outer way with other tags", []).append(name)
    for first_way, piece_tags, piece_m in pieces:
        piece = name if first_way is None else f"{name} way {first_way.number}"
        _add(buildings, piece, piece_tags, piece_m, may_be_empty=bool(open_ways or missing))


def _add_way(buildings: MappedBuildings, positions_m: Positions, way: Way, tags: Tags, courts: list[Way]) -> None:
    """Add the building or the building part that a way is, if it is one."""
    if building_of(tags) is None and part_of(tags) is None:
        if tags.get("building", "no") == "no" and any(key.endswith(":building") for key in tags):
            buildings.lost.setdefault("a building that is gone or not yet there", []).append(f"way {way.number}")
        return
    name = f"way {way.number}"
    if not way.is_closed and "highway" in tags:
        buildings.lost.setdefault("a road with a tag of a building", []).append(name)
        return
    if lacks_nodes(way, positions_m):
        buildings.lost.setdefault("the extract lacks corners", []).append(name)
    elif not way.is_closed and len(way.nodes) >= 3:
        buildings.lost.setdefault("closed by a straight line", []).append(name)
    area_m = area_of_way(way, positions_m)
    if courts:
        area_m = shapely.difference(area_m, area_of_ways(courts, positions_m)[0])
    _add(buildings, name, tags, area_m, may_be_empty=False)


def _add(buildings: MappedBuildings, name: str, tags: Tags, area_m: BaseGeometry, may_be_empty: bool) -> None:
    """Add an area to the buildings or to the parts, unless it does not stand above the ground."""
    type_name = building_of(tags) or part_of(tags) or ""
    if is_underground(tags):
        buildings.lost.setdefault("below the ground", []).append(name)
    elif type_name in _NOT_STANDING or tags.get("demolished") == "yes" or tags.get("razed") == "yes":
        buildings.lost.setdefault("a building that is gone or not yet there", []).append(name)
    elif max(shapely.area(shapely.get_parts(area_m)), default=0.0) < SMALLEST_M2:
        if not may_be_empty:
            buildings.lost.setdefault("an outline without an area", []).append(name)
    else:
        if type_name in _UNFINISHED or tags.get("ruins") == "yes" or "ruins:building" in tags:
            buildings.lost.setdefault("a building site or a ruin", []).append(name)
        (buildings.outlines if building_of(tags) else buildings.parts).append(MappedArea(name, tags, area_m))
