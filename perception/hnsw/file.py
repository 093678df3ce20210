"""Files of indexes: written completely or not at all, and checked field by field when they are read.

A file consists of: MAGIC; version and header length as 32-bit integers; a JSON header with the settings and the type
and shape of each array; the arrays in little-endian order; the SHA-256 hash of everything before. Nothing in a file is
ever executed. Links and states are checked to be in range, so that a manipulated file cannot make a kernel read outside
its arrays or loop without end.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError, reason_of
from v2xsim.perception.hnsw.arrays import DOOMED, ENTRY, FREE, TOP, Graph, empty_graph
from v2xsim.perception.hnsw.repair import pieces

MAGIC = b"V2XHNSW\x00"
VERSION = 2
_TYPES = {
    "vectors": "<f4", "links": "<i4", "degree": "<i4", "tree": "<i4", "level": "<i4", "first": "<i4",
    "upper_links": "<i4", "upper_degree": "<i4", "state": "|u1", "label": "<i8", "head": "<i8", "expires": "<f8",
}  # fmt: skip
_CHECKSUM_BYTES = 32

Arrays = dict[str, np.ndarray]


def write(path: str | PathLike[str], settings: dict[str, Any], arrays: Arrays) -> None:
    """Write an index to a file; if this fails, an old file stays unchanged.

    Raises:
        UserError: If the file cannot be written.
    """
    # If the path is a symbolic link, replace the file that it points to, and keep the link.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise UserError(f"{path}: must be a file, or nothing yet, to save an index there")
    try:
        write_atomically(target, to_bytes(settings, arrays))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason_of(error)}; nothing there is changed") from error


def read(path: str | PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return the settings and arrays of an index from a file.

    Raises:
        UserError: If the file is no index, has another version, is truncated or was changed.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: must be a readable index file ({error.strerror})") from error
    return from_bytes(data, str(path))


def size_bytes(settings: dict[str, Any], arrays: Arrays) -> int:
    """Return the size in bytes of the file that `write` would write."""
    return len(_head(settings, arrays)) + sum(array.nbytes for array in arrays.values()) + _CHECKSUM_BYTES


def _head(settings: dict[str, Any], arrays: Arrays) -> bytes:
    shapes = {name: [_TYPES[name], list(array.shape)] for name, array in arrays.items()}
    header = json.dumps({"settings": settings, "arrays": shapes}, sort_keys=True).encode()
    return MAGIC + struct.pack("<II", VERSION, len(header)) + header


def to_bytes(settings: dict[str, Any], arrays: Arrays) -> bytes:
    """Return the content of an index file; the arrays are in the order of their names."""
    parts = [np.ascontiguousarray(arrays[name]).astype(_TYPES[name], copy=False).tobytes() for name in sorted(arrays)]
    body = b"".join([_head(settings, arrays), *parts])
    return body + hashlib.sha256(body).digest()


def from_bytes(data: bytes, name: str) -> tuple[dict[str, Any], Arrays]:
    """Return the settings and arrays from the content of a file; raises the same errors as `read`."""
    if len(data) < 48 or data[:8] != MAGIC:
        raise UserError(f"{name}: must be an index saved by v2xsim's save_index; it begins with {data[:8]!r}")
    version, length = struct.unpack_from("<II", data, 8)
    if version != VERSION:
        raise UserError(f"{name}: must be of format version {VERSION}, is {version}; build the index again")
    end = len(data) - _CHECKSUM_BYTES
    if hashlib.sha256(memoryview(data)[:end]).digest() != data[end:]:
        raise UserError(f"{name}: checksum does not match, the file is cut short or changed; build the index again")
    with sound(name):
        header = json.loads(data[16 : 16 + length])
        arrays, offset = {}, 16 + length
        for key, (dtype_name, shape) in sorted(header["arrays"].items()):
            if dtype_name != _TYPES.get(key) or any(type(side) is not int or side < 0 for side in shape):
                raise ValueError(f"array {key} has type {dtype_name} and shape {shape}")
            # With Python's integers, the product of the shape cannot overflow.
            count = 1
            for side in shape:
                count *= side
            if offset + count * np.dtype(dtype_name).itemsize > end:
                raise ValueError(f"array {key} does not fit")
            arrays[key] = np.frombuffer(data, dtype_name, count, offset).reshape(shape)
            offset += count * np.dtype(dtype_name).itemsize
        return dict(header["settings"]), arrays


@contextmanager
def sound(name: str | PathLike[str]) -> Iterator[None]:
    """Convert any error about a file's content into the error that the file is no valid index."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, MemoryError) as error:
        message = str(error) if isinstance(error, ValueError) else repr(error)
        raise UserError(f"{name}: no valid index ({message}); build the index again") from error


