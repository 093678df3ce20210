"""Notices about what an import of an OpenStreetMap extract leaves out, repairs or assumes."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from v2xsim.import_osm.osm_map import OsmMap
from v2xsim.import_osm.roads import carries_cars, is_bridge, is_tunnel, roads_of
from v2xsim.mobility.base import counted
from v2xsim.notices import Notice

NETWORK_LOG = "town.net.log"

# Warnings of netconvert about things that no vehicle of an imported town meets.
_NOT_ROADS = re.compile(
    r"\b(pt|stops?|platform|railway|rail_crossing|waterway|tram|subway|aerialway|ferry)\b", re.IGNORECASE
)

# For each reason: subject of the notice, and what happens, after "N buildings: ".
_REASONS = {
    "a ring does not close": (
        "import.ring_open", "a ring of the building does not close, because ways of it are not in the extract or do not meet; the "
        "open part is left out",
    ),
    "closed by a straight line": ("import.outline_open", "the outline does not end where it begins; it is closed by a straight line"),
    "the extract lacks corners": ("import.corners_missing", "corners are not in the extract; the others are joined"),
    "an outline without an area": ("import.outline_empty", "fewer than three corners or less than 1 m2; left out"),
    "a point without an outline": ("import.building_point", "mapped as a point without an outline; left out"),
    "below the ground": ("import.underground", "below the ground; left out"),
    "a building that is gone or not yet there": ("import.not_standing", "gone or not yet built; left out"),
    "a building site or a ruin": ("import.unfinished", "a building site or a ruin; taken with its full height"),
    "a part higher than its outline": (
        "import.part_higher", "a part (building:part) is higher than the height of its building; the height of the part counts",
    ),
    "a part beyond its outline": ("import.part_outside", "a part (building:part) reaches beyond the outline of its building; it stands as mapped"),
    "a part without an outline": ("import.part_alone", "less than half of a part (building:part) lies in the outline of any building; it stands alone"),
    "a road with a tag of a building": ("import.building_road", "the tag of a building on a road; left out"),
}  # fmt: skip


def building_notices(lost: dict[str, list[str]]) -> Iterator[Notice]:
    """Yield a notice for each reason for which buildings of the map are left out or changed."""
    for reason, names in lost.items():
        if names:
            subject, text = _REASONS[reason]
            yield Notice(subject, len(names), f"{counted(len(names), 'building')} of the map: {text} ({_some(names)})")


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def wall_notices(not_modelled: int) -> Iterator[Notice]:
    """Yield a notice about barriers that become no walls."""
    if not_modelled:
        yield Notice(
            "import.walls", not_modelled,
            f"{counted(not_modelled, 'barrier')} of the map (walls without a height, fences, hedges and the like): left out; noise barriers, "
            "city walls and walls with a height of at least 1 m are built",
        )  # fmt: skip


def road_notices(osm: OsmMap, through: Sequence[str]) -> Iterator[Notice]:
    """Yield notices about roads that the flat world shows in another way than the map.

    Args:
        osm: The extract.
        through: Names of the roads for which buildings are opened, although the map does not call them passages.
    """
    roads = [way for way in roads_of(osm) if carries_cars(way.tags)]
    tunnels = [f"way {way.number}" for way in roads if is_tunnel(way.tags)]
    bridges = [f"way {way.number}" for way in roads if is_bridge(way.tags)]
    if through:
        yield Notice(
            "import.road_through_building", len(through),
            f"{counted(len(through), 'road')} through buildings, which the map does not call passages (tunnel=building_passage, "
            f"covered=yes): opened like passages ({_some(through)})",
        )  # fmt: skip
    if tunnels:
        yield Notice(
            "import.tunnel", len(tunnels),
            f"{counted(len(tunnels), 'road')} in tunnels; the world is flat, so their vehicles are seen and heard at the height of "
            f"the ground ({_some(tunnels)})",
        )  # fmt: skip
    if bridges:
        yield Notice(
            "import.bridge", len(bridges),
            f"{counted(len(bridges), 'road')} on bridges; the world is flat, so their vehicles are at the height of the ground "
            f"({_some(bridges)})",
        )  # fmt: skip


_ONEWAY = ("yes", "no", "true", "false", "1", "0", "-1", "reverse", "")
_WHOLE_NUMBER = re.compile(r"[1-9]\d?")


_BUS_ROADS = ("busway", "bus_guideway")


def way_notices(osm: OsmMap) -> Iterator[Notice]:
    """Yield notices about ways that the network lacks, because no car may use them."""
    ways = roads_of(osm)
    paths = sum(not carries_cars(way.tags) for way in ways)
    bus_only = [
        f"way {way.number}"
        for way in ways
        if way.tags["highway"] in _BUS_ROADS
        or (
            carries_cars(way.tags)
            and "no" in (way.tags.get(key) for key in ("access", "vehicle", "motor_vehicle", "motorcar"))
            and {"yes", "designated"} & {way.tags.get(key) for key in ("bus", "psv")}
        )
    ]
    if paths:
        yield Notice(
            "import.paths", paths,
            f"{counted(paths, 'way')} for pedestrians and cyclists: left out; the traffic has motor vehicles only",
        )  # fmt: skip
    if bus_only:
        yield Notice(
            "import.bus_roads",
            len(bus_only),
            f"{counted(len(bus_only), 'road')} for buses only: left out ({_some(bus_only)})",
        )


def lane_notices(osm: OsmMap) -> Iterator[Notice]:
    """Yield notices about tags of lanes and directions that netconvert skips without a warning."""
    roads = [way for way in roads_of(osm) if carries_cars(way.tags)]
    lanes = [
        f"way {way.number}: {key}={way.tags[key]}"
        for way in roads
        for key in ("lanes", "lanes:forward", "lanes:backward")
        if key in way.tags and not _WHOLE_NUMBER.fullmatch(way.tags[key])
    ]
    changing = [
        f"way {way.number}"
        for way in roads
        if way.tags.get("oneway", "") not in _ONEWAY or "lanes:both_ways" in way.tags
    ]
    timed = [f"way {way.number}" for way in roads if any(key.endswith(":conditional") for key in way.tags)]
    rows = [
        (
            "import.lanes_unreadable",
            lanes,
            "with a number of lanes that is no whole number; the default of the type of road is taken",
        ),
        (
            "import.lanes_change",
            changing,
            "with lanes for both or for changing directions; each lane has one fixed direction",
        ),
        ("import.conditional", timed, "with rules for certain hours or vehicles (…:conditional), which are ignored"),
    ]
    for subject, names, text in rows:
        if names:
            yield Notice(subject, len(names), f"{counted(len(names), 'road')} {text} ({_some(names)})")


def side_notices(is_left: bool, reason: str) -> Iterator[Notice]:
    """Yield a notice if traffic drives on the left by a guess; `reason` says how the side was found, and is empty if it was given."""
    if is_left and reason:
        yield Notice(
            "import.left_hand", 1,
            f"traffic drives on the left: {reason}; `--driving-side right` changes it",
        )  # fmt: skip


def network_notices(output: str) -> Iterator[Notice]:
    """Yield a notice about the warnings of netconvert that concern roads; `output` counts the warnings of each kind."""
    kinds: Counter[str] = Counter()
    for line in output.splitlines():
        text = line.removeprefix("Warning: ").strip()
        if text == line.strip() or _NOT_ROADS.search(text):
            continue
        total = re.match(r"(\d+) total messages of type: (.*)", text)
        kind = _kind(total[2] if total else text)
        kinds[kind] = max(kinds[kind], int(total[1]) if total else 1)
    if kinds:
        shown = "; ".join(f"{count} × {kind}" for kind, count in kinds.most_common(3))
        yield Notice(
            "import.roads", kinds.total(),
            f"netconvert has {counted(kinds.total(), 'warning')} about the roads: {shown}"
            f"{'; …' if len(kinds) > 3 else ''} (all: {NETWORK_LOG})",
        )  # fmt: skip


def _kind(text: str) -> str:
    """Return the kind of a warning: its text without names and numbers."""
    without = re.sub(r"'[^']*'|%|-?\d[\d.,#/_\-]*", "…", re.sub(r"\s*\([^()]*\)", "", text))
    return re.sub(r"(…[ ,]*)+", "… ", without).strip(" .:…")[:90]
