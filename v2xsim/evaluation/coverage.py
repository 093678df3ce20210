"""Share of the perception matrices of egos that is observed, before fusion and after."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit

from v2xsim.records import UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum


class Coverage(NamedTuple):
    """Shares of the cells of each ego, 0 to 1.

    Attributes:
        before: Share of the cells outside buildings that the ego observed itself.
        after: Share of the cells outside buildings that are observed after fusion.
        blind_covered: Share of the blind zone, weighted by relevance, that is observed after fusion; NaN without a blind zone.
    """

    before: Float[np.ndarray, " egos"]
    after: Float[np.ndarray, " egos"]
    blind_covered: Float[np.ndarray, " egos"]


def covered(
    before: Sequence[UInt8[np.ndarray, "nx ny"]], after: Sequence[UInt8[np.ndarray, "nx ny"]],
    ground: Sequence[Bool[np.ndarray, "nx ny"]], weight: Sequence[Float[np.ndarray, "nx ny"]],
) -> Coverage:  # fmt: skip
    """Return the coverage of the matrices of several egos before and after fusion.

    Args:
        before: Codes of each ego's own matrix.
        after: Codes of its matrix after fusion.
        ground: Whether each cell lies outside buildings. Cells inside buildings never count: the ego has the map.
        weight: Relevance of each blind cell, at least 0; a larger weight counts more.
    """
    # Concatenating takes a third of the time of stacking.
    rows = (np.concatenate(matrices).reshape(len(matrices), -1) for matrices in (before, after, ground, weight))
    return Coverage(*_shares(*rows))


@njit(cache=True, nogil=True)
def _shares(before, after, ground, weight):  # type: ignore[no-untyped-def]
    """Return the columns of the coverage; each row is one ego, each column one cell."""
    egos, cells = before.shape
    share_before, share_after, blind_covered = np.empty(egos), np.empty(egos), np.empty(egos)
    blind, filled = np.empty(cells), np.empty(cells)
    for e in range(egos):
        open_cells = seen_before = seen_after = blind_cells = filled_cells = 0
        for k in range(cells):
            if not ground[e, k]:
                continue
            open_cells += 1
            is_seen = after[e, k] != UNOBSERVED
            seen_after += is_seen
            if before[e, k] != UNOBSERVED:
                seen_before += 1
                continue
            blind[blind_cells] = weight[e, k]
            blind_cells += 1
            if is_seen:
                filled[filled_cells] = weight[e, k]
                filled_cells += 1
        share_before[e], share_after[e] = seen_before / max(1, open_cells), seen_after / max(1, open_cells)
        total = pairwise_sum(blind, blind_cells)
        blind_covered[e] = pairwise_sum(filled, filled_cells) / total if total > 0.0 else np.nan
    return share_before, share_after, blind_covered
