"""The nodes, ways and relations of an OpenStreetMap extract, and ways joined to areas."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.parsers import expat

import numpy as np
import shapely
from jaxtyping import Float
from shapely.geometry.base import BaseGeometry

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Way:
    """A line of nodes.

    Attributes:
        number: OpenStreetMap's number of the way.
        nodes: Numbers of the nodes in order; the first one again at the end if the way is closed.
        tags: What the map says of the way.
    """

    number: int
    nodes: list[int]
    tags: dict[str, str]

    @property
    def is_closed(self) -> bool:
        """Whether the way ends where it begins."""
        return len(self.nodes) > 3 and self.nodes[0] == self.nodes[-1]


@dataclass(frozen=True)
class Relation:
    """Several members that belong together.

    Attributes:
        number: OpenStreetMap's number of the relation.
        members: Kind (node, way, relation), number and role of each member.
        tags: What the map says of the relation.
    """

    number: int
    members: list[tuple[str, int, str]]
    tags: dict[str, str]


@dataclass(frozen=True)
class OsmMap:
    """An OpenStreetMap extract.

    Attributes:
        position_deg: Longitude and latitude of each node, by its number.
        node_tags: Tags of each node that has any.
        ways: Ways by number.
        relations: Relations in the order of the file.
        remarks: What the server that made the extract says of it, such as that it ran out of time.
        repeated: Names of the elements that occur twice with different contents.
        repeated_keys: Names of the ways and relations that have a key twice with different values, each with the key.
    """

    position_deg: dict[int, tuple[float, float]] = field(default_factory=dict)
    node_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    ways: dict[int, Way] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    repeated_keys: list[str] = field(default_factory=list)


def read_osm(path: Path) -> OsmMap:
    """Return the elements of an extract, without those that an editor marked as deleted.

    The file must have been checked (`v2xsim.import_osm.extract.unpacked`). Numbers and positions that are no numbers are left out.
    """
    osm = OsmMap()
    tags: dict[str, str] = {}
    nodes: list[int] = []
    members: list[tuple[str, int, str]] = []
    earlier: list[Way | None] = []
    # The way or relation whose tags are read; empty for nodes and for elements that are left out.
    element = ""
    is_deleted = is_in_remark = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal tags, nodes, members, element, is_deleted, is_in_remark
        if name in ("node", "way", "relation"):
            tags, nodes, members = {}, [], []
            # JOSM keeps deleted elements in its files.
            is_deleted = attributes.get("action") == "delete" or attributes.get("visible") == "false"
            number = _number(attributes.get("id"))
            element = "" if is_deleted or number is None or name == "node" else f"{name} {number}"
            if is_deleted or number is None:
                return
            if name == "node":
                longitude, latitude = _degrees(attributes.get("lon"), 180.0), _degrees(attributes.get("lat"), 90.0)
                if longitude is not None and latitude is not None:
                    if osm.position_deg.get(number, (longitude, latitude)) != (longitude, latitude):
                        osm.repeated.append(f"node {number}")
                    osm.position_deg[number] = longitude, latitude
                    osm.node_tags[number] = tags
            elif name == "way":
                earlier.append(osm.ways.get(number))
                osm.ways[number] = Way(number, nodes, tags)
            else:
                osm.relations.append(Relation(number, members, tags))
        elif name == "remark":
            osm.remarks.append("")
            is_in_remark = True
        elif name == "tag":
            key, value = attributes.get("k", ""), attributes.get("v", "").strip()
            if element and tags.get(key, value) != value:
                osm.repeated_keys.append(f"{element}: {key}")
            tags[key] = value
        elif name == "nd":
            number = _number(attributes.get("ref"))
            if number is not None:
                nodes.append(number)
        elif name == "member":
            number = _number(attributes.get("ref"))
            if number is not None:
                members.append((attributes.get("type", ""), number, attributes.get("role", "")))

    def end(name: str) -> None:
        nonlocal is_in_remark
        if name == "remark":
            is_in_remark = False

    def text(content: str) -> None:
        if is_in_remark:
            osm.remarks[-1] += content

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(path.read_bytes(), True)
    osm.repeated.extend(f"way {way.number}" for way in earlier if way is not None and osm.ways[way.number] != way)
    for number in [number for number, node_tags in osm.node_tags.items() if not node_tags]:
        del osm.node_tags[number]
    return osm


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _degrees(text: str | None, limit: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) <= limit else None


Positions = Mapping[int, tuple[float, float]]
"""Position of each node in the coordinates of the road network, in metres."""


def points_of(way: Way, positions_m: Positions) -> Float[np.ndarray, "nodes 2"]:
    """Return the positions of a way's nodes; nodes that the extract lacks are left out."""
    return np.array([positions_m[node] for node in way.nodes if node in positions_m], float).reshape(-1, 2)


