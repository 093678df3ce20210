"""Buildings as upright prisms: read from polyconvert's polygons or from the scenario, cleaned and indexed."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.parsers import expat

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.errors import UserError
from v2xsim.notices import Notice
from v2xsim.records import Obstacles, Prisms
from v2xsim.scenario.schema_world import FARTHEST_M, Building, World
from v2xsim.spatial.grid import indexed
from v2xsim.world.building_heights import Provenance, base_height_m, roof_height_m

SMALLEST_M2 = 1.0
"""Smallest area of a building's footprint; a smaller outline is a drawing error or street furniture."""


class BuildingsError(UserError):
    """A file of buildings cannot be read; the message names the file and the reason."""


@dataclass(frozen=True)
class Polygon:
    """A polygon of a SUMO additional file, as written in the file.

    Attributes:
        kind: Type of the polygon, such as building.residential.
        shape: Corners as text, "x,y x,y ...".
        tags: Parameters of the polygon: OpenStreetMap's tags if polyconvert ran with --all-attributes.
    """

    kind: str
    shape: str
    tags: dict[str, str]


@dataclass(frozen=True)
class HeightSources:
    """Numbers of loaded buildings by the source of their height, and numbers of polygons that were left out.

    Attributes:
        height: Number of buildings with a height in the map or in the scenario.
        levels: Number of buildings whose height comes from their number of storeys.
        default: Number of buildings without height and storeys, which get the default height of their type.
        degenerate: Number of polygons left out because they have fewer than three different corners or an area below 1 m2.
        outside: Number of polygons left out because they lie outside the region.
        repeated: Number of polygons left out because their outline occurs a second time: polyconvert writes the building of
            a school both as a school and as a building.
    """

    height: int = 0
    levels: int = 0
    default: int = 0
    degenerate: int = 0
    outside: int = 0
    repeated: int = 0

    @property
    def loaded(self) -> int:
        """Number of buildings in the world."""
        return self.height + self.levels + self.default

    def notices(self, source: str) -> tuple[Notice, ...]:
        """Return what was left out.

        Args:
            source: The file of the buildings, or the key of the scenario that lists them.
        """
        if self.degenerate == 0:
            return ()
        text = (
            f"{source}: {self.degenerate} of {self.degenerate + self.loaded} buildings are left out, because their outline has "
            f"fewer than three different corners or an area below {SMALLEST_M2:g} m2"
        )
        return (Notice("buildings.left_out", self.degenerate, text),)


def _text(path: Path) -> bytes:
    """Return the content of a file; a gzip file is decompressed."""
    if path.is_dir():
        raise BuildingsError(f"{path}: is a folder; a polygon file (.poly.xml) is needed")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BuildingsError(f"{path}: cannot be read ({error.strerror})") from error
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise BuildingsError(f"{path}: damaged gzip file ({error})") from error
    if not raw.strip():
        raise BuildingsError(f"{path}: the file is empty")
    return raw


def read_polygons(path: Path) -> list[Polygon]:
    """Return all polygons of an additional file of SUMO, buildings or not.

    Raises:
        BuildingsError: If the file is missing, damaged or not an additional file of SUMO.
    """
    polygons: list[Polygon] = []
    root: list[str] = []
    tags: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal tags
        if not root:
            root.append(name)
            if name not in ("additional", "add", "polygons", "shapes"):
                raise BuildingsError(f"{path}: root element is <{name}>; a polygon file has <additional>")
        elif name == "poly":
            tags = {}
            polygons.append(Polygon(attributes.get("type", ""), attributes.get("shape", ""), tags))
        elif name == "param":
            tags[attributes.get("key", "")] = attributes.get("value", "")

    def refuse(*_: object) -> None:
        raise BuildingsError(f"{path}: has a document type declaration, which no polygon file needs; remove it")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = (
        refuse  # XML entities are refused: they could grow without bound or name other files.
    )
    try:
        parser.Parse(_text(path), True)
    except expat.ExpatError as error:
        raise BuildingsError(f"{path}: not valid XML ({error})") from error
    return polygons


