"""Share of a requester's blind zone that helpers cover.

W is the relevance of each cell, B the blind cells, V_j the cells that helper j observed:

    gain(j | S) = sum(W B (1 - C_S) V_j) / sum(W B)

Here, C_S are the cells that the already chosen helpers S cover.
"""

import numpy as np
from jaxtyping import Bool, Float


def gains(
    blind_weight: Float[np.ndarray, "nx ny"],
    observed: Bool[np.ndarray, "helpers nx ny"],
    covered: Bool[np.ndarray, "nx ny"],
) -> Float[np.ndarray, " helpers"]:
    """Return gain(j | S) of each helper j (0 to 1), given the cells that the already chosen helpers S cover."""
    total = float(blind_weight.sum())
    if total <= 0.0:
        return np.zeros(len(observed))
    gained: np.ndarray = np.sum(np.where(covered, 0.0, blind_weight) * observed, axis=(1, 2)) / total
    return gained
