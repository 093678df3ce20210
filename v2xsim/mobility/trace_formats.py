"""What a file is that cannot be read as a trace: another format, a packed file, or one that ends too early."""

import re
from pathlib import Path
from xml.parsers import expat

from v2xsim.mobility.sumo_xml import opened

# First bytes of packed files, with their programs.
_PACKED = (
    (b"PK\x03\x04", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "7-Zip"),
)
_LEAVE_OUT = "a trace must be XML: leave out SUMO's option --output.format"


def not_a_trace(path: Path, error: Exception) -> str:
    """Return why a file is no XML, and what to do, for the message of an error.

    Args:
        path: The file, which can be opened.
        error: The error of the XML parser.
    """
    with path.open("rb") as file:
        begin = file.read(200)
    if not begin:
        return "the file is empty; write the trace again"
    with opened(path) as file:
        begin = file.read(200)
    if not begin.strip():
        return "the file is empty; write the trace again"
    for first, program in _PACKED:
        if begin.startswith(first):
            return f"the file is packed with {program}; unpack it, or pack it with gzip (.xml.gz)"
    if begin.startswith(b"PAR1"):
        return f"not valid XML ({error}); it is a Parquet file, and {_LEAVE_OUT}"
    if re.match(rb"[\w.]+[;,][\w.]+[;,]", begin):
        return f"not valid XML ({error}); it looks like a table of comma-separated values, and {_LEAVE_OUT}"
    if begin.lstrip().startswith((b"{", b"[")):
        return f"not valid XML ({error}); it looks like JSON, and a trace must be XML, as SUMO's option --fcd-output writes it"
    return f"not valid XML ({error}){_advice(error)}"


def _advice(error: Exception) -> str:
    if not isinstance(error, expat.ExpatError):
        return ""
    if error.code in (
        expat.errors.codes[name] for name in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN)
    ):
        return "; the file ends too early: SUMO still writes it, or was stopped while it wrote; write the trace again"
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
        return '; if this is a letter such as ü, the first line must name the encoding, such as <?xml version="1.0" encoding="ISO-8859-1"?>'
    return ""
