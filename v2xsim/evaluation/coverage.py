"""Share of the perception matrices of egos that is observed, before fusion and after, and of what announced matrices show of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from numba import njit

from v2xsim.records import UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum


class Coverage(NamedTuple):
    """Shares of the cells of each ego, 0 to 1.

    The shares of the blind zone are weighted by relevance, and NaN without a blind zone.

    Attributes:
        before: Share of the cells outside buildings that the ego observed itself.
        after: Share of the cells outside buildings that are observed after fusion.
        blind_covered: Share of the blind zone that is observed after fusion.
        blind_told: Share of the blind zone that is observed in at least one announced matrix that the ego holds.
        blind_beyond: Share of the blind zone that is observed after fusion and in none of these matrices.
    """

    before: Float[np.ndarray, " egos"]
    after: Float[np.ndarray, " egos"]
    blind_covered: Float[np.ndarray, " egos"]
    blind_told: Float[np.ndarray, " egos"]
    blind_beyond: Float[np.ndarray, " egos"]


class HeldMatrices(NamedTuple):
    """The announced matrices that each ego holds, all on the grid of the map.

    Attributes:
        lower: World cell index of cell (0, 0) of each ego's own matrix.
        begin: Row of the first matrix of each ego in `matrix`.
        end: Row behind its last one.
        matrix: Row of each of them in `codes`; -1 for a station whose matrix the ego does not hold.
        codes: Codes of the matrices; several egos hold the same ones.
        lowers: World cell index of cell (0, 0) of each of them.
    """

    lower: Int64[np.ndarray, "egos 2"]
    begin: Int64[np.ndarray, " egos"]
    end: Int64[np.ndarray, " egos"]
    matrix: Int64[np.ndarray, " held"]
    codes: UInt8[np.ndarray, "matrices mx my"]
    lowers: Int64[np.ndarray, "matrices 2"]


def covered(
    before: Sequence[UInt8[np.ndarray, "nx ny"]], after: Sequence[UInt8[np.ndarray, "nx ny"]],
    ground: Sequence[Bool[np.ndarray, "nx ny"]], weight: Sequence[Float[np.ndarray, "nx ny"]], held: HeldMatrices,
) -> Coverage:  # fmt: skip
    """Return the coverage of the matrices of several egos before and after fusion.

    Args:
        before: Codes of each ego's own matrix.
        after: Codes of its matrix after fusion.
        ground: Whether each cell lies outside buildings. Cells inside buildings never count: the ego has the map.
        weight: Relevance of each blind cell, at least 0; a larger weight counts more.
        held: The announced matrices that each ego holds.
    """
    shape = before[0].shape
    # Concatenating takes a third of the time of stacking.
    own, fused, is_open, relevance = (
        np.concatenate(matrices).reshape(len(matrices), *shape) for matrices in (before, after, ground, weight)
    )
    return Coverage(*_shares(own, fused, is_open, relevance, held))


@njit(cache=True, nogil=True)
def _shares(before, after, ground, weight, held):  # type: ignore[no-untyped-def]
    """Return the columns of the coverage; each row is one ego."""
    egos, nx, ny = before.shape
    share_before, share_after, blind_covered = np.empty(egos), np.empty(egos), np.empty(egos)
    blind_told, blind_beyond = np.empty(egos), np.empty(egos)
    blind, filled, told, beyond = np.empty(nx * ny), np.empty(nx * ny), np.empty(nx * ny), np.empty(nx * ny)
    shown = np.empty((nx, ny), np.uint8)
    for e in range(egos):
        _show(shown, held, e)
        open_cells = seen_before = seen_after = blind_cells = filled_cells = told_cells = beyond_cells = 0
        for i in range(nx):
            for j in range(ny):
                if not ground[e, i, j]:
                    continue
                open_cells += 1
                is_seen = after[e, i, j] != UNOBSERVED
                seen_after += is_seen
                if before[e, i, j] != UNOBSERVED:
                    seen_before += 1
                    continue
                blind[blind_cells] = weight[e, i, j]
                blind_cells += 1
                if is_seen:
                    filled[filled_cells] = weight[e, i, j]
                    filled_cells += 1
                if shown[i, j]:
                    told[told_cells] = weight[e, i, j]
                    told_cells += 1
                elif is_seen:
                    beyond[beyond_cells] = weight[e, i, j]
                    beyond_cells += 1
        share_before[e], share_after[e] = seen_before / max(1, open_cells), seen_after / max(1, open_cells)
        total = pairwise_sum(blind, blind_cells)
        blind_covered[e] = pairwise_sum(filled, filled_cells) / total if total > 0.0 else np.nan
        blind_told[e] = pairwise_sum(told, told_cells) / total if total > 0.0 else np.nan
        blind_beyond[e] = pairwise_sum(beyond, beyond_cells) / total if total > 0.0 else np.nan
    return share_before, share_after, blind_covered, blind_told, blind_beyond


@njit(cache=True, nogil=True)
def _show(shown, held, e):  # type: ignore[no-untyped-def]
    """Write for each cell of an ego whether one of the matrices that it holds has observed it: 0 if none has."""
    nx, ny = shown.shape
    shown[:] = UNOBSERVED
    for k in range(held.begin[e], held.end[e]):
        m = held.matrix[k]
        if m < 0:
            continue
        x, y = held.lower[e, 0] - held.lowers[m, 0], held.lower[e, 1] - held.lowers[m, 1]
        first, last = max(0, -y), min(ny, held.codes.shape[2] - y)
        if last <= first:
            continue
        for i in range(max(0, -x), min(nx, held.codes.shape[1] - x)):
            # Loops over parts of one row: the compiler turns each into steps of many cells. UNOBSERVED is 0.
            ours, theirs = shown[i, first:last], held.codes[m, i + x, first + y : last + y]
            for j in range(len(ours)):
                ours[j] |= theirs[j]
