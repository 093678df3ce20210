"""Notices about the roads that an import of an OpenStreetMap extract leaves out, repairs or assumes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from v2xsim.import_osm.driving_side import against_side, middle_deg
from v2xsim.import_osm.losses import some
from v2xsim.import_osm.osm_map import OsmMap, Tags, Way
from v2xsim.import_osm.road_network import NETWORK_LOG, Network, closed_roads
from v2xsim.import_osm.roads import carries_cars, is_bridge, is_tunnel, roads_of
from v2xsim.mobility.base import counted
from v2xsim.notices import Notice

# Warnings of netconvert about things that no vehicle of an imported town meets.
_NOT_ROADS = re.compile(
    r"\b(pt|stops?|platform|railway|rail_crossing|waterway|tram|subway|aerialway|aeroway|ferry)\b", re.IGNORECASE
)
_ONEWAY = ("yes", "no", "true", "false", "1", "0", "-1", "reverse", "")
_WHOLE_NUMBER = re.compile(r"[1-9]\d?")
_BUS_ROADS = ("busway", "bus_guideway")
_SPEEDS = ("maxspeed", "maxspeed:forward", "maxspeed:backward", "zone:maxspeed", "maxspeed:type")
# Limits beyond which a number of lanes of one road or a speed limit is a typing error.
_MOST_LANES, _LEAST_KMH, _MOST_KMH = 12, 5.0, 160.0
# Half the size of the largest extract that is a town or a county.
_FAR_DEG = 2.0
# Values of `highway` for things beside roads.
_BESIDE = frozenset({
    "bus_stop", "corridor", "crossing", "elevator", "emergency_access_point", "milestone", "platform", "rest_area", "services",
    "street_lamp", "traffic_signals", "via_ferrata",
})  # fmt: skip


def road_notices(osm: OsmMap, network: Network, is_left: bool, side_reason: str) -> Iterator[Notice]:
    """Yield notices about all roads of an extract.

    Args:
        osm: The extract.
        network: The network that was made of it.
        is_left: Whether traffic drives on the left.
        side_reason: How the side was found; empty if it was given.
    """
    yield from _damaged(osm, network)
    yield from network_notices(network.log)
    yield from _left_out(osm, network)
    yield from _lanes([way for way in roads_of(osm) if way.number in network.ways], network)
    yield from side_notices(osm, is_left, side_reason)


def _damaged(osm: OsmMap, network: Network) -> Iterator[Notice]:
    """Yield notices about an extract that is incomplete or contradicts itself."""
    if osm.remarks:
        yield Notice(
            "map.incomplete", len(osm.remarks),
            f"the extract has a remark of the server that made it, so it may be incomplete: {osm.remarks[0].strip()[:200]}",
        )  # fmt: skip
    if osm.repeated:
        yield Notice(
            "map.repeated", len(osm.repeated),
            f"{counted(len(osm.repeated), 'element')} of the map occur again with other contents ({some(osm.repeated)}); buildings have the "
            "last one, roads perhaps another; merge extracts with `osmium merge`",
        )  # fmt: skip
    far = _far_roads(osm, network)
    if far:
        yield Notice(
            "map.far_road", len(far),
            f"{counted(len(far), 'road')} with a node more than {_FAR_DEG:g} degrees from the middle of the map ({some(far)}); its position may "
            "be a typing error",
        )  # fmt: skip


def _far_roads(osm: OsmMap, network: Network) -> list[str]:
    middle = np.array(middle_deg(osm))
    nodes = np.array(list(osm.position_deg), np.int64)
    degrees = np.array(list(osm.position_deg.values()), float).reshape(-1, 2)
    apart = np.abs(degrees - middle)
    apart[:, 0] = np.minimum(apart[:, 0], 360.0 - apart[:, 0])
    far = set(nodes[(apart > _FAR_DEG).any(axis=1)].tolist())
    return [f"way {n}" for n in sorted(network.ways) if far and not far.isdisjoint(osm.ways[n].nodes)]


def passage_notices(through: Sequence[str]) -> Iterator[Notice]:
    """Yield a notice about roads for which buildings are opened, although the map does not call them passages."""
    if through:
        yield Notice(
            "import.road_through_building", len(through),
            f"{counted(len(through), 'road')} through buildings, without the tag of a passage (tunnel=building_passage, covered=yes) on the "
            f"map: the buildings are opened there, as for a passage ({some(through)})",
        )  # fmt: skip


def _left_out(osm: OsmMap, network: Network) -> Iterator[Notice]:
    """Yield notices about ways that the network lacks."""
    missing = [
        way
        for way in osm.ways.values()
        if way.tags.get("highway") and way.tags["highway"] not in _BESIDE and way.number not in network.ways
    ]
    paths = [way for way in missing if not carries_cars(way.tags)]
    bus_only = [way for way in missing if carries_cars(way.tags) and _is_for_buses(way.tags)]
    closed = set(closed_roads(osm)) - {way.number for way in bus_only}
    other = [way for way in missing if way not in paths and way not in bus_only and way.number not in closed]
    rows = [
        ("import.paths", paths, "way", "for pedestrians and cyclists: left out; the traffic has motor vehicles only"),
        ("import.bus_roads", bus_only, "road", f"for buses only: left out ({_names(bus_only)})"),
        (
            "import.closed_roads", [way for way in missing if way.number in closed], "road",
            "closed to cars (such as motor_vehicle=no), out of use, or drawn as an area: left out "
            f"({_names(way for way in missing if way.number in closed)})",
        ),
        (
            "import.roads_left_out", other, "road",
            f"not in the network ({_kinds(other)}): in SUMO, service roads and tracks are for deliveries only, and roads under construction "
            "have no type; short roads can disappear when junctions are joined, and so do roads without a connection to others",
        ),
    ]  # fmt: skip
    for subject, ways, noun, text in rows:
        if ways:
            yield Notice(subject, len(ways), f"{counted(len(ways), noun)} {text}")


def _is_for_buses(tags: Tags) -> bool:
    return tags["highway"] in _BUS_ROADS or (
        "no" in (tags.get(key) for key in ("access", "vehicle", "motor_vehicle", "motorcar"))
        and not {"yes", "designated"}.isdisjoint((tags.get("bus"), tags.get("psv")))
    )


def _kinds(ways: Iterable[Way], most: int = 6) -> str:
    counts = Counter(way.tags["highway"] for way in ways).most_common()
    return ", ".join(f"{kind} {count}" for kind, count in counts[:most]) + (", …" if len(counts) > most else "")


def _names(ways: Iterable[Way]) -> str:
    return some([f"way {way.number}" for way in ways])


def _lanes(roads: Sequence[Way], network: Network) -> Iterator[Notice]:
    """Yield notices about roads of the network that differ from those of the map."""
    assumed = [way for way in roads if "lanes" not in way.tags or not any(key in way.tags for key in _SPEEDS)]
    rows = [
        (
            "import.lanes_unreadable", _with_values(roads, lambda key, value: "lanes" in key and not _WHOLE_NUMBER.fullmatch(value)),
            "with a number of lanes that is no whole number; the default of the type of road is taken",
        ),
        (
            "import.roads_unlikely", _with_values(roads, _is_unlikely),
            f"with more than {_MOST_LANES} lanes or a speed limit outside {_LEAST_KMH:g} to {_MOST_KMH:g} km/h; taken as they are",
        ),
        (
            "import.lanes_change",
            [
                f"way {way.number}"
                for way in roads
                if way.tags.get("oneway", "").lower() not in _ONEWAY or "lanes:both_ways" in way.tags
            ],
            "with lanes for both or for changing directions; each lane has one fixed direction",
        ),
        (
            "import.lanes_narrow", [f"way {number}" for number in network.narrow],
            "with lanes narrower than a vehicle (lanes=1 for both directions, or a small width), on which the bodies of vehicles that "
            "meet overlap",
        ),
        (
            "import.conditional", [f"way {way.number}" for way in roads if any(key.endswith(":conditional") for key in way.tags)],
            "with rules for certain hours or vehicles (…:conditional), which are ignored",
        ),
        (
            "import.roads_assumed", [f"way {way.number}" for way in assumed],
            f"(of {len(roads):,} in the network) without a number of lanes or a speed limit; SUMO's defaults of their types are taken, such as 50 km/h on "
            "residential and 100 km/h on primary roads",
        ),
        (
            "import.tunnel", [f"way {way.number}" for way in roads if is_tunnel(way.tags)],
            "in tunnels; the world is flat, so their vehicles are seen and heard at the height of the ground",
        ),
        (
            "import.bridge", [f"way {way.number}" for way in roads if is_bridge(way.tags)],
            "on bridges; the world is flat, so their vehicles are at the height of the ground",
        ),
    ]  # fmt: skip
    for subject, names, text in rows:
        if names:
            yield Notice(subject, len(names), f"{counted(len(names), 'road')} {text} ({some(names)})")


def _with_values(roads: Iterable[Way], is_wrong: Callable[[str, str], bool]) -> list[str]:
    """Return the roads of which the number of lanes or the speed limit is wrong, with the first such tag."""
    keys = ("lanes", "lanes:forward", "lanes:backward", "maxspeed", "maxspeed:forward", "maxspeed:backward")
    wrong = []
    for way in roads:
        tag = next((key for key in keys if key in way.tags and is_wrong(key, way.tags[key])), None)
        if tag is not None:
            wrong.append(f"way {way.number}: {tag}={way.tags[tag]}")
    return wrong


def _is_unlikely(key: str, value: str) -> bool:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(mph|knots|km/h|kmh)?", value)
    if match is None:
        return False
    number = float(match[1])
    if "lanes" in key:
        return number > _MOST_LANES
    return not _LEAST_KMH <= number * {"mph": 1.609, "knots": 1.852}.get(match[2] or "", 1.0) <= _MOST_KMH


def side_notices(osm: OsmMap, is_left: bool, reason: str) -> Iterator[Notice]:
    """Yield notices if traffic drives on the left by a guess, and if something of the map contradicts the side.

    Args:
        osm: The extract.
        is_left: Whether traffic drives on the left.
        reason: How the side was found; empty if it was given.
    """
    against, signs = against_side(osm, is_left)
    if against:
        side = "left" if is_left else "right"
        yield Notice(
            "map.driving_side", against,
            f"traffic drives on the {side}{f' ({reason})' if reason else ''}, but this contradicts it: {signs}; `--driving-side` sets the side",
        )  # fmt: skip
    if is_left and reason:
        yield Notice(
            "import.left_hand", 1,
            f"traffic drives on the left: {reason}; `--driving-side right` changes it",
        )  # fmt: skip


def network_notices(output: str) -> Iterator[Notice]:
    """Yield a notice about the warnings of netconvert that concern roads; `output` has a line for each warning."""
    kinds: Counter[str] = Counter()
    for line in output.splitlines():
        text = line.removeprefix("Warning: ").strip()
        if text == line.strip() or _NOT_ROADS.search(text):
            continue
        kinds[_kind(text)] += 1
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
