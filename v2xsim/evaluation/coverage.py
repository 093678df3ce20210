"""Share of an ego's perception matrix that is observed, before fusion and after."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from v2xsim.perception.matching.gain import coverage
from v2xsim.records import UNOBSERVED


@dataclass(frozen=True)
class Coverage:
    """Shares of the cells of one frame, 0 to 1.

    Attributes:
        before: Share of the cells outside buildings that the ego observed itself.
        after: Share of the cells outside buildings that are observed after fusion.
        blind_covered: Share of the blind zone, weighted by relevance, that is observed after fusion; NaN without a blind zone.
    """

    before: float
    after: float
    blind_covered: float


def covered(
    before: UInt8[np.ndarray, "nx ny"], after: UInt8[np.ndarray, "nx ny"], ground: Bool[np.ndarray, "nx ny"],
    weight: Float[np.ndarray, "nx ny"],
) -> Coverage:  # fmt: skip
    """Return the coverage of a matrix before and after fusion.

    Args:
        before: Codes of the ego's own matrix.
        after: Codes of the matrix after fusion.
        ground: Whether each cell lies outside buildings. Cells inside buildings never count: the ego has the map.
        weight: Relevance of each blind cell, at least 0; a larger weight counts more.
    """
    cells = max(1, int(ground.sum()))
    blind = (before == UNOBSERVED) & ground
    return Coverage(
        before=float(((before != UNOBSERVED) & ground).sum() / cells),
        after=float(((after != UNOBSERVED) & ground).sum() / cells),
        blind_covered=coverage(blind, after != UNOBSERVED, weight) if weight[blind].any() else float("nan"),
    )
