"""Link states drawn from published curves over distance, for scenarios without a map.

Each pair of stations has one random number for the whole run. At each distance, the curves give the state that belongs
to this number. So the state of a link does not change at random from tick to tick, and over many links the shares of
the states are those of the curves.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int8

from v2xsim.records import LOS, NLOSB, NLOSV

States = Literal["geometry", "tr37885", "boban_low", "boban_medium", "boban_high"]
# Blockers of TR 37.885, mix B: cars of 1.6 m and, one in five, trucks and buses of 3 m.
_CAR_TOP_M, _TRUCK_TOP_M, _TRUCK_SHARE = 1.6, 3.0, 0.2

# Coefficients of two parabolas over distance: probability of LOS, and probability of a building in the way.
_BOBAN_HIGHWAY = {
    "boban_low": ((1.5e-6, -0.0015, 1.0), (-2.9e-7, 5.9e-4, 0.0017)),
    "boban_medium": ((2.7e-6, -0.0025, 1.0), (-3.7e-7, 6.1e-4, 0.015)),
    "boban_high": ((3.2e-6, -0.003, 1.0), (-4.1e-7, 6.7e-4, 0.0)),
}
# For LOS, height and decay of an exponential function. For NLOSv, factor, mean and spread of a log-normal density.
_BOBAN_URBAN = {
    "boban_low": ((0.8548, 0.0064), (0.0396, 5.2718, 3.4827)),
    "boban_medium": ((0.8372, 0.0114), (0.0312, 5.0063, 2.4544)),
    "boban_high": ((0.8962, 0.017), (0.0242, 5.0115, 2.2092)),
}


def state_shares(
    model: States, urban: bool, distance_m: Float[np.ndarray, " links"]
) -> tuple[Float[np.ndarray, " links"], Float[np.ndarray, " links"]]:
    """Return the probabilities of LOS and of NLOSv at each distance; the rest is the probability of a building in the way.

    Args:
        model: Curves to use: those of TR 37.885 (without buildings), or those of Boban et al. for low, medium or high
            traffic density.
        urban: Whether to use the urban curves instead of those for highways.
        distance_m: Distance between the antennas.

    References:
        3GPP TR 37.885 V15.3.0, Table 6.2-1; Boban, Gong, Xu, IEEE VTC-Fall 2016, as ns-3 implements them.
    """
    d = np.maximum(np.asarray(distance_m, float), 1.0)
    if model == "tr37885":
        if urban:
            clear = np.minimum(1.0, 1.05 * np.exp(-0.0114 * d))
        else:
            clear = np.where(
                d <= 475.0,
                np.minimum(1.0, 2.1013e-6 * d**2 - 0.002 * d + 1.0193),
                np.maximum(0.0, 0.54 - 0.001 * (d - 475.0)),
            )
        return clear, 1.0 - clear
    if urban:
        (height, fall), (k, mean, spread) = _BOBAN_URBAN[model]
        clear = np.clip(height * np.exp(-fall * d), 0.0, 1.0)
        behind = np.clip(np.exp(-((np.log(d) - mean) ** 2) / spread) / (k * d), 0.0, 1.0 - clear)
        return clear, behind
    # The parabolas turn beyond the distances to which they were fitted; from the turning point on, the value stays
    # constant.
    (a, b, c), (x, y, z) = _BOBAN_HIGHWAY[model]
    near, building = np.minimum(d, -b / (2.0 * a)), np.minimum(d, -y / (2.0 * x))
    clear = np.clip(a * near**2 + b * near + c, 0.0, 1.0)
    hidden = np.clip(x * building**2 + y * building + z, 0.0, 1.0 - clear)
    return clear, 1.0 - clear - hidden


def drawn_states(
    model: States,
    urban: bool,
    distance_m: Float[np.ndarray, " links"],
    lowest_m: Float[np.ndarray, " links"],
    highest_m: Float[np.ndarray, " links"],
    uniform: Float[np.ndarray, "links 2"],
) -> tuple[Int8[np.ndarray, " links"], Int8[np.ndarray, " links"]]:
    """Draw the state and the blockage case of each link from the curves.

    Args:
        model: Curves to use, as in `state_shares`.
        urban: Whether to use the urban curves instead of those for highways.
        distance_m: Distance between the antennas.
        lowest_m: Height of the lower antenna.
        highest_m: Height of the higher antenna.
        uniform: Two uniform numbers in (0, 1) for each link, the same at every tick: one selects the state, one the
            height of the blocker.
    """
    clear, behind = state_shares(model, urban, distance_m)
    state = np.where(uniform[:, 0] < clear, LOS, np.where(uniform[:, 0] < clear + behind, NLOSV, NLOSB)).astype(np.int8)
    top = np.where(uniform[:, 1] < _TRUCK_SHARE, _TRUCK_TOP_M, _CAR_TOP_M)
    case = np.where(top < lowest_m, 1, np.where(top > highest_m, 2, 3))
    return state, np.where(state == NLOSV, case, 0).astype(np.int8)
