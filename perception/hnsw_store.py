"""The index's arrays: laid out for the cache, grown, written to a flat file and read back with every field checked.

File: MAGIC, version and header length as 32-bit integers, a JSON header (settings, and type and shape of each array), the
arrays in little-endian order, and the SHA-256 of all before it. Nothing in it is ever executed; that links and states are
in range is checked too, so that a file made by hand cannot lead a kernel outside its arrays.
"""

import hashlib
import json
import struct
from typing import Any

import numpy as np

from v2xsim.errors import UserError
from v2xsim.perception.hnsw_search import DOOMED, ENTRY, FREE, TOP, Graph
from v2xsim.perception.hnsw_simd import LANES

MAGIC = b"V2XHNSW\x00"
VERSION = 1
_LINE_BYTES = 64
_TYPES = {
    "vectors": "<f4", "links": "<i4", "degree": "<i4", "tree": "<i4", "level": "<i4", "first": "<i4",
    "upper_links": "<i4", "upper_degree": "<i4", "state": "|u1", "label": "<i8", "head": "<i8",
}  # fmt: skip


def padded(dim: int) -> int:
    """Return the floats a vector takes, whole SIMD steps."""
    return -(-dim // LANES) * LANES


def aligned(shape: tuple[int, ...], dtype: Any, fill: int = 0) -> np.ndarray:
    """Return an array that begins on a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _LINE_BYTES, np.uint8)
    begin = -memory.ctypes.data % _LINE_BYTES
    array = memory[begin : begin + size].view(dtype).reshape(shape)
    if fill:
        array[...] = fill
    return array


def empty_graph(dim: int, m: int, rows: int, upper: int) -> Graph:
    """Return a graph without items."""
    return Graph(
        vectors=aligned((rows, padded(dim)), np.float32),
        links=aligned((rows, 2 * m), np.int32, -1),
        degree=np.zeros(rows, np.int32),
        tree=np.zeros(rows, np.int32),
        level=np.zeros(rows, np.int32),
        first=np.full(rows, -1, np.int32),
        upper_links=aligned((upper, m), np.int32, -1),
        upper_degree=np.zeros(upper, np.int32),
        state=np.zeros(rows, np.uint8),
        label=np.full(rows, -1, np.int64),
        head=np.array([-1, -1], np.int64),
    )


def resized(graph: Graph, rows: int, upper: int) -> Graph:
    """Return the graph with other numbers of rows; what is cut off must be unused."""
    grown = empty_graph(graph.vectors.shape[1], graph.upper_links.shape[1], rows, upper)
    for name, old, new in zip(Graph._fields, graph, grown, strict=True):
        count = len(new) if name == "head" else min(len(old), len(new))
        new[:count] = old[:count]
    return grown


def to_bytes(settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Return the file's content."""
    shapes = {name: [array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in arrays.items()}
    header = json.dumps({"settings": settings, "arrays": shapes}, sort_keys=True).encode()
    parts = [MAGIC, struct.pack("<II", VERSION, len(header)), header]
    parts += [np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<"), copy=False).tobytes() for a in arrays.values()]
    # Arrays are read back in the header's order, which is sorted.
    parts[3:] = [part for _, part in sorted(zip(arrays, parts[3:], strict=True))]
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def from_bytes(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return settings and arrays of a file's content.

    Raises:
        UserError: If it is no such file, of another version, cut short or changed.
    """
    if len(data) < 48 or data[:8] != MAGIC:
        raise UserError(f"{name}: must be an index saved by v2xsim's save_index; it begins with {data[:8]!r}")
    version, length = struct.unpack_from("<II", data, 8)
    if version != VERSION:
        raise UserError(f"{name}: must be of format version {VERSION}, is {version}; build the index anew")
    if hashlib.sha256(data[:-32]).digest() != data[-32:]:
        raise UserError(f"{name}: checksum does not match, the file is cut short or changed; build the index anew")
    try:
        header = json.loads(data[16 : 16 + length])
        arrays, offset = {}, 16 + length
        for key, (dtype, shape) in header["arrays"].items():
            kind, count = np.dtype(str(dtype)), int(np.prod([int(s) for s in shape], dtype=np.int64))
            if kind.hasobject or count < 0 or offset + count * kind.itemsize > len(data) - 32:
                raise ValueError(f"array {key} does not fit")
            arrays[key] = np.frombuffer(data, kind, count, offset).reshape(shape)
            offset += count * kind.itemsize
        settings = dict(header["settings"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: header cannot be read ({error}); build the index anew") from error
    return settings, arrays


def graph_from(arrays: dict[str, np.ndarray], dim: int, m: int, name: str) -> Graph:
    """Return a graph of arrays read from a file.

    Raises:
        UserError: If they do not make a graph.
    """
    try:
        rows, upper = len(arrays["state"]), len(arrays["upper_degree"])
        graph = empty_graph(dim, m, rows, upper)
        for field, target in zip(Graph._fields, graph, strict=True):
            if arrays[field].shape != target.shape or arrays[field].dtype != np.dtype(_TYPES[field]):
                raise ValueError(f"{field} has shape {arrays[field].shape} and type {arrays[field].dtype}")
            target[...] = arrays[field]
        _check(graph)
    except (ValueError, KeyError) as error:
        raise UserError(f"{name}: no valid index ({error}); build the index anew") from error
    return graph


def _check(graph: Graph) -> None:
    """Raise ValueError if an entry leads outside the arrays."""
    rows, upper = len(graph.state), len(graph.upper_degree)
    used = graph.state != FREE
    last = graph.first + graph.level
    at = np.arange(graph.links.shape[1])
    entry = int(graph.head[ENTRY])
    held = at < graph.degree[:, None]
    held_upper = np.arange(graph.upper_links.shape[1]) < graph.upper_degree[:, None]
    target = graph.links[held]
    target_upper = graph.upper_links[held_upper]
    wrong = {
        "states": (graph.state > DOOMED).any(),
        "degrees": ((graph.degree < 0) | (graph.degree > graph.links.shape[1])).any()
        or ((graph.upper_degree < 0) | (graph.upper_degree > graph.upper_links.shape[1])).any(),
        "tree edges": ((graph.tree < 0) | (graph.tree > graph.degree)).any(),
        "levels": ((graph.level < 0) | ((graph.level > 0) & ((graph.first < 0) | (last > upper)))).any(),
        "links": ((target < 0) | (target >= rows)).any() or ((target_upper < 0) | (target_upper >= rows)).any(),
        "vectors": not np.isfinite(graph.vectors).all(),
        "entry": (entry < 0) == bool(used.any()) or entry >= rows,
    }
    if not any(wrong.values()):
        # A link on a level must lead to a row that is used and has that level.
        wrong["links to unused rows"] = not used[target].all()
        for lc in range(1, int(graph.level.max(initial=0)) + 1):
            at_level = graph.first[graph.level >= lc] + lc - 1
            reached = graph.upper_links[at_level][held_upper[at_level]]
            wrong["upper links"] = wrong.get("upper links", False) or (graph.level[reached] < lc).any()
        wrong["top"] = entry >= 0 and int(graph.head[TOP]) != int(graph.level[entry])
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"{what} out of range")
