"""The polygon file of a town: one polygon for each body, with the tags from which its heights are read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from v2xsim.import_osm.bodies import Body, bodies_of, with_passages
from v2xsim.import_osm.building_tags import building_of, part_of
from v2xsim.import_osm.losses import building_notices
from v2xsim.import_osm.mapped_areas import mapped_buildings
from v2xsim.import_osm.osm_map import OsmMap
from v2xsim.import_osm.projection import positions_m
from v2xsim.import_osm.road_losses import passage_notices
from v2xsim.import_osm.roads import carries_cars, corridor, is_passage, is_tunnel, line_of, roads_of, through_buildings
from v2xsim.import_osm.structures import structure_notices, walls_of
from v2xsim.mobility.origins import net_offset_m
from v2xsim.notices import Notice
from v2xsim.world.footprints import HEADROOM_M
from v2xsim.world.outlines import footprints_of
from v2xsim.world.polygon_file import notice_line

BUILDINGS = "town.poly.xml"

# Tags that the file of the buildings keeps: those that a height, an underside or a type is read from.
_KEPT = (
    "building", "building:part", "height", "building:height", "est_height", "building:levels", "roof:levels", "roof:height",
    "min_height", "building:min_height", "building:min_level", "min_level", "wall", "walls", "name",
)  # fmt: skip


def write_buildings(folder: Path, osm: OsmMap, earlier: Sequence[Notice]) -> list[Notice]:
    """Write the buildings and walls of an extract as polygons in the coordinates of its network; return what is lost on the way.

    Args:
        folder: Folder with the network `town.net.xml`; the polygons become `town.poly.xml`.
        osm: The extract.
        earlier: Notices about the roads, which the file keeps together with those about buildings.
    """
    roads = roads_of(osm)
    barriers = [way for way in osm.ways.values() if way.tags.get("barrier") and not building_of(way.tags)]
    rings = {number for relation in osm.relations for element, number, _ in relation.members if element == "way"}
    areas = [way for way in osm.ways.values() if building_of(way.tags) or part_of(way.tags) or way.number in rings]
    position_m = positions_m(folder, osm, (node for way in (*roads, *barriers, *areas) for node in way.nodes))
    buildings = mapped_buildings(osm, position_m)
    corridors = [corridor(way, position_m) for way in roads]
    passages = [space for way, space in zip(roads, corridors, strict=True) if is_passage(way.tags)]
    mapped = bodies_of(buildings)
    bodies = with_passages(mapped, passages, corridors)
    walls, not_modelled = walls_of(barriers, position_m, [space.area_m for space in corridors])
    on_the_ground = [body.area_m for body in bodies if body.heights_m[0] < HEADROOM_M]
    open_roads = {
        way.number: line_of(way, position_m) for way in roads if carries_cars(way.tags) and not is_tunnel(way.tags)
    }
    through = through_buildings(open_roads, on_the_ground)
    # A road through a wall has an opening there, although the map does not say so.
    openings = [space for way, space in zip(roads, corridors, strict=True) if way.number in through]
    bodies = with_passages(bodies, openings, [])
    standing = {body.name for body in bodies}
    buildings.lost["nothing left beside a passage"] = [
        name for name in dict.fromkeys(body.name for body in mapped) if name not in standing
    ]
    notices = [
        *building_notices(buildings.lost),
        *structure_notices(osm, not_modelled),
        *passage_notices([space.name for space in openings]),
    ]
    text = "".join(_polygons([*bodies, *walls]))
    head = "".join(notice_line(notice) for notice in (*earlier, *notices))
    (folder / BUILDINGS).write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<additional>\n'
        f'  <location netOffset="{net_offset_m(folder / "town.net.xml")}"/>\n{text}</additional>\n',
        encoding="utf-8",
    )
    return notices


def keep_notices(folder: Path, notices: Iterable[Notice]) -> None:
    """Add notices to those that the file of the buildings keeps."""
    path = folder / BUILDINGS
    head, start, rest = path.read_text(encoding="utf-8").partition("<additional>\n")
    path.write_text(head + "".join(notice_line(notice) for notice in notices) + start + rest, encoding="utf-8")


def _polygons(bodies: Iterable[Body]) -> Iterable[str]:
    """Yield the polygons of the bodies as elements of an additional file of SUMO."""
    number = 0
    for body in bodies:
        tags = {**{key: body.tags[key] for key in _KEPT if key in body.tags}, "building": body.type_name}
        params = "".join(f"<param key={quoteattr(key)} value={quoteattr(value)}/>" for key, value in tags.items())
        for outline in footprints_of(body.area_m):
            shape = " ".join(f"{x:.2f},{y:.2f}" for x, y in outline)
            yield (
                f'  <poly id="{body.name.replace(" ", "")}#{number}" type={quoteattr("building." + body.type_name)} color="red" fill="1" '
                f'layer="-1" shape="{shape}">{params}</poly>\n'
            )
            number += 1
