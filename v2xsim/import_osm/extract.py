"""Check whether an OpenStreetMap extract can be used, decompress it, and put its elements in order."""

import bz2
import gzip
import zlib
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from v2xsim.errors import UserError


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
    if text[:2] == b"PK":
        raise OsmImportError(f"{source}: is a zip archive; unpack it first")
    if b"OSMHeader" in text[:64]:
        raise OsmImportError(
            f"{source}: is in the format .osm.pbf; convert it with `osmium cat {source.name} -o town.osm`"
        )
    if text.lstrip()[:1] in (b"{", b"["):
        raise OsmImportError(f"{source}: is JSON; an extract in XML is needed (Overpass: `[out:xml];`)")
    roads, nodes, is_sorted = _roads(source, text)
    if roads == 0:
        raise OsmImportError(f"{source}: has no roads (no way with a highway tag)")
    if nodes == 0:
        raise OsmImportError(
            f"{source}: has no nodes; the nodes of the ways are needed, too (Overpass: `(._;>;); out body;`)"
        )
    target.write_bytes(text if is_sorted else _sorted(text))
    return roads


# Order in which netconvert needs the elements; Overpass may write ways before their nodes.
_ORDER = ("bounds", "node", "way", "relation")


def _sorted(text: bytes) -> bytes:
    """Return an extract with nodes before ways, and ways before relations."""
    root = ET.fromstring(text)
    root[:] = sorted(root, key=lambda element: _ORDER.index(element.tag) if element.tag in _ORDER else -1)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _roads(source: Path, text: bytes) -> tuple[int, int, bool]:
    """Return the numbers of roads and of nodes, and whether nodes come before ways and ways before relations."""
    roots: list[str] = []
    count, nodes, last, is_sorted = 0, 0, 0, True

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count, nodes, last, is_sorted
        if not roots:
            roots.append(name)
            if name != "osm":
                raise OsmImportError(f"{source}: is not an OpenStreetMap extract; its root is <{name}>, not <osm>")
        if name == "tag" and attributes.get("k") == "highway":
            count += 1
        nodes += name == "node"
        if name in _ORDER:
            is_sorted &= _ORDER.index(name) >= last
            last = _ORDER.index(name)

    def refuse(*_: object) -> None:
        raise OsmImportError(f"{source}: declares a document type, which an OpenStreetMap extract does not")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise OsmImportError(f"{source}: is not complete XML ({error})") from error
    return count, nodes, is_sorted
