"""Check whether SUMO can use an OpenStreetMap extract, and decompress it."""

import gzip
import zlib
from pathlib import Path
from xml.parsers import expat

from v2xsim.errors import UserError


class OsmImportError(UserError):
    """An extract cannot be turned into a scenario; the message has the file and the reason."""


def unpacked(source: Path, target: Path) -> int:
    """Copy an OpenStreetMap extract, decompressing gzip; return its number of ways with a highway tag.

    Raises:
        OsmImportError: If the extract is missing, empty, damaged, not an OpenStreetMap file, or without roads.
    """
    if not source.exists():
        raise OsmImportError(f"{source}: there is no such file")
    if source.is_dir():
        raise OsmImportError(f"{source}: is a folder; an OpenStreetMap extract (.osm, .osm.xml, .gz) is needed")
    try:
        raw = source.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise OsmImportError(f"{source}: cannot be read or unpacked ({error})") from error
    if not text.strip():
        raise OsmImportError(f"{source}: is empty")
    roads = _roads(source, text)
    if roads == 0:
        raise OsmImportError(f"{source}: has no roads (no way with a highway tag)")
    target.write_bytes(text)
    return roads


def _roads(source: Path, text: bytes) -> int:
    roots: list[str] = []
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        if not roots:
            roots.append(name)
            if name != "osm":
                raise OsmImportError(f"{source}: is not an OpenStreetMap extract; its root is <{name}>, not <osm>")
        if name == "tag" and attributes.get("k") == "highway":
            count += 1

    def refuse(*_: object) -> None:
        raise OsmImportError(f"{source}: declares a document type, which an OpenStreetMap extract does not")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise OsmImportError(f"{source}: is not complete XML ({error})") from error
    return count
