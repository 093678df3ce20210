"""What stands on the map beside buildings: the walls that are built, and the things that are not modelled."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from v2xsim.import_osm.bodies import Body
from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.osm_map import OsmMap, Positions, Tags, Way, area_of_way
from v2xsim.import_osm.roads import line_of
from v2xsim.mobility.base import counted
from v2xsim.notices import Notice
from v2xsim.world.building_heights import length_m
from v2xsim.world.outlines import footprints_of

# Height and thickness of walls without tags for them: assumptions of this project.
_WALL_HEIGHT_M = {"noise_barrier": 3.0, "city_wall": 5.0}
_WALL_WIDTH_M = {"noise_barrier": 0.3, "city_wall": 1.5, "wall": 0.3}
_LOWEST_M, _HIGHEST_M, _WIDEST_M = 1.0, 30.0, 20.0

# Things that block or weaken rays and waves in reality, by key.
_NOT_MODELLED = {
    "natural": {"tree", "tree_row", "wood"},
    "landuse": {"forest"},
    "man_made": {"bridge", "embankment", "gantry", "crane", "mast", "antenna", "goods_conveyor", "pipeline"},
    "amenity": {"shelter"},
    "historic": {"city_gate", "castle", "tower"},
    "power": {"tower"},
}


def walls_of(
    ways: Iterable[Way], positions_m: Positions, roads_m: Sequence[BaseGeometry]
) -> tuple[list[Body], Counter[str]]:
    """Return the walls that block, and the numbers of barriers that are not modelled, by kind.

    Walls along roads (`wall=noise_barrier`), city walls, and other walls with a height of 1 to 30 m are modelled, open where a
    road passes. Fences, hedges and walls without a height are not.

    Args:
        ways: Ways with a tag `barrier`.
        positions_m: Positions of the nodes.
        roads_m: Corridors of all roads and paths.
    """
    walls: list[Body] = []
    not_modelled: Counter[str] = Counter()
    tree = shapely.STRtree(roads_m)
    for way in ways:
        barrier = "noise_barrier" if way.tags.get("wall") == "noise_barrier" else way.tags["barrier"]
        given_m = length_m(way.tags.get("height"))
        height_m = given_m if given_m and given_m <= _HIGHEST_M else _WALL_HEIGHT_M.get(barrier)
        area_m: BaseGeometry = shapely.Polygon()
        if barrier in _WALL_WIDTH_M and height_m is not None and height_m >= _LOWEST_M:
            area_m = _ground_plan(way, barrier, positions_m)
        near = tree.query(area_m, predicate="intersects")
        if len(near):
            area_m = shapely.difference(area_m, shapely.union_all([roads_m[row] for row in near]))
        if footprints_of(area_m):
            walls.append(Body(f"way {way.number}", {"building": barrier, "height": f"{height_m:g}"}, area_m))
        elif barrier not in ("kerb", "no"):
            not_modelled[barrier] += 1
    return walls, not_modelled


def _ground_plan(way: Way, barrier: str, positions_m: Positions) -> BaseGeometry:
    """Return the ground on which a wall stands: a band along its line, or the area that the map draws."""
    if way.is_closed and way.tags.get("area") == "yes":
        return area_of_way(way, positions_m)
    width_m = min(length_m(way.tags.get("width")) or _WALL_WIDTH_M[barrier], _WIDEST_M)
    line_m = line_of(way, positions_m)
    band_m: BaseGeometry = shapely.buffer(line_m, width_m / 2, cap_style="flat", join_style="mitre", mitre_limit=2.0)
    return band_m


def structure_notices(osm: OsmMap, barriers: Counter[str]) -> Iterator[Notice]:
    """Yield notices about barriers that become no walls, and about other things that are not modelled."""
    barriers = barriers + Counter(
        relation.tags["barrier"]
        for relation in osm.relations
        if "barrier" in relation.tags and not building_of(relation.tags)
    )
    if barriers:
        yield Notice(
            "import.walls", barriers.total(),
            f"{counted(barriers.total(), 'barrier')} of the map ({_listed(barriers)}): left out; noise barriers, city walls and walls with a "
            f"height of {_LOWEST_M:g} to {_HIGHEST_M:g} m are built",
        )  # fmt: skip
    other = Counter(kind for tags in _all_tags(osm) for kind in [_not_modelled(tags)] if kind)
    if other:
        yield Notice(
            "import.not_modelled", other.total(),
            f"{counted(other.total(), 'thing')} of the map that may block links and lidars ({_listed(other)}): not modelled",
        )  # fmt: skip


def _not_modelled(tags: Tags) -> str | None:
    if building_of(tags) or part_of(tags):
        return None
    return next((f"{key}={tags[key]}" for key, values in _NOT_MODELLED.items() if tags.get(key) in values), None)


def _all_tags(osm: OsmMap) -> Iterator[Tags]:
    yield from osm.node_tags.values()
    yield from (way.tags for way in osm.ways.values())
    yield from (relation.tags for relation in osm.relations)


def _listed(counts: Counter[str], most: int = 6) -> str:
    kinds = counts.most_common()
    return ", ".join(f"{kind} {count:,}" for kind, count in kinds[:most]) + (", …" if len(kinds) > most else "")
