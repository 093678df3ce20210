"""Shadowing: slow fading that two stations share and that changes as they move.

One process of unit variance lives on each pair of stations. It is scaled by the deviation of the link's state, so
that a link that becomes blocked keeps its luck but not its spread. The process is

    z' = r z + sqrt(1 - r^2) n,    r = exp(-moved / decorrelation)

References:
    3GPP TR 37.885 V15.3.0, clause 6.2 (deviations and correlation); 3GPP TR 36.885, annex A (the recursion).
"""

import numpy as np
from jaxtyping import Float, Int

# By state: LOS, NLOSV, NLOSB.
SIGMA_DB = np.array([3.0, 3.0, 4.0])

# By state, urban. TR 37.885 gives no highway value; both public implementations use these there too.
DECORRELATION_M = np.array([10.0, 13.0, 13.0])


def step(
    unit: Float[np.ndarray, "stations stations"],
    moved_m: Float[np.ndarray, "stations stations"] | Float[np.ndarray, " stations"],
    state: Int[np.ndarray, "stations stations"],
    innovation: Float[np.ndarray, "stations stations"],
) -> Float[np.ndarray, "stations stations"]:
    """Return the unit-variance process after the stations moved.

    Symmetric input gives symmetric output: a link fades alike in both directions.

    Args:
        unit: The process before.
        moved_m: Distance travelled, per station (the two ends of a pair are added up: either end's motion changes
            the path), or per pair.
        state: Of each link, after the move.
        innovation: Standard normal and symmetric (`pairs.mirrored`).
    """
    if moved_m.ndim == 1:
        moved_m = moved_m[:, None] + moved_m[None, :]
    kept = np.exp(-moved_m / DECORRELATION_M[state])
    after: Float[np.ndarray, "stations stations"] = kept * unit + np.sqrt(1.0 - kept**2) * innovation
    return after


def shadow_db(
    unit: Float[np.ndarray, "stations stations"], state: Int[np.ndarray, "stations stations"]
) -> Float[np.ndarray, "stations stations"]:
    """Return the shadowing to add to the path loss.

    Args:
        unit: The process of `step`.
        state: LOS, NLOSV or NLOSB.
    """
    shadow: Float[np.ndarray, "stations stations"] = SIGMA_DB[state] * unit
    return shadow