def building_type(polygon: Polygon) -> str | None:
    """Return the type of building that a polygon represents: "" if the type is unknown, None if it is not a building."""
    tag = polygon.tags.get("building")
    head, _, tail = polygon.kind.partition(".")
    if tag == "no" or (tag is None and head != "building"):
        return None
    return tag if tag is not None else tail


def corners_of(shape: str) -> Float[np.ndarray, "corners 2"]:
    """Return the corners that a text of the form "x,y x,y" or "x,y,z x,y,z" gives; no corners if the text is malformed."""
    points = shape.split()
    try:
        width = len(points[0].split(",")) if points else 2
        corners = np.array(shape.replace(",", " ").split(), float).reshape(len(points), width)[:, :2]
    except ValueError:
        return np.zeros((0, 2))
    return corners if np.isfinite(corners).all() and width >= 2 else np.zeros((0, 2))


def signed_area_m2(corners_m: Float[np.ndarray, "corners 2"]) -> float:
    """Return the area of a closed outline, positive if it runs counter-clockwise (shoelace formula)."""
    local = (
        corners_m - corners_m[:1]
    )  # Coordinates are taken relative to the first corner, because far from the origin the products would lose digits.
    x, y = local[:, 0], local[:, 1]
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def clean_footprint(corners_m: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "kept 2"] | None:
    """Return an outline with its corners counter-clockwise and without repetitions; None if its area is below 1 m2."""
    if len(corners_m) == 0:
        return None
    repeated = (np.abs(corners_m - np.roll(corners_m, 1, axis=0)) < 1e-3).all(axis=1)
    corners = corners_m[~repeated]
    if len(corners) < 3:
        return None
    area = signed_area_m2(corners)
    if abs(area) < SMALLEST_M2:
        return None
    return corners if area > 0 else corners[::-1]


def _prisms(
    outlines: Sequence[Float[np.ndarray, "_corners 2"]], base_m: Sequence[float], top_m: Sequence[float]
) -> Prisms:
    """Return the prisms that have the given outlines as footprints, and the given heights of base and top."""
    if not outlines:
        return Prisms.none()
    offset: Int64[np.ndarray, " n"] = np.concatenate([[0], np.cumsum([len(o) for o in outlines])]).astype(np.int64)
    vertices = np.ascontiguousarray(np.concatenate(outlines), float)
    return Prisms(vertices, offset, np.array(base_m, float), np.array(top_m, float))


def _touches(corners_m: Float[np.ndarray, "corners 2"], region: tuple[float, float, float, float] | None) -> bool:
    """Return whether the bounding rectangle of an outline touches a region; always true if there is no region."""
    if region is None:
        return True
    (x_min, y_min), (x_max, y_max) = corners_m.min(axis=0), corners_m.max(axis=0)
    return bool(x_max >= region[0] and x_min <= region[2] and y_max >= region[1] and y_min <= region[3])


def _outlined(
    items: Iterator[tuple[Float[np.ndarray, "_corners 2"], float, float, Provenance]],
    region: tuple[float, float, float, float] | None,
) -> tuple[Prisms, HeightSources]:
    """Return the prisms of those outlines that are valid and in the region, and the sources of their heights.

    Args:
        items: Outline, height of base and top, and source of the height of each building.
        region: x_min, y_min, x_max and y_max of the region; None for no limit.
    """
    outlines: list[Float[np.ndarray, "_corners 2"]] = []
    base: list[float] = []
    top: list[float] = []
    count: dict[str, int] = dict.fromkeys(("height", "levels", "default", "degenerate", "outside"), 0)
    for corners, base_m, top_m, provenance in items:
        outline = clean_footprint(corners)
        if outline is None:
            count["degenerate"] += 1
        elif not _touches(outline, region):
            count["outside"] += 1
        else:
            outlines.append(outline)
            base.append(base_m)
            top.append(top_m)
            count[provenance] += 1
    return _prisms(outlines, base, top), HeightSources(**count)


