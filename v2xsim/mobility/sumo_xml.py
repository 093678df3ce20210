"""Read SUMO's XML files in the encoding that they declare, gzipped or not, and write copies of them in the same encoding."""

import gzip
import io
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from v2xsim.mobility.base import MobilityError

# What the files of SUMO are, by root element, and where a scenario or a configuration names them.
_PLACES = {
    "configuration": "it is a SUMO configuration: name it in traffic.sumocfg",
    "sumoConfiguration": "it is a SUMO configuration: name it in traffic.sumocfg",
    "fcd-export": "it is a trace of --fcd-output: name it in traffic.fcd",
    "net": "it is a road network: a SUMO configuration names it with net-file",
    "routes": "it is a route file: a SUMO configuration names it with route-files",
    "additional": "it is an additional file: a SUMO configuration names it with additional-files",
    "netstate": "it is another output of SUMO than --fcd-output",
    "emission-export": "it is another output of SUMO than --fcd-output",
}

# Number of bytes that the XML parser gets at once.
_CHUNK_BYTES = 1 << 18


class _FoundError(Exception):
    """Raised to stop reading where the answer is known."""


@dataclass(frozen=True)
class Document:
    """An XML file in memory.

    Attributes:
        root: Its root element.
        encoding: Encoding that the file declares; UTF-8 if it declares none.
        is_gzip: Whether the file is gzipped.
    """

    root: ET.Element
    encoding: str
    is_gzip: bool

    def write(self, path: Path) -> None:
        """Write the document as it was read: in its encoding, and gzipped if it was."""
        content = ET.tostring(self.root, encoding=self.encoding, xml_declaration=True)
        path.write_bytes(gzip.compress(content) if self.is_gzip else content)


def opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file that may be gzipped, for reading."""
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path) if packed else path.open("rb")


def read_document(path: Path, wanted: str = "a SUMO file") -> Document:
    """Return the content of an XML file.

    Args:
        path: The file.
        wanted: What the file should be, for the message of an error.

    Raises:
        MobilityError: If the file is missing, damaged or not XML.
    """
    declared: list[str | None] = []
    parser = expat.ParserCreate()
    parser.XmlDeclHandler = lambda version, encoding, standalone: declared.append(encoding)
    try:
        with path.open("rb") as probe:
            is_gzip = probe.read(2) == b"\x1f\x8b"
        with opened(path) as file:
            content = file.read()
        root = ET.fromstring(content)
        parser.Parse(content[:4096], False)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MobilityError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise MobilityError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ET.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise MobilityError(f"{path}: not {wanted}: not valid XML ({error})") from error
    return Document(root, (declared[0] if declared else None) or "utf-8", is_gzip)


def place_of(root: str) -> str:
    """Return what a file with a root element is and where it is named, after a semicolon; empty if it is none of SUMO's."""
    return f"; {_PLACES[root]}" if root in _PLACES else ""


def root_of(path: Path) -> str | None:
    """Return the root element of a file; None if it cannot be read, which SUMO reports."""
    found: list[str] = []

    def started(name: str, _: dict[str, str]) -> None:
        found.append(name)
        raise _FoundError

    parser = expat.ParserCreate()
    parser.StartElementHandler = started
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
    except (_FoundError, EOFError, zlib.error, OSError, expat.ExpatError, ValueError, LookupError):
        pass
    return found[0] if found else None


def names_files(path: Path, attributes: Iterable[str]) -> bool:
    """Return whether an element of an XML file has one of the given attributes; the file is never completely in memory.

    Raises:
        MobilityError: If the file is missing, damaged or not XML.
    """
    wanted = set(attributes)

    def started(_: str, present: dict[str, str]) -> None:
        if not wanted.isdisjoint(present):
            raise _FoundError

    parser = expat.ParserCreate()
    parser.StartElementHandler = started
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
    except _FoundError:
        return True
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MobilityError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise MobilityError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MobilityError(f"{path}: not a SUMO file: not valid XML ({error})") from error
    return False
