"""Positions of OpenStreetMap's nodes in the coordinates of a road network."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from v2xsim.import_osm.osm_map import OsmMap
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.scenario.schema_world import FARTHEST_M


def positions_m(folder: Path, osm: OsmMap, nodes: Iterable[int]) -> dict[int, tuple[float, float]]:
    """Return the positions of nodes in the coordinates of the network `town.net.xml` of a folder.

    SUMO's polyconvert projects them as points of interest, so that buildings and roads have one projection and one origin.
    """
    wanted = [node for node in dict.fromkeys(nodes) if node in osm.position_deg]
    if not wanted:
        return {}
    points = "".join(
        f'<poi id="{node}" lon="{osm.position_deg[node][0]!r}" lat="{osm.position_deg[node][1]!r}"/>\n'
        for node in wanted
    )
    (folder / "nodes.add.xml").write_text(f"<additional>\n{points}</additional>\n", encoding="utf-8")
    run_tool(
        "polyconvert",
        ["--net-file", "town.net.xml", "--xml-files", "nodes.add.xml", "--output-file", "nodes.xml", "--no-warnings"],
        folder,
    )
    position_m = {
        int(poi.get("id", "")): (float(poi.get("x", "nan")), float(poi.get("y", "nan")))
        for _, poi in ET.iterparse(folder / "nodes.xml")
        if poi.tag == "poi"
    }
    for name in ("nodes.add.xml", "nodes.xml"):
        (folder / name).unlink()
    # A node half a world away, by a typing error, has no place in this projection.
    return {node: (x, y) for node, (x, y) in position_m.items() if abs(x) <= FARTHEST_M and abs(y) <= FARTHEST_M}