def prisms_of_polygons(
    polygons: Sequence[Polygon], region: tuple[float, float, float, float] | None = None
) -> tuple[Prisms, HeightSources]:
    """Return the buildings among the polygons of a SUMO file, and the sources of their heights."""
    kinds = [building_type(polygon) for polygon in polygons]
    buildings = {
        polygon.shape: (polygon, type_name)
        for polygon, type_name in zip(polygons, kinds, strict=True)
        if type_name is not None
    }

    def items() -> Iterator[tuple[Float[np.ndarray, "_corners 2"], float, float, Provenance]]:
        for polygon, type_name in buildings.values():
            top, provenance = roof_height_m(polygon.tags, type_name)
            yield corners_of(polygon.shape), base_height_m(polygon.tags, type_name, top), top, provenance

    prisms, sources = _outlined(items(), region)
    return prisms, replace(sources, repeated=sum(type_name is not None for type_name in kinds) - len(buildings))


def prisms_from(
    buildings: Sequence[Building], region: tuple[float, float, float, float] | None = None
) -> tuple[Prisms, HeightSources]:
    """Return the buildings that a scenario lists, and the sources of their heights."""
    return _outlined(((np.array(b.footprint_m, float), 0.0, b.height_m, "height") for b in buildings), region)


def load_prisms(world: World) -> tuple[Prisms, HeightSources]:
    """Return the buildings that the section `world` of a scenario gives, and the sources of their heights."""
    if isinstance(world.buildings, Path):
        prisms, sources = prisms_of_polygons(read_polygons(world.buildings), world.region)
        if np.abs(prisms.vertices_m).max(initial=0.0) > FARTHEST_M:
            x_m, y_m = prisms.vertices_m[np.abs(prisms.vertices_m).max(axis=1).argmax()]
            raise BuildingsError(
                f"{world.buildings}: buildings must lie within {FARTHEST_M:,.0f} m of the origin, got a corner at {x_m:g}, {y_m:g}; "
                "set world.region to leave it out"
            )
        return prisms, sources
    return prisms_from(world.buildings, world.region)


def joined(first: Prisms, second: Prisms) -> Prisms:
    """Return the prisms of two sets, one after the other."""
    return Prisms(
        np.concatenate([first.vertices_m, second.vertices_m]),
        np.concatenate([first.offset, first.offset[-1] + second.offset[1:]]),
        np.concatenate([first.base_m, second.base_m]),
        np.concatenate([first.top_m, second.top_m]),
    )


def building_notices(world: World, sources: HeightSources) -> tuple[Notice, ...]:
    """Return the notices about the buildings of a world; `sources` as `load_prisms` returns it."""
    return sources.notices(str(world.buildings) if isinstance(world.buildings, Path) else "world.buildings")


def load_obstacles(world: World, extra: Prisms | None = None) -> tuple[Obstacles, HeightSources]:
    """Return the buildings of a world with a grid index, and the sources of their heights.

    Args:
        world: Section `world` of the scenario.
        extra: Buildings of a generated town, in addition to those of the section.
    """
    prisms, sources = load_prisms(world)
    return indexed(joined(prisms, extra) if extra is not None and len(extra) else prisms), sources


def standing_in(prisms: Prisms, rows: Bool[np.ndarray, " prisms"]) -> Prisms:
    """Return the selected prisms of a set."""
    chosen = np.flatnonzero(rows)
    outlines = [prisms.vertices_m[prisms.offset[p] : prisms.offset[p + 1]] for p in chosen]
    return _prisms(outlines, prisms.base_m[chosen].tolist(), prisms.top_m[chosen].tolist())
