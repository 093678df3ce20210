"""Check whether an OpenStreetMap extract can be used, decompress it, and put its elements in order."""

import bz2
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from v2xsim.errors import UserError
from v2xsim.world.like_keys import like
from v2xsim.world.polygon_file import is_utf8

_PACKINGS = {
    b"PK": "a zip archive", b"7z\xbc\xaf": "a 7-Zip archive", b"\xfd7zXZ": "packed with xz", b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"\x1f\x8b": "packed with gzip twice", b"BZh": "packed twice",
}  # fmt: skip


class OsmImportError(UserError):
    """An extract cannot be turned into a scenario; the message has the file and the reason."""


def unpacked(source: Path, target: Path) -> int:
    """Copy an OpenStreetMap extract, decompressing gzip and bzip2; return its number of ways with a highway tag.

    Raises:
        OsmImportError: If the extract is missing, empty, damaged, not an OpenStreetMap file, or without roads.
    """
    if not source.exists():
        raise OsmImportError(f"{source}: there is no such file")
    if source.is_dir():
        raise OsmImportError(f"{source}: is a folder; an OpenStreetMap extract (.osm, .osm.xml, .gz, .bz2) is needed")
    try:
        raw = source.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else bz2.decompress(raw) if raw[:3] == b"BZh" else raw
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise OsmImportError(f"{source}: cannot be read or unpacked ({error})") from error
    if not text.strip():
        raise OsmImportError(f"{source}: is empty")
    packing = next((name for start, name in _PACKINGS.items() if text.startswith(start)), None)
    if packing is not None:
        raise OsmImportError(f"{source}: is {packing}; unpack it first")
    if text[:6] == b"\xff\xe0\x04o5m":
        raise OsmImportError(f"{source}: is in the format .o5m; convert it with `osmconvert {source.name} -o=town.osm`")
    if b"OSMHeader" in text[:64]:
        raise OsmImportError(
            f"{source}: is in the format .osm.pbf; convert it with `osmium cat {source.name} -o town.osm`"
        )
    if text.lstrip()[:1] in (b"{", b"["):
        raise OsmImportError(f"{source}: is JSON; an extract in XML is needed (Overpass: `[out:xml];`)")
    check = _Check(source)
    check.run(text)
    if check.roads == 0:
        hint = f", but one with {check.mistyped!r}; correct the key" if check.mistyped else ""
        raise OsmImportError(f"{source}: has no roads (no way with a highway tag{hint})")
    if check.nodes == 0:
        raise OsmImportError(
            f"{source}: has no nodes; the nodes of the ways are needed, too (Overpass: `(._;>;); out body;`)"
        )
    target.write_bytes(text if check.is_sorted else _sorted(text))
    return check.roads


# Order in which netconvert needs the elements; Overpass may write ways before their nodes.
_ORDER = ("bounds", "node", "way", "relation")


def _sorted(text: bytes) -> bytes:
    """Return an extract with nodes before ways, and ways before relations."""
    root = ET.fromstring(text)
    root[:] = sorted(root, key=lambda element: _ORDER.index(element.tag) if element.tag in _ORDER else -1)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


@dataclass
class _Check:
    """What the elements of an extract are, found in one pass; a value that no program can use is refused with its line.

    Attributes:
        source: The extract, for messages.
        roads: Number of ways with a highway tag.
        mistyped: A key of a way that is almost `highway`; empty if there is none.
        nodes: Number of nodes.
        is_sorted: Whether nodes come before ways, and ways before relations.
    """

    source: Path
    roads: int = 0
    mistyped: str = ""
    nodes: int = 0
    is_sorted: bool = True
    _depth: int = 0
    _last: int = 0
    _kind: str = ""

    def run(self, text: bytes) -> None:
        """Read the whole extract."""
        parser = expat.ParserCreate()

        def start(name: str, attributes: dict[str, str]) -> None:
            self._start(name, attributes, parser.CurrentLineNumber)

        def end(_: str) -> None:
            self._depth -= 1

        def refuse(*_: object) -> None:
            raise OsmImportError(f"{self.source}: declares a document type, which an OpenStreetMap extract does not")

        parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, refuse
        try:
            parser.Parse(text, True)
        except OsmImportError:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:
            advice = (
                ""
                if is_utf8(text) or "invalid token" not in str(error)
                else "; it is not in UTF-8 and declares no other encoding"
            )
            raise OsmImportError(f"{self.source}: is not complete XML ({error}){advice}") from error

    def _start(self, name: str, attributes: dict[str, str], line: int) -> None:
        if self._depth == 0 and name != "osm":
            advice = (
                "; apply the changes to an extract first, with `osmium apply-changes`" if name == "osmChange" else ""
            )
            raise OsmImportError(
                f"{self.source}: is not an OpenStreetMap extract; its root is <{name}>, not <osm>{advice}"
            )
        if self._depth == 1:
            self._kind = name
        elif name in ("node", "way", "relation"):
            raise OsmImportError(f"{self.source}: <{name}> must be directly in <osm> (line {line})")
        self._depth += 1
        if name in ("node", "way", "relation"):
            self._number(name, "id", attributes, line)
        elif name in ("nd", "member"):
            self._number(name, "ref", attributes, line)
        if name == "node" and attributes.get("action") != "delete" and attributes.get("visible") != "false":
            self._degrees("lat", 90.0, attributes, line)
            self._degrees("lon", 180.0, attributes, line)
        if name == "tag" and self._kind == "way":
            key = attributes.get("k", "")
            self.roads += key == "highway"
            if like(key, ("highway",)):
                self.mistyped = key
        self.nodes += name == "node"
        if name in _ORDER:
            self.is_sorted &= _ORDER.index(name) >= self._last
            self._last = _ORDER.index(name)

    def _number(self, name: str, key: str, attributes: dict[str, str], line: int) -> None:
        try:
            is_usable = abs(int(attributes.get(key, ""))) < 2**63
        except ValueError:
            is_usable = False
        if not is_usable:
            raise OsmImportError(
                f"{self.source}: {key} of a <{name}> must be a whole number, got {attributes.get(key)!r} (line {line})"
            )

    def _degrees(self, key: str, limit: float, attributes: dict[str, str], line: int) -> None:
        text = attributes.get(key)
        try:
            is_usable = abs(float(text or "")) <= limit
        except ValueError:
            is_usable = False
        if not is_usable:
            raise OsmImportError(
                f"{self.source}: {key} of node {attributes['id']} must be a number of degrees from {-limit:g} to {limit:g}, "
                f"got {text!r} (line {line})"
            )
