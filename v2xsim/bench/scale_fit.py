"""How a cost grows with a size: cost = fixed + factor x size ^ exponent."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Fixed costs that are tried, as shares of the smallest cost.
_SHARES = np.linspace(0.0, 0.95, 96)
# A fixed cost is assumed only if the error of a plain power is at least this large, and more than twice that with a fixed cost.
_FAR_OFF = 0.03
# With fewer points, a fit of three parameters follows the noise of the measurement.
_LEAST_POINTS = 5


@dataclass(frozen=True)
class Growth:
    """A fitted power law.

    Attributes:
        exponent: Exponent of the size.
        factor: Cost at size 1 without the fixed cost.
        fixed: Cost that does not depend on the size.
        error: Root mean square of the relative error at the measured sizes.
        fixed_is: Where the fixed cost comes from: `none`, `measured` at size 0, or `fitted`.
    """

    exponent: float
    factor: float
    fixed: float
    error: float
    fixed_is: str


def growth(size: Float[np.ndarray, " points"], cost: Float[np.ndarray, " points"]) -> Growth:
    """Return how a cost grows with a size, by least squares on logarithms.

    If size 0 was measured, its cost is the fixed cost. Otherwise it is 0, unless the costs are clearly no plain power of the size.

    Args:
        size: At least two sizes above 0, by rising size; size 0 may come first.
        cost: Cost at each size, above 0.
    """
    if size[0] == 0:
        above = np.maximum(cost[1:] - cost[0], 1e-9 * cost[1:])
        return _with(size[1:], cost[1:], cost[0], above, "measured")
    plain = _with(size, cost, 0.0, cost, "none")
    if len(size) < _LEAST_POINTS or plain.error < _FAR_OFF:
        return plain
    tried = [_with(size, cost, share * cost.min(), cost - share * cost.min(), "fitted") for share in _SHARES]
    best = min(tried, key=lambda fit: fit.error)
    return best if best.error < 0.5 * plain.error else plain


def _with(
    size: Float[np.ndarray, " points"], cost: Float[np.ndarray, " points"], fixed: float, above: Float[np.ndarray, " points"], fixed_is: str
) -> Growth:  # fmt: skip
    exponent, offset = np.polyfit(np.log(size), np.log(above), 1)
    fitted = fixed + np.exp(offset) * size**exponent
    error = float(np.sqrt(np.mean((fitted / cost - 1.0) ** 2)))
    return Growth(float(exponent), float(np.exp(offset)), float(fixed), error, fixed_is)
