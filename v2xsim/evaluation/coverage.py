"""How much of an ego's perception matrix is observed, before fusion and after."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from v2xsim.perception.matching.gain import coverage
from v2xsim.records import UNOBSERVED


@dataclass(frozen=True)
class Coverage:
    """Shares of the cells of one frame, 0 to 1.

    Attributes:
        before: Open cells that the ego observed itself.
        after: Open cells observed after fusion.
        blind_covered: Share of the blind zone, weighted by relevance, that fusion filled; NaN without a blind zone.
    """

    before: float
    after: float
    blind_covered: float


def covered(
    before: UInt8[np.ndarray, "nx ny"], after: UInt8[np.ndarray, "nx ny"], ground: Bool[np.ndarray, "nx ny"],
    weight: Float[np.ndarray, "nx ny"],
) -> Coverage:  # fmt: skip
    """Return what fusion added to a matrix.

    Args:
        before: Codes of the ego's own matrix.
        after: Codes of the same cells after fusion.
        ground: Open cells: those outside buildings. The others never count, the ego has them on its map.
        weight: Relevance of each blind cell.
    """
    cells = max(1, int(ground.sum()))
    blind = (before == UNOBSERVED) & ground
    return Coverage(
        before=float(((before != UNOBSERVED) & ground).sum() / cells),
        after=float(((after != UNOBSERVED) & ground).sum() / cells),
        blind_covered=coverage(blind, after != UNOBSERVED, weight) if weight[blind].any() else float("nan"),
    )
