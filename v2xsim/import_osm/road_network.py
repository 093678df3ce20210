"""The road network that SUMO's netconvert makes of an extract, and which ways of the map are in it."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from v2xsim.import_osm.osm_map import OsmMap, Tags
from v2xsim.import_osm.roads import carries_cars, roads_of
from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_tools import run_tool

NETWORK, NETWORK_LOG = "town.net.xml", "town.net.log"

# Keys that say who may use a road, the most specific one first; netconvert reads only the last one for cars.
_ACCESS = ("motorcar", "motor_vehicle", "vehicle", "access")
_CLOSED = frozenset({
    "no", "agricultural", "forestry", "agricultural;forestry", "forestry;agricultural", "emergency", "military", "use_sidepath",
})  # fmt: skip
# Bodies of vehicles on lanes that are narrower than this overlap those on the next lane.
_NARROWEST_M = 2.2


@dataclass(frozen=True)
class Network:
    """What the network has of the map.

    Attributes:
        ways: Numbers of the ways that its edges were made of.
        narrow: Numbers of the ways with a lane that is narrower than a vehicle.
        log: What netconvert printed.
    """

    ways: frozenset[int]
    narrow: tuple[int, ...]
    log: str


def is_closed(tags: Tags) -> bool:
    """Return whether the map says that no car uses a road: closed to motor vehicles, out of use, or an area without a course."""
    access = next((tags[key] for key in _ACCESS if key in tags), "yes")
    return access in _CLOSED or "yes" in (tags.get("disused"), tags.get("abandoned"), tags.get("area"))


def closed_roads(osm: OsmMap) -> list[int]:
    """Return the numbers of the roads that no car uses, although they are of a kind for cars."""
    return [way.number for way in roads_of(osm) if carries_cars(way.tags) and is_closed(way.tags)]


def build_network(folder: Path, osm: OsmMap, is_left_hand: bool) -> Network:
    """Make the network of the extract `town.osm.xml` of a folder, without roads that no car uses.

    Args:
        folder: Folder with the extract, for the network and the log of netconvert.
        osm: The extract.
        is_left_hand: Whether traffic drives on the left.

    Raises:
        MobilityError: If no road is open to cars, or netconvert fails.
    """
    closed = closed_roads(osm)
    _close(folder / "town.osm.xml", closed)
    try:
        output = _netconvert(folder, is_left_hand)
        ways, narrow = _ways_in(folder / NETWORK, osm)
        if not ways:
            # Single roads are all that there is, such as a piece of a motorway.
            output = _netconvert(folder, is_left_hand, keeps_single_roads=True)
            ways, narrow = _ways_in(folder / NETWORK, osm)
    except MobilityError as error:
        if "No edges loaded" not in str(error):
            raise
        kinds = Counter(way.tags["highway"] for way in osm.ways.values() if way.tags.get("highway"))
        raise MobilityError(
            f"none of its {kinds.total()} roads and paths is open to cars "
            f"({', '.join(f'{kind} {count}' for kind, count in kinds.most_common(6))}; {len(closed)} closed by their tags); SUMO opens service "
            "roads and tracks to deliveries only, so choose a larger extract"
        ) from error
    (folder / NETWORK_LOG).write_text(output, encoding="utf-8")
    return Network(ways, narrow, output)


def _netconvert(folder: Path, is_left_hand: bool, keeps_single_roads: bool = False) -> str:
    """Make the network, with or without roads that meet no other, and return what netconvert prints."""
    return run_tool(
        "netconvert",
        ["--osm-files", "town.osm.xml", "--output-file", NETWORK, "--geometry.remove", "--ramps.guess",
         "--junctions.join", "--tls.guess-signals", "--tls.discard-simple", "--tls.join", *([] if keeps_single_roads else ["--remove-edges.isolated"]),
         "--keep-edges.by-vclass", "passenger", "--no-turnarounds.except-deadend", "--output.original-names",
         "--osm.turn-lanes", "--osm.lane-access", "--aggregate-warnings", "1000000",
         *(["--lefthand"] if is_left_hand else [])],
        folder,
    )  # fmt: skip


def _close(extract: Path, numbers: Collection[int]) -> None:
    """Set `access=no` on ways of an extract, because netconvert does not read the other keys that close a road."""
    if not numbers:
        return
    document = ET.parse(extract)
    wanted = set(map(str, numbers))
    for way in document.getroot().iter("way"):
        if way.get("id") in wanted:
            for tag in way.findall("tag"):
                if tag.get("k") in _ACCESS:
                    way.remove(tag)
            ET.SubElement(way, "tag", {"k": "access", "v": "no"})
    document.write(extract, encoding="utf-8", xml_declaration=True)


def _ways_in(network: Path, osm: OsmMap) -> tuple[frozenset[int], tuple[int, ...]]:
    """Return the numbers of the ways of a network's edges, and of those with a narrow lane."""
    ways: set[int] = set()
    narrow: dict[int, None] = {}
    for _, edge in ET.iterparse(network):
        if edge.tag != "edge":
            continue
        if edge.get("function") is None:
            texts = [param.get("value", "") for param in edge.iter("param") if param.get("key") == "origId"]
            numbers = {int(text) for text in re.findall(r"-?\d+", " ".join(texts))}
            own = {number for n in numbers for number in (n, -n) if number in osm.ways}
            ways |= own
            width_m = min((float(lane.get("width", "inf")) for lane in edge.iter("lane")), default=float("inf"))
            if width_m < _NARROWEST_M:
                narrow |= dict.fromkeys(sorted(own))
        edge.clear()
    return frozenset(ways), tuple(narrow)