def lacks_nodes(way: Way, positions_m: Positions) -> bool:
    """Return whether the extract lacks a node of a way."""
    return any(node not in positions_m for node in way.nodes)


def area_of_way(way: Way, positions_m: Positions) -> BaseGeometry:
    """Return the area inside a way, closed by a straight line if it is open; empty if there is none.

    If the way crosses itself, its area is what it encloses an odd number of times.
    """
    points_m = points_of(way, positions_m)
    if len(np.unique(points_m, axis=0)) < 3:
        return shapely.Polygon()
    polygon = shapely.Polygon(points_m)
    return polygon if polygon.is_valid else polygonal(shapely.make_valid(polygon))


def area_of_ways(ways: Iterable[Way], positions_m: Positions) -> tuple[BaseGeometry, int]:
    """Return the area that several ways enclose together, and the number of ways in chains that do not close.

    Ways are joined where they share a node, in any order and direction. A place belongs to the area if an odd number of rings lies
    round it: inside an outer ring, not in a court, again inside a building that stands in the court. A piece that two rings
    share is passed twice and separates nothing.
    """
    count: Counter[tuple[int, int]] = Counter()
    owners: dict[int, set[int]] = {}
    for way in {way.number: way for way in ways}.values():
        nodes = [node for node in way.nodes if node in positions_m]
        for pair in pairwise(nodes):
            if pair[0] != pair[1]:
                count[min(pair), max(pair)] += 1
        for node in nodes:
            owners.setdefault(node, set()).add(way.number)
    pieces = {pair for pair, passes in count.items() if passes % 2 == 1}
    closed = _in_rings(pieces)
    open_ways = {number for a, b in pieces - closed for number in owners[a] & owners[b]}
    if not closed:
        return shapely.Polygon(), len(open_ways)
    lines_m = np.array([(positions_m[a], positions_m[b]) for a, b in sorted(closed)])
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all(shapely.linestrings(lines_m))]))
    within = np.array([shapely.get_coordinates(shapely.point_on_surface(face))[0] for face in faces]).reshape(-1, 2)
    inside = _is_inside(within, lines_m)
    return polygonal(shapely.union_all(faces[inside])), len(open_ways)


def _in_rings(pieces: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pieces that are part of closed rings: without dead ends, and without tangles in which a chain does not close."""
    neighbours: dict[int, set[int]] = {}
    for a, b in pieces:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    waiting = [node for node, others in neighbours.items() if len(others) == 1]
    while waiting:
        node = waiting.pop()
        for other in neighbours[node]:
            neighbours[other].discard(node)
            if len(neighbours[other]) == 1:
                waiting.append(other)
        neighbours[node] = set()
    waiting = [node for node, others in neighbours.items() if len(others) % 2 == 1]
    tangled = set(waiting)
    while waiting:
        fresh = neighbours[waiting.pop()] - tangled
        tangled |= fresh
        waiting += fresh
    return {(a, b) for a, b in pieces if b in neighbours[a] and a not in tangled}


def _is_inside(points_m: np.ndarray, lines_m: np.ndarray) -> np.ndarray:
    """Return whether each point has an odd number of the lines east of it."""
    x, y = points_m[:, None, 0], points_m[:, None, 1]
    (ax, ay), (bx, by) = lines_m[None, :, 0].transpose(2, 0, 1), lines_m[None, :, 1].transpose(2, 0, 1)
    rise = np.where(ay == by, 1.0, by - ay)
    crossed = ((ay > y) != (by > y)) & (x < ax + (y - ay) / rise * (bx - ax))
    return np.asarray(crossed.sum(axis=1) % 2 == 1)


def polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, without its lines and points."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.union_all([part for part in parts if isinstance(part, shapely.Polygon) and not part.is_empty])
