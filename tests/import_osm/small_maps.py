"""Small OpenStreetMap extracts, drawn in metres east and north of the lower left corner of a square of roads."""

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np
import shapely

from v2xsim.import_osm.town import roads_and_buildings
from v2xsim.scenario.schema_world import World
from v2xsim.world.buildings import load_prisms

# Metres of a degree at 50 degrees north (WGS 84), times the scale of UTM at its central meridian, 9 degrees east.
NORTH_M, EAST_M = 111_229.0 * 0.9996, 71_695.8 * 0.9996
SIDE_M = 1000.0


@dataclass
class Drawing:
    """An extract under construction; nodes at the same place are one node."""

    west_deg: float = 9.0
    south_deg: float = 50.0
    nodes: dict[tuple[float, float], int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    number: int = 1000

    def way(self, corners, **tags):
        """Add a way over corners (x, y) and return its number; underscores in keys are colons."""
        refs = [self.nodes.setdefault((float(x), float(y)), len(self.nodes) + 1) for x, y in corners]
        return self._add("way", "".join(f'<nd ref="{ref}"/>' for ref in refs), tags)

    def ring(self, corners, **tags):
        """Add a closed way."""
        return self.way([*corners, corners[0]], **tags)

    def relation(self, *members, **tags):
        """Add a relation with members (number of a way, role)."""
        return self._add(
            "relation", "".join(f'<member type="way" ref="{n}" role="{role}"/>' for n, role in members), tags
        )

    def raw(self, text):
        """Add an element as text."""
        self.lines.append(text)

    def _add(self, kind, content, tags):
        self.number += 1
        said = "".join(
            f"<tag k={quoteattr(key.replace('__', ':'))} v={quoteattr(value)}/>" for key, value in tags.items()
        )
        self.lines.append(f'<{kind} id="{self.number}" version="1">{content}{said}</{kind}>')
        return self.number

    def text(self):
        """Return the extract with a square of roads round everything."""
        square = [(0, 0), (SIDE_M, 0), (SIDE_M, SIDE_M), (0, SIDE_M)]
        for start, end in zip(square, square[1:] + square[:1], strict=True):
            self.way([start, end], highway="residential", lanes="2", maxspeed="50")
        nodes = "".join(
            f'<node id="{number}" version="1" lat="{self.south_deg + y / NORTH_M:.9f}" lon="{self.west_deg + x / EAST_M:.9f}"/>'
            for (x, y), number in self.nodes.items()
        )
        return f'<osm version="0.6">{nodes}{"".join(sorted(self.lines, key=_kind))}</osm>'


def _kind(line):
    return ("<node", "<way", "<relation").index(line.partition(" ")[0])


@dataclass
class Town:
    """What an import makes of a drawing."""

    solids: list
    notices: dict
    kept: dict
    folder: object

    def top_m(self, x, y):
        """Return the height of the highest roof over a place; 0 in the open."""
        return max((top for shape, _, top in self.solids if shape.contains(shapely.Point(x, y))), default=0.0)

    def base_m(self, x, y):
        """Return the height of the lowest underside over a place; infinity in the open."""
        return min((base for shape, base, _ in self.solids if shape.contains(shapely.Point(x, y))), default=np.inf)

    def ground_m2(self):
        """Return the area of all that stands on the ground."""
        return shapely.union_all([shape for shape, base, _ in self.solids if base == 0]).area


def imported(drawing, tmp_path, **options):
    """Return the roads and buildings of a drawing."""
    source, folder = tmp_path / "small.osm", tmp_path / "town"
    source.write_text(drawing.text(), encoding="utf-8")
    folder.mkdir()
    notices = roads_and_buildings(source, folder, **options)
    prisms, sources = load_prisms(World(buildings=folder / "town.poly.xml"))
    rings = [prisms.vertices_m[a:b] for a, b in zip(prisms.offset, prisms.offset[1:], strict=False)]
    solids = [
        (shapely.make_valid(shapely.Polygon(ring)), base, top)
        for ring, base, top in zip(rings, prisms.base_m, prisms.top_m, strict=True)
    ]
    kept = {notice.subject: notice.count for notice in sources.notices("town.poly.xml")}
    return Town(solids, {notice.subject: notice for notice in notices}, kept, folder)
