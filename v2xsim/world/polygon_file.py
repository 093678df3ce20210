"""Polygons of an additional file of SUMO, such as polyconvert and `v2xsim import-osm` write."""

import gzip
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from v2xsim.errors import UserError
from v2xsim.notices import Notice

# First words of the types that polyconvert gives to polygons of OpenStreetMap that are no buildings.
_KNOWN_TYPES = frozenset({
    "aeroway", "amenity", "barrier", "boundary", "bridge", "craft", "emergency", "geological", "highway", "historic",
    "industrial", "landuse", "leisure", "man_made", "military", "natural", "office", "parking", "place", "power",
    "public_transport", "railway", "shop", "sport", "tourism", "water", "waterway", "unknown",
})  # fmt: skip


class BuildingsError(UserError):
    """A file or a list of buildings cannot be used; the message names it and the reason."""


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
    tags: Mapping[str, str]

    @property
    def building_type(self) -> str | None:
        """Type of building that the polygon represents: "" if the type is unknown, None if it is not a building."""
        tag = self.tags.get("building")
        head, _, tail = self.kind.partition(".")
        if tag == "no" or (tag is None and head != "building"):
            return None
        return tag if tag is not None else tail

    @property
    def is_of_unknown_type(self) -> bool:
        """Whether the polygon is neither a building nor of a type that polyconvert writes."""
        return (
            self.building_type is None
            and self.kind.partition(".")[0] not in _KNOWN_TYPES
            and "building" not in self.tags
        )


class PolygonList(list[Polygon]):
    """The polygons of a file, with the notices that the file keeps.

    Attributes:
        net_offset_m: Shift from projected coordinates to those of the network for which the file was made, "x,y" as in the file;
            empty if the file does not give it.
        notices: What the program that wrote the file left out, repaired or assumed (`v2xsim import-osm`).
    """

    net_offset_m: str = ""
    notices: tuple[Notice, ...] = ()


# The name of the processing instruction with which a polygon file keeps a notice. SUMO skips such instructions.
_NOTICE = "v2xsim-notice"


def notice_line(notice: Notice) -> str:
    """Return the line of a polygon file that keeps a notice."""
    return f"<?{_NOTICE} {json.dumps(notice.as_object()).replace('?>', '? >')}?>\n"


def read_polygons(path: Path) -> PolygonList:
    """Return all polygons of an additional file of SUMO, buildings or not.

    Raises:
        BuildingsError: If the file is missing, damaged, in degrees, or not an additional file of SUMO.
    """
    polygons, notices = PolygonList(), list[Notice]()
    root: list[str] = []
    tags: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal tags
        if not root:
            root.append(name)
            if name not in ("additional", "add", "polygons", "shapes"):
                advice = "; make a scenario from it with `v2xsim import-osm`" if name == "osm" else ""
                raise BuildingsError(f"{path}: root element is <{name}>; a polygon file has <additional>{advice}")
        elif name == "poly":
            tags = {}
            polygons.append(Polygon(attributes.get("type", ""), attributes.get("shape", ""), tags))
            if attributes.get("geo", "").strip().lower() in ("1", "true", "yes", "on", "x"):
                raise in_degrees(
                    f"{path}: polygon {attributes.get('id', '')!r} has geo={attributes['geo']!r}, so its shape is"
                )
        elif name == "location":
            polygons.net_offset_m = attributes.get("netOffset", "")
        elif name == "param":
            tags[attributes.get("key", "")] = attributes.get("value", "")

    def keep_notice(target: str, data: str) -> None:
        if target == _NOTICE:
            with suppress(ValueError, KeyError, TypeError, OverflowError):
                kept = json.loads(data)
                notices.append(Notice(str(kept["subject"]), int(kept["count"]), str(kept["text"])))

    def refuse(*_: object) -> None:
        raise BuildingsError(f"{path}: has a document type declaration, which no polygon file needs; remove it")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.ProcessingInstructionHandler = keep_notice
    parser.StartDoctypeDeclHandler = (
        refuse  # XML entities are refused: they could grow without bound or name other files.
    )
    try:
        parser.Parse(_text(path), True)
    except expat.ExpatError as error:
        raise BuildingsError(f"{path}: not valid XML ({error})") from error
    polygons.notices = tuple(notices)
    return polygons


def in_degrees(subject: str) -> BuildingsError:
    """Return the error about outlines in longitude and latitude; `subject` names what is in degrees."""
    return BuildingsError(
        f"{subject} in longitude and latitude; outlines must be in metres with the origin of the roads: convert with "
        "`polyconvert --net-file NET --osm-files OSM --output-file FILE`, or make the scenario with `v2xsim import-osm`"
    )


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
