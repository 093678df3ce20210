"""Keys of a map that are written almost like one that is read, and keys that an element has twice."""

from collections.abc import Iterator

from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.losses import some
from v2xsim.import_osm.osm_map import OsmMap, Tags
from v2xsim.mobility.base import counted
from v2xsim.notices import Notice
from v2xsim.world.like_keys import HEIGHTS, likes_of

_BUILDING = ("building", "building:part")
_ROAD = (
    "lanes", "lanes:forward", "lanes:backward", "turn:lanes", "maxspeed", "maxspeed:forward", "maxspeed:backward", "oneway", "access", "vehicle",
    "motor_vehicle", "motorcar", "tunnel", "bridge", "covered", "junction", "maxheight",
)  # fmt: skip
_NO = ("no", "none", "false", "0", "")


def key_notices(osm: OsmMap) -> Iterator[Notice]:
    """Yield notices about keys of buildings and roads that are almost those that are read, and about keys that occur twice."""
    elements = [(f"way {way.number}", way.tags) for way in osm.ways.values()]
    elements += [(f"relation {relation.number}", relation.tags) for relation in osm.relations]
    unread = [f"{name}: {key} ({wanted})" for name, tags in elements for key, wanted in _unread(tags)]
    if unread:
        yield Notice(
            "map.key_unknown", len(unread),
            f"{counted(len(unread), 'tag')} of the map with a key that is almost one that is read, and is not read ({some(unread)}); correct the keys "
            "in the extract",
        )  # fmt: skip
    if osm.repeated_keys:
        yield Notice(
            "map.key_repeated", len(osm.repeated_keys),
            f"{counted(len(osm.repeated_keys), 'tag')} of the map with a key that the element has already with another value ({some(osm.repeated_keys)}); "
            "the last value counts for buildings, perhaps another one for roads",
        )  # fmt: skip


def _unread(tags: Tags) -> list[tuple[str, str]]:
    """Return the keys of a way or a relation that are almost those that are read for what it is."""
    is_building = building_of(tags) is not None or part_of(tags) is not None
    unread = []
    if not is_building and "highway" not in tags:
        unread = [pair for pair in likes_of(tags, (*_BUILDING, "highway")) if tags[pair[0]].lower() not in _NO]
        is_building = any(wanted in _BUILDING for _, wanted in unread)
    if is_building:
        unread += [pair for pair in likes_of(tags, HEIGHTS) if tags[pair[0]]]
    if "highway" in tags:
        unread += [pair for pair in likes_of(tags, _ROAD) if tags[pair[0]]]
    return unread
