"""Polygons of an additional file of SUMO, such as polyconvert and `v2xsim import-osm` write."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
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
_NO_BUILDING = ("no", "false", "0", "none")
# What SUMO reads as true.
_TRUE = ("1", "true", "yes", "on", "x", "t")
# Attributes of a polygon in SUMO; others are kept as tags, because people write heights there.
_ATTRIBUTES = frozenset({
    "id", "type", "color", "fill", "layer", "shape", "geo", "lineWidth", "angle", "imgFile", "relativePath", "name", "building",
})  # fmt: skip
_ROOTS = ("additional", "add", "polygons", "shapes")


class BuildingsError(UserError):
    """A file or a list of buildings cannot be used; the message names it and the reason."""


@dataclass(frozen=True)
class Polygon:
    """A polygon of a SUMO additional file, as written in the file.

    Attributes:
        kind: Type of the polygon, such as building.residential.
        shape: Corners as text, "x,y x,y ...".
        tags: Parameters of the polygon: OpenStreetMap's tags if polyconvert ran with --all-attributes. Attributes that SUMO does not
            know are among them, after "@".
        name: Its id.
        line: Its line in the file; 0 if it comes from no file.
        is_in_degrees: Whether the file says that its shape is in longitude and latitude.
        repeated: Keys of parameters that it has twice with different values; the last value counts.
    """

    kind: str
    shape: str
    tags: Mapping[str, str]
    name: str = ""
    line: int = 0
    is_in_degrees: bool = False
    repeated: Sequence[str] = ()

    @property
    def place(self) -> str:
        """Id and line, for messages."""
        return self.name or f"line {self.line}"

    @property
    def building_type(self) -> str | None:
        """Type of building that the polygon represents: "" if the type is unknown, None if it is not a building."""
        tag = self.tags.get("building", "").strip()
        head, _, tail = self.kind.strip().partition(".")
        if tag.lower() in _NO_BUILDING or (not tag and head.lower() != "building"):
            return None
        return tag or tail

    @property
    def is_of_unknown_type(self) -> bool:
        """Whether the polygon is neither a building nor of a type that polyconvert writes."""
        return (
            self.building_type is None
            and self.kind.partition(".")[0] not in _KNOWN_TYPES
            and not self.tags.get("building")
        )


class PolygonList(list[Polygon]):
    """The polygons of a file and of those that it includes, with the notices that the file keeps.

    Attributes:
        net_offset_m: Shift from projected coordinates to those of the network for which the file was made, "x,y" as in the file;
            empty if the file does not give it.
        notices: What the program that wrote the file left out, repaired or assumed (`v2xsim import-osm`).
        included: Files that it includes.
        others: Names of the elements of the file that are no polygons, with their numbers.
    """

    net_offset_m: str = ""
    notices: tuple[Notice, ...] = ()
    included: tuple[Path, ...] = ()
    others: Mapping[str, int] = {}


# The name of the processing instruction with which a polygon file keeps a notice. SUMO skips such instructions.
_NOTICE = "v2xsim-notice"


def notice_line(notice: Notice) -> str:
    """Return the line of a polygon file that keeps a notice."""
    return f"<?{_NOTICE} {json.dumps(notice.as_object()).replace('?>', '? >')}?>\n"


def read_polygons(path: Path) -> PolygonList:
    """Return all polygons of an additional file of SUMO, and of the files that it includes, buildings or not.

    Raises:
        BuildingsError: If a file is missing, damaged, or not an additional file of SUMO, or if files include each other in a circle.
    """
    return _read(path, (path.absolute(),), set())


def _read(path: Path, chain: tuple[Path, ...], seen: set[Path]) -> PolygonList:
    """Return the polygons of a file and of the files that it includes; each included file is read once.

    Args:
        path: The file.
        chain: Files that include it, and the file itself.
        seen: Files that are included elsewhere; those of this file are added.
    """
    handler = _Handler(path)
    includes = handler.parse(_text(path))
    polygons = handler.polygons
    for line, name in includes:
        file = path.parent / name
        if not name or file.absolute() in chain:
            reason = "includes a file that includes it again" if name else "has an <include> without href"
            raise BuildingsError(f"{path}: {reason} (line {line}: {name or '<include>'}); remove the line")
        if not file.is_file():
            raise BuildingsError(f"{path}: includes {name!r} (line {line}), which is no file in {path.parent}")
        if file.absolute() in seen:
            continue
        seen.add(file.absolute())
        more = _read(file, (*chain, file.absolute()), seen)
        polygons += more
        polygons.included += (file, *more.included)
        polygons.net_offset_m = polygons.net_offset_m or more.net_offset_m
        polygons.notices += more.notices
    return polygons


class _Handler:
    """Collects the polygons of one file while expat parses it."""

    def __init__(self, path: Path) -> None:
        self.polygons = PolygonList()
        self._path, self._roots, self._includes = path, list[str](), list[tuple[int, str]]()
        # Tags of the polygon whose element is open; parameters of other elements, such as points of interest, are nobody's.
        self._tags: dict[str, str] | None = None
        self._repeated: list[str] = []
        self._others: dict[str, int] = {}
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.ProcessingInstructionHandler = self._keep_notice
        # XML entities are refused: they could grow without bound or name other files.
        self._parser.StartDoctypeDeclHandler = self._refuse

    def parse(self, text: bytes) -> list[tuple[int, str]]:
        """Collect the polygons of a file; return the lines and names of the files that it includes."""
        try:
            self._parser.Parse(text, True)
        except BuildingsError:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:
            advice = ""
            if "invalid token" in str(error) and not is_utf8(text):
                advice = "; it is not in UTF-8: declare its encoding in the first line, such as <?xml version='1.0' encoding='ISO-8859-1'?>"
            raise BuildingsError(f"{self._path}: not valid XML ({error}){advice}") from error
        self.polygons.others = self._others
        return self._includes

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._roots:
            self._roots.append(name)
            if name not in _ROOTS:
                advice = "; make a scenario from it with `v2xsim import-osm`" if name == "osm" else ""
                raise BuildingsError(f"{self._path}: root element is <{name}>; a polygon file has <additional>{advice}")
        elif name == "poly":
            unknown = {f"@{key}": value for key, value in attributes.items() if key not in _ATTRIBUTES}
            self._repeated = []
            self._tags = unknown | ({"building": attributes["building"]} if "building" in attributes else {})
            self.polygons.append(
                Polygon(
                    attributes.get("type", ""), attributes.get("shape", ""), self._tags, attributes.get("id", ""),
                    self._parser.CurrentLineNumber, attributes.get("geo", "").strip().lower() in _TRUE, self._repeated,
                )
            )  # fmt: skip
        elif name == "location":
            self.polygons.net_offset_m = attributes.get("netOffset", "")
        elif name == "param":
            if self._tags is not None:
                key, value = attributes.get("key", ""), attributes.get("value", "")
                if self._tags.get(key, value) != value:
                    self._repeated.append(key)
                self._tags[key] = value
        elif name == "include":
            self._includes.append((self._parser.CurrentLineNumber, attributes.get("href", "").strip()))
        else:
            self._others[name] = self._others.get(name, 0) + 1

    def _end(self, name: str) -> None:
        if name == "poly":
            self._tags = None

    def _keep_notice(self, target: str, data: str) -> None:
        if target == _NOTICE:
            with suppress(ValueError, KeyError, TypeError, OverflowError):
                kept = json.loads(data)
                self.polygons.notices += (Notice(str(kept["subject"]), int(kept["count"]), str(kept["text"])),)

    def _refuse(self, *_: object) -> None:
        raise BuildingsError(f"{self._path}: has a document type declaration, which no polygon file needs; remove it")


def in_degrees(subject: str) -> BuildingsError:
    """Return the error about outlines in longitude and latitude; `subject` names what is in degrees."""
    return BuildingsError(
        f"{subject} in longitude and latitude; outlines must be in metres with the origin of the roads: convert with "
        "`polyconvert --net-file NET --osm-files OSM --output-file FILE`, or make the scenario with `v2xsim import-osm`"
    )


def is_utf8(text: bytes) -> bool:
    """Return whether a text is encoded in UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


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
    if raw[:2] in (b"PK", b"\x1f\x8b") or raw[:3] == b"BZh" or raw[:6] == b"\xfd7zXZ\x00":
        raise BuildingsError(f"{path}: is packed twice or in another way than with gzip; unpack it first")
    if not raw.strip():
        raise BuildingsError(f"{path}: the file is empty")
    return raw
