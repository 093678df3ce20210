"""Descriptors of perception matrices: vectors of fixed length, so that an index finds good helpers among thousands.

Exact matching compares matrices cell by cell. With descriptors, exact matching runs only on the few helpers that the
index returns. There are three forms, each for a different question:

- The complement answers: which station saw what I cannot see? Its query is made from blind weights, its stored form from
  observed cells. The expectation of their inner product is proportional to the gain of matching.
- Rings answer: which station is at a similar place, whatever its heading? Their entries are the free and occupied share
  of each ring around a station, and its variation around the ring. The entries do not change when the station turns.
- The pooled form answers: what did a station see around it, in the orientation of the map? Its entries are the station's
  matrix in coarse cells.

The complement does not measure similarity: query and stored form differ, so it needs an index of inner products.
"""

import numpy as np
from jaxtyping import Float, Float32

from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, PerceptionMatrix

# Constants of the hash function splitmix64, which maps coarse cells to entries and signs.
_MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def complement_query(
    matrix: PerceptionMatrix, weight: Float[np.ndarray, "nx ny"], dim: int, block: int = 4
) -> Float32[np.ndarray, " dim"]:
    """Return the query descriptor of a station: a sketch of its blind weight over the cells of the world.

    Args:
        matrix: Perception matrix of the station; only its window is used.
        weight: Weight of each cell that the station does not see; 0 for cells that it sees (W B in
            perception.matching.gain).
        dim: Number of entries of the descriptor; more entries give a more exact gain.
        block: Side length of a coarse cell, in cells.
    """
    return _sketch(matrix, weight, dim, block, mean=False)


def complement_stored(matrix: PerceptionMatrix, dim: int, block: int = 4) -> Float32[np.ndarray, " dim"]:
    """Return the stored descriptor of a possible helper: a sketch of the cells of the world that it sees.

    The expectation of the inner product of query and stored form is the sum over coarse cells of blind weight times
    observed share. This sum is the numerator of the gain, at coarse resolution. The standard deviation of the inner
    product is about the product of the lengths of both vectors divided by sqrt(dim).

    References:
        Weinberger, Dasgupta, Langford, Smola and Attenberg, Feature hashing for large scale multitask learning, ICML
        2009, lemma 2; Charikar, Chen and Farach-Colton, Finding frequent items in data streams, ICALP 2002 (count
        sketch). The use of count sketches for matching is our idea.
    """
    return _sketch(matrix, (matrix.code != UNOBSERVED).astype(np.float64), dim, block, mean=True)


def rings(matrix: PerceptionMatrix, position_m: Float[np.ndarray, " 2"], dim: int = 64) -> Float32[np.ndarray, " dim"]:
    """Return a descriptor that does not change when the scene is rotated around the station.

    The area around the station is divided into rings of equal width and 16 sectors. For each ring, the shares of free
    and of occupied cells over the sectors give four Fourier coefficients each, whose magnitudes are the entries. A
    rotation shifts the sectors and leaves the magnitudes unchanged.

    Args:
        matrix: Perception matrix of the station.
        position_m: Position of the station, the centre of the rings.
        dim: Number of entries, a multiple of 8: four coefficients of two kinds for each of dim / 8 rings.

    References:
        Kim and Kim, Scan Context, IROS 2018, for rings and sectors. Using magnitudes instead of a search over shifts is
        our choice.
    """
    ring_count, sectors = dim // 8, 16
    nx, ny = matrix.code.shape
    x = (matrix.lower[0] + np.arange(nx) + 0.5)[:, None] * matrix.cell_m - position_m[0]
    y = (matrix.lower[1] + np.arange(ny) + 0.5)[None, :] * matrix.cell_m - position_m[1]
    reach_m = 0.5 * min(nx, ny) * matrix.cell_m
    ring = np.floor(np.hypot(x, y) / reach_m * ring_count).astype(np.int64)
    sector = np.floor((np.arctan2(y, x) / (2.0 * np.pi) % 1.0) * sectors).astype(np.int64) % sectors
    inside = ring < ring_count
    bin_index = (ring * sectors + sector)[inside]
    size = np.maximum(np.bincount(bin_index, minlength=ring_count * sectors), 1)
    magnitudes = []
    for code in (FREE, OCCUPIED):
        hit = np.bincount(bin_index, (matrix.code == code)[inside], ring_count * sectors)
        # Only magnitudes are kept: a rotation of the scene changes only the phases.
        magnitudes.append(np.abs(np.fft.rfft((hit / size).reshape(ring_count, sectors), axis=1))[:, :4] / sectors)
    return np.concatenate(magnitudes, axis=1).ravel().astype(np.float32)


def pooled(matrix: PerceptionMatrix, side: int = 8) -> Float32[np.ndarray, " entries"]:
    """Divide a matrix into side x side coarse cells; return the share of observed cells in each, then of occupied cells.

    The descriptor is cheap, but it depends on the orientation of the scene.
    """
    rows = np.arange(matrix.code.shape[0]) * side // matrix.code.shape[0]
    columns = np.arange(matrix.code.shape[1]) * side // matrix.code.shape[1]
    bin_index = (rows[:, None] * side + columns[None, :]).ravel()
    size = np.maximum(np.bincount(bin_index, minlength=side * side), 1)
    parts = [
        np.bincount(bin_index, chosen.ravel(), side * side) / size
        for chosen in (matrix.code != UNOBSERVED, matrix.code == OCCUPIED)
    ]
    return np.concatenate(parts).astype(np.float32)


def _sketch(
    matrix: PerceptionMatrix, values: Float[np.ndarray, "nx ny"], dim: int, block: int, mean: bool
) -> Float32[np.ndarray, " dim"]:
    """Return the values of a window as a count sketch over the coarse cells of the world.

    The same coarse cell has the same entry and sign in every descriptor, whatever the position of the window.
    """
    nx, ny = values.shape
    gx = (int(matrix.lower[0]) + np.arange(nx)) // block
    gy = (int(matrix.lower[1]) + np.arange(ny)) // block
    across = int(gy[-1] - gy[0]) + 1
    coarse_cell = ((gx - gx[0])[:, None] * across + (gy - gy[0])[None, :]).ravel()
    total: np.ndarray = np.bincount(coarse_cell, values.ravel())
    if mean:
        total = total / (block * block)
    cell = np.arange(len(total))
    # The products overflow intentionally: this is a hash of the cell's position in the world.
    with np.errstate(over="ignore"):
        key = (gx[0] + cell // across).astype(np.int64).view(np.uint64) * _MIX_1
        key ^= (gy[0] + cell % across).astype(np.int64).view(np.uint64) * _MIX_2
        key = (key ^ (key >> np.uint64(30))) * _MIX_2
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    sign = np.where(key >> np.uint64(63), 1.0, -1.0)
    return np.bincount((key % np.uint64(dim)).astype(np.int64), sign * total, dim).astype(np.float32)