def expect(settings: dict[str, Any], kind: str, space: str, dim: int) -> None:
    """Raise ValueError if a file contains another kind of index than the one to load."""
    stored = tuple(settings.get(key) for key in ("kind", "space", "dim"))
    if stored != (kind, space, dim):
        raise ValueError(f"it holds kind, space and dim {stored}, and {(kind, space, dim)} is to be loaded")


def graph_from(arrays: Arrays, dim: int, m: int) -> Graph:
    """Return a graph from the arrays read from a file.

    Raises:
        ValueError: If the arrays do not form a valid graph.
    """
    rows, upper = len(arrays["state"]), len(arrays["upper_degree"])
    for field, target in zip(Graph._fields, empty_graph(dim, m, 0, 0), strict=True):
        # Check the sizes before anything is allocated, so that a small file cannot make the program allocate all
        # memory.
        length = 2 if field == "head" else upper if field.startswith("upper") else rows
        if arrays[field].shape != (length, *target.shape[1:]):
            raise ValueError(f"{field} has shape {arrays[field].shape}")
    graph = empty_graph(dim, m, rows, upper)
    for field, target in zip(Graph._fields, graph, strict=True):
        target[...] = arrays[field]
    _check_ranges(graph)
    _check_levels(graph)
    _check_tree(graph)
    return graph


def _refuse(label: str, is_wrong: Any) -> None:
    if bool(is_wrong):
        raise ValueError(f"{label} out of range")


def _links(links: Int32[np.ndarray, "n most"], degree: Int32[np.ndarray, " n"]) -> Int32[np.ndarray, " held"]:
    return links[np.arange(links.shape[1]) < degree[:, None]]


def _check_ranges(graph: Graph) -> None:
    """Raise ValueError if an index in the arrays points outside of them."""
    rows, used, entry = len(graph.state), graph.state != FREE, int(graph.head[ENTRY])
    _refuse("states", (graph.state > DOOMED).any())
    _refuse("vectors", not np.isfinite(graph.vectors).all())
    _refuse("entry", (entry < 0) == bool(used.any()) or entry >= rows or (entry >= 0 and not used[entry]))
    for links, degree in ((graph.links, graph.degree), (graph.upper_links, graph.upper_degree)):
        _refuse("degrees", ((degree < 0) | (degree > links.shape[1])).any())
        target = _links(links, degree)
        _refuse("links", ((target < 0) | (target >= rows)).any())
        _refuse("links to unused rows", not used[target].all())
    _refuse("unused rows", (graph.degree[~used] | graph.tree[~used] | graph.level[~used]).any())


def _check_levels(graph: Graph) -> None:
    """Raise ValueError if two items share a row of `upper_links`, or a link leads to an item without that level."""
    level, first, entry = graph.level, graph.first.astype(np.int64), int(graph.head[ENTRY])
    _refuse("levels", ((level < 0) | (level > len(graph.upper_degree))).any())
    tall = np.flatnonzero(level > 0)
    tall = tall[np.argsort(first[tall])]
    end = first[tall] + level[tall]
    _refuse("upper rows", (first[tall] != np.concatenate([[0], end[:-1]])).any() if len(tall) else False)
    _refuse("upper rows", (int(end[-1]) if len(tall) else 0) != len(graph.upper_degree))
    for lc in range(1, int(level.max(initial=0)) + 1):
        at = first[level >= lc] + lc - 1
        _refuse("upper links", (level[_links(graph.upper_links[at], graph.upper_degree[at])] < lc).any())
    _refuse("top", entry >= 0 and not int(graph.head[TOP]) == int(level[entry]) == int(level.max()))


def _check_tree(graph: Graph) -> None:
    """Raise ValueError if the tree edges do not form one tree over all rows in use.

    Rows of deleted items (state DOOMED) count as in use until they are purged.
    """
    _refuse("tree edges", ((graph.tree < 0) | (graph.tree > graph.degree)).any())
    start = np.repeat(np.arange(len(graph.tree)), graph.tree)
    end = _links(graph.links, graph.tree).astype(np.int64)
    count = int((graph.state != FREE).sum())
    forth, back = _pairs(start, end, len(graph.tree)), _pairs(end, start, len(graph.tree))
    _refuse("tree edges", len(start) != 2 * max(count - 1, 0) or not np.array_equal(forth, back))
    _refuse("tree edges", pieces(graph.links, graph.tree, graph.state) != min(count, 1))


def _pairs(start: Int64[np.ndarray, " n"], end: Int64[np.ndarray, " n"], rows: int) -> Int64[np.ndarray, " n"]:
    return np.sort(start * rows + end)
