"""How a request names the cells for which it asks: bit by bit, as runs of equal bits, or by blocks of cells. All of it is ours.

The side of the cells and the place and size of the grid are in the request's header (`v2xsim.comms.messages.sizes`).
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

RequestCoding = Literal["bits", "runs", "blocks"]
"""Form of the cells in a request. `bits`: one bit per cell. `runs`: runs of equal bits, or one bit per cell if that is shorter. `blocks`: as
`runs`, with one bit for each square block of cells instead of one for each cell."""

LONGEST_RUN = 128
"""Cells, or blocks, in the longest run: a byte holds whether they are asked for (1 bit) and their number minus 1 (7 bits)."""
BLOCK_SIDE_CELLS = 4
"""Cells along a side of a block. Blocks begin at cell (0, 0); those at the far edges may have fewer cells."""

# First byte of the forms `runs` and `blocks`.
_BY_BITS, _BY_RUNS = 0, 1


def requested(cells: Bool[np.ndarray, "*requests nx ny"], coding: RequestCoding) -> Bool[np.ndarray, "*requests nx ny"]:
    """Return the cells for which a request asks that is to ask for some cells: with `blocks`, all cells of the blocks in which these lie.

    Args:
        cells: Whether each cell is wanted.
        coding: Form of the request.
    """
    if coding != "blocks":
        return cells
    grown = _blocks_of(cells).repeat(BLOCK_SIDE_CELLS, axis=-2).repeat(BLOCK_SIDE_CELLS, axis=-1)
    return grown[..., : cells.shape[-2], : cells.shape[-1]]


def encoded(cells: Bool[np.ndarray, "nx ny"], coding: RequestCoding) -> bytes:
    """Return the part of a request that names its cells; `decoded` returns `requested(cells, coding)` from it.

    Args:
        cells: Whether each cell is wanted; row after row is sent.
        coding: Form of the request.
    """
    if coding == "bits":
        return np.packbits(cells).tobytes()
    flat = (_blocks_of(cells) if coding == "blocks" else cells).reshape(-1)
    runs, bits = _runs_of(flat), np.packbits(flat)
    return bytes([_BY_RUNS]) + runs.tobytes() if len(runs) < len(bits) else bytes([_BY_BITS]) + bits.tobytes()


def decoded(content: bytes, shape: tuple[int, int], coding: RequestCoding) -> Bool[np.ndarray, "nx ny"]:
    """Return the cells for which a request asks.

    Args:
        content: What `encoded` returned.
        shape: Number of cells of the grid in x and y.
        coding: Form of the request.

    Raises:
        ValueError: If the content names another number of cells.
    """
    if coding == "bits":
        return _from_bits(content, shape)
    unit = BLOCK_SIDE_CELLS if coding == "blocks" else 1
    coarse = -(-shape[0] // unit), -(-shape[1] // unit)
    part = _from_runs(content[1:], coarse) if content[:1] == bytes([_BY_RUNS]) else _from_bits(content[1:], coarse)
    return part.repeat(unit, axis=0).repeat(unit, axis=1)[: shape[0], : shape[1]]


def _blocks_of(cells: Bool[np.ndarray, "*requests nx ny"]) -> Bool[np.ndarray, "*requests bx by"]:
    """Return whether a wanted cell lies in each block."""
    side, (nx, ny) = BLOCK_SIDE_CELLS, cells.shape[-2:]
    padded = np.pad(cells, [(0, 0)] * (cells.ndim - 2) + [(0, -nx % side), (0, -ny % side)])
    rows, columns = padded.shape[-2] // side, padded.shape[-1] // side
    return np.asarray(padded.reshape(*cells.shape[:-2], rows, side, columns, side).any(axis=(-3, -1)))


def _runs_of(flat: Bool[np.ndarray, " bits"]) -> UInt8[np.ndarray, " runs"]:
    """Return runs of equal bits, one byte each."""
    begin = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    length = np.diff(begin, append=len(flat))
    parts = -(-length // LONGEST_RUN)
    value, last = flat[begin].repeat(parts), np.cumsum(parts) - 1
    # All parts of a long run are as long as can be, but the last one.
    counted = np.full(len(value), LONGEST_RUN)
    counted[last] = length - LONGEST_RUN * (parts - 1)
    return (value.astype(np.uint8) << 7) | (counted - 1).astype(np.uint8)


def _from_runs(content: bytes, shape: tuple[int, int]) -> Bool[np.ndarray, "nx ny"]:
    runs = np.frombuffer(content, np.uint8)
    return _of_shape((runs >> 7).astype(bool).repeat((runs & (LONGEST_RUN - 1)).astype(np.int64) + 1), shape)


def _from_bits(content: bytes, shape: tuple[int, int]) -> Bool[np.ndarray, "nx ny"]:
    count = shape[0] * shape[1]
    if len(content) != -(-count // 8):
        raise ValueError(f"a request for {shape[0]} x {shape[1]} bits must have {-(-count // 8)} B, got {len(content)}")
    return _of_shape(np.unpackbits(np.frombuffer(content, np.uint8), count=count).astype(bool), shape)


def _of_shape(flat: Bool[np.ndarray, " bits"], shape: tuple[int, int]) -> Bool[np.ndarray, "nx ny"]:
    if len(flat) != shape[0] * shape[1]:
        raise ValueError(f"a request must name {shape[0]} x {shape[1]} bits, got runs of {len(flat)}")
    return flat.reshape(shape)
