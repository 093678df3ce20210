"""Whether the buildings of a scenario are those of its road network: of the same origin, and none left in SUMO's own files."""

import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_config import files_of, read_options
from v2xsim.mobility.sumo_xml import opened
from v2xsim.notices import Notice
from v2xsim.scenario.schema_world import Traffic, World
from v2xsim.world.height_sources import HeightSources
from v2xsim.world.polygon_file import BuildingsError, read_polygons

# netconvert and polyconvert round to 1 cm.
_SAME_M = 0.5


def origin_notices(traffic: Traffic, world: World, sources: HeightSources) -> tuple[Notice, ...]:
    """Return notices about buildings for another network than that of the traffic, and about buildings that are not used.

    Files that give no `netOffset`, and networks that cannot be read, are not compared.

    Args:
        traffic: Section `traffic` of the scenario.
        world: Section `world` of the scenario.
        sources: What was read from the polygon file (`v2xsim.world.buildings.load_prisms`).
    """
    network = _network(traffic, world)
    offset_m = _numbers(sources.net_offset_m)
    if network is None or offset_m is None:
        return unused_buildings(traffic, world)
    text = net_offset_m(network)
    network_offset_m = _numbers(text)
    if network_offset_m is None or all(abs(a - b) <= _SAME_M for a, b in zip(offset_m, network_offset_m, strict=True)):
        return ()
    return (
        Notice(
            "buildings.other_origin", 1,
            f"{world.buildings}: was made for a network with netOffset {sources.net_offset_m}, but {network.name} has {text}: the "
            "buildings are shifted against the roads; run polyconvert with this network (--net-file)",
        ),
    )  # fmt: skip


def unused_buildings(traffic: Traffic, world: World) -> tuple[Notice, ...]:
    """Return a notice if SUMO's configuration names a file with buildings, and the scenario has none."""
    if world.buildings or traffic.sumocfg is None:
        return ()
    notices = []
    for path in _files(traffic.sumocfg, "additional-files"):
        try:
            count = sum(polygon.building_type is not None for polygon in read_polygons(path))
        except BuildingsError:
            continue  # Another kind of additional file.
        if count:
            text = (
                f"{traffic.sumocfg}: names {path.name} with {count:,} polygons of buildings, but world.buildings names none, so "
                f"nothing blocks a link; set world.buildings to {path.name}"
            )
            notices.append(Notice("buildings.unused", count, text))
    return tuple(notices)


def net_offset_m(network: Path) -> str:
    """Return the shift from projected coordinates to those of a network, "x,y" as in its file; empty if it has none."""
    try:
        with opened(network) as file:
            for _, element in ET.iterparse(file, events=("start",)):
                if element.tag == "location":
                    return element.get("netOffset", "")
                if element.tag == "edge":
                    break
    except (OSError, EOFError, zlib.error, ET.ParseError, LookupError):
        return ""
    return ""


def _network(traffic: Traffic, world: World) -> Path | None:
    """Return the file of the road network; None if there is none, or if it cannot be found."""
    if traffic.sumocfg is None:
        return world.roads if isinstance(world.roads, Path) else None
    return next(iter(_files(traffic.sumocfg, "net-file")), None)


def _files(sumocfg: Path, option: str) -> list[Path]:
    """Return the files that an option of SUMO's configuration names; none if one of them is missing."""
    try:
        value = read_options(sumocfg).get(option, "")
        return files_of(value, sumocfg.parent, option, sumocfg) if value else []
    except MobilityError:
        return []  # Starting the traffic reports it.


def _numbers(text: str) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return x, y
