"""The pieces of a multipolygon, whose outer ways may have tags of their own, such as different heights."""

from collections.abc import Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.osm_map import Positions, Tags, Way, area_of_ways, polygonal
from v2xsim.world.building_heights import BASE_KEYS, HEIGHT_KEYS, LEVEL_M, length_m, level_count, prism_heights_m
from v2xsim.world.outlines import SMALLEST_M2

# Keys that describe one thing together: where the relation has one of them, those of its outer ways do not count.
_ROOF = ("roof:levels", "roof:height")
_WHOLE = tuple(key for key in HEIGHT_KEYS if key not in _ROOF)
_GROUPS = (_WHOLE, _ROOF, BASE_KEYS)
# Keys from which a body is made, beside those that begin with building, roof or min_.
_BODY = frozenset(
    {
        "height",
        "est_height",
        "wall",
        "walls",
        "location",
        "layer",
        "level",
        "parking",
        "bridge",
        "demolished",
        "razed",
        "ruins",
    }
)


def is_other_than(way: Way, is_outline: bool) -> bool:
    """Return whether a closed outer way is a part although its relation is an outline, or the other way round, so that both stand."""
    return way.is_closed and bool(
        part_of(way.tags) and not building_of(way.tags) if is_outline else building_of(way.tags)
    )


def pieces_of(
    outer: Sequence[Way], relation: Tags, other: Tags, area_m: BaseGeometry, positions_m: Positions
) -> tuple[list[tuple[Way | None, Tags, BaseGeometry]], bool]:
    """Return the pieces of a multipolygon that differ in their tags, and whether an outer way contradicts the relation or its own ring.

    Tags of the relation count first. A ring in several ways has the tags of all of them, the first way first. A piece has the first
    way of its first ring, or None if it is the whole multipolygon.

    Args:
        outer: Ways of the outer rings.
        relation: Tags of the relation.
        other: Tags of a building that count where neither the relation nor the ring is one.
        area_m: Area of the multipolygon.
        positions_m: Positions of the nodes.
    """
    contradicts = False
    is_outline = building_of({**other, **relation}) is not None
    by_tags: dict[frozenset[tuple[str, str]], tuple[Tags, list[list[Way]]]] = {}
    for ring in _rings(outer):
        own: Tags = {}
        for way in ring:
            if is_other_than(way, is_outline):
                own = {key: way.tags[key] for key in HEIGHT_KEYS if key in way.tags}
            else:
                contradicts |= _contradict(own, way.tags)
                own = _merged(own, way.tags)
        contradicts |= not any(is_other_than(way, is_outline) for way in ring) and _contradict(relation, own)
        tags = _merged(relation, own)
        if building_of(tags) is None and part_of(tags) is None:
            tags = _merged(tags, other)
        by_tags.setdefault(_for_body(tags), (tags, []))[1].append(ring)
    groups = list(by_tags.values())
    if len(groups) <= 1:
        return [(None, groups[0][0] if groups else {**other, **relation}, area_m)], contradicts
    return _cut(groups, area_m, positions_m), contradicts


def _cut(
    groups: Sequence[tuple[Tags, list[list[Way]]]], area_m: BaseGeometry, positions_m: Positions
) -> list[tuple[Way | None, Tags, BaseGeometry]]:
    """Return the piece of each group of rings, and what of the area lies in no ring."""
    filled = [[polygonal(area_of_ways(ring, positions_m)[0]) for ring in rings] for _, rings in groups]
    pieces: list[tuple[Way | None, Tags, BaseGeometry]] = []
    for row, (tags, rings) in enumerate(groups):
        grounds = []
        for ground in filled[row]:
            # A ring in the court of another one belongs to its own piece.
            islands = [
                other
                for n, others in enumerate(filled)
                for other in others
                if n != row and other.area < ground.area and ground.covers(other)
            ]
            grounds.append(shapely.difference(ground, shapely.union_all(islands)))
        pieces.append((rings[0][0], tags, polygonal(shapely.intersection(area_m, shapely.union_all(grounds)))))
    rest = polygonal(shapely.difference(area_m, shapely.union_all([area for _, _, area in pieces])))
    if rest.area >= SMALLEST_M2:
        pieces.append((None, groups[0][0], rest))
    return pieces


def _rings(ways: Sequence[Way]) -> list[list[Way]]:
    """Return the ways of each ring; ways whose ends meet are one ring."""
    rings: list[list[Way]] = []
    ends: list[set[int]] = []
    for way in ways:
        if not way.nodes:
            continue
        if way.is_closed:
            rings.append([way])
            ends.append(set())
            continue
        ring, meeting = [way], {way.nodes[0], way.nodes[-1]}
        for row in [n for n in range(len(rings)) if ends[n] & meeting][::-1]:
            ring, meeting = rings.pop(row) + ring, ends.pop(row) | meeting
        rings.append(ring)
        ends.append(meeting)
    return rings


def _merged(first: Tags, second: Tags) -> Tags:
    """Return the tags of an area; those of `second` count where `first` says nothing of the same thing."""
    given = {key for group in _GROUPS if not _lacks(first, group) for key in group}
    is_named = building_of(first) is not None or part_of(first) is not None
    if is_named:
        given |= {key for key in second if key in ("building", "building:part") or key.endswith(":building")}
    tags = {**{key: value for key, value in second.items() if key not in given}, **first}
    # `yes` leaves the type open.
    if building_of(first) == "yes" and building_of(second):
        tags["building"] = building_of(second) or "yes"
    return tags


def _lacks(tags: Tags, group: Sequence[str]) -> bool:
    return not any(tags.get(key) for key in group)


def _contradict(first: Tags, second: Tags) -> bool:
    """Return whether two sets of tags of one area give different heights or types."""
    for key in (*HEIGHT_KEYS, *BASE_KEYS):
        read = level_count if key.endswith(("levels", "level")) else length_m
        if first.get(key) and second.get(key) and read(first[key]) != read(second[key]):
            return True
    types = {building_of(first), building_of(second)} - {None, "yes"}
    if len(types) > 1:
        return True
    if _lacks(first, _WHOLE) or _lacks(second, _WHOLE):
        return False
    return abs(prism_heights_m(first, "")[1] - prism_heights_m(second, "")[1]) > LEVEL_M


def _for_body(tags: Tags) -> frozenset[tuple[str, str]]:
    """Return the tags from which a body is made."""
    return frozenset(
        (key, value)
        for key, value in tags.items()
        if key in _BODY or key.startswith(("building", "roof:", "min_")) or key.endswith(":building")
    )
