"""Which attributes the vehicle types of SUMO's input files set; SUMO itself returns its defaults for those that are not set."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.parsers import expat

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_config import files_of
from v2xsim.mobility.sumo_xml import opened

# Number of bytes that the XML parser gets at once.
_CHUNK_BYTES = 1 << 18

# Options of a configuration that name files with vehicle types.
_OPTIONS = ("additional-files", "route-files", "load-state")


class VehicleTypeFiles:
    """Finds vehicle types in SUMO's input files, and which attributes these set.

    The files are read only as far as needed: SUMO wants a type before its first vehicle, so that large demands are hardly read.

    Args:
        files: Route files, additional files and states, in SUMO's order.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._attributes: dict[str, frozenset[str]] = {}
        self._unread = _types_in(files, set())

    @classmethod
    def of(cls, options: Mapping[str, str], config: Path) -> "VehicleTypeFiles":
        """Return the vehicle types of a configuration, given its options."""
        files: list[Path] = []
        for option in _OPTIONS:
            if option in options:
                files += files_of(options[option], config.absolute().parent, option, config)
        return cls(files)

    def sets(self, type_name: str, attribute: str) -> bool:
        """Return whether the files define a vehicle type and set one of its attributes."""
        # A vehicle with a parameter of its own has a copy of its type, named type@vehicle.
        names = type_name, type_name.partition("@")[0]
        while self._attributes.keys().isdisjoint(names) and (found := next(self._unread, None)) is not None:
            self._attributes.setdefault(*found)
        return attribute in next((self._attributes[name] for name in names if name in self._attributes), ())


def _types_in(files: Iterable[Path], known: set[Path]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the name of each vehicle type in files and in those that they include, with the names of its attributes."""
    for path in files:
        if path.resolve() in known or not path.is_file():
            continue
        known.add(path.resolve())
        try:
            for tag, attributes in _elements(path):
                if tag == "include":
                    yield from _types_in([path.parent / attributes["href"]], known)
                else:
                    yield attributes["id"], frozenset(name for name, value in attributes.items() if value)
        except (
            OSError,
            EOFError,
            zlib.error,
            gzip.BadGzipFile,
            expat.ExpatError,
            LookupError,
            ValueError,
            MobilityError,
        ):
            continue  # SUMO reports what is wrong with the file.


def _elements(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the vehicle types and the includes of an XML file."""
    ready: list[tuple[str, dict[str, str]]] = []

    def started(tag: str, attributes: dict[str, str]) -> None:
        if (tag == "vType" and "id" in attributes) or (tag == "include" and "href" in attributes):
            ready.append((tag, attributes))

    parser = expat.ParserCreate()
    parser.StartElementHandler = started
    with opened(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
            yield from ready
            ready.clear()
        parser.Parse(b"", True)
        yield from ready
