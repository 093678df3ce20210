"""Path loss between two antennas near the ground: 3GPP TR 37.885.

The constants are those of TR 37.885 V15.3.0, Table 6.2.1-1, with the distance in metres and the carrier in GHz. A
vehicle in the way adds a loss to the LOS loss (comms/channel/vehicle_loss.py). Behind a building, the NLOS formula
replaces the LOS formula.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from v2xsim.records import NLOSB

Environment = Literal["urban", "highway"]
ENVIRONMENTS: tuple[Environment, ...] = ("urban", "highway")

# The formulas grow without bound near the antenna, where there is no far field. TR 37.885 gives no lower limit; 1 m
# is where its highway formula equals free space at unit distance.
SHORTEST_M = 1.0

# Loss at 1 m and 1 GHz, slope per decade of distance, slope per decade of frequency.
HIGHWAY = (32.4, 20.0, 20.0)
URBAN = (38.77, 16.7, 18.2)
BUILDING = (36.85, 30.0, 18.9)


def highway_loss_db(distance_m: Float[np.ndarray, "*links"] | float, carrier_ghz: float) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB on a highway, without the additional loss of vehicles in the way.

    Args:
        distance_m: Distance between the antennas, in three dimensions; shorter than SHORTEST_M counts as SHORTEST_M.
        carrier_ghz: Centre frequency of the channel.

    References:
        3GPP TR 37.885 V15.3.0, Table 6.2.1-1, highway LOS and NLOSv.
    """
    return _log_distance_loss_db(HIGHWAY, distance_m, carrier_ghz)


def urban_loss_db(distance_m: Float[np.ndarray, "*links"] | float, carrier_ghz: float) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB along an urban street, without the additional loss of vehicles in the way.

    Args:
        distance_m: Distance between the antennas, in three dimensions; shorter than SHORTEST_M counts as SHORTEST_M.
        carrier_ghz: Centre frequency of the channel.

    References:
        3GPP TR 37.885 V15.3.0, Table 6.2.1-1, urban LOS and NLOSv.
    """
    return _log_distance_loss_db(URBAN, distance_m, carrier_ghz)


def building_loss_db(
    distance_m: Float[np.ndarray, "*links"] | float, carrier_ghz: float
) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB of a link that a building blocks.

    Args:
        distance_m: Distance between the antennas, in three dimensions; shorter than SHORTEST_M counts as SHORTEST_M.
        carrier_ghz: Centre frequency of the channel.

    References:
        3GPP TR 37.885 V15.3.0, Table 6.2.1-1, NLOS.
    """
    return _log_distance_loss_db(BUILDING, distance_m, carrier_ghz)


def tr37885_loss_db(
    state: Int[np.ndarray, "*links"],
    distance_m: Float[np.ndarray, "*links"],
    carrier_ghz: float,
    environment: Environment,
) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB of links according to their state, without vehicle blockage and shadowing.

    Args:
        state: State of each link: LOS, NLOSV (a vehicle in the way) or NLOSB (a building in the way).
        distance_m: Distance between the antennas, in three dimensions.
        carrier_ghz: Centre frequency of the channel.
        environment: Formula for links that no building blocks: urban or highway. TR 37.885 has no buildings on a
            highway; if a building of the scenario blocks a link there, the link gets the urban NLOS loss.
    """
    constants = open_loss(environment)
    return np.where(
        np.asarray(state) == NLOSB,
        building_loss_db(distance_m, carrier_ghz),
        _log_distance_loss_db(constants, distance_m, carrier_ghz),
    )


def reach_m(loss_db: float, carrier_ghz: float, environment: Environment) -> float:
    """Return the distance in metres at which a clear link has a given loss: the inverse of the LOS formula."""
    at_one, per_decade, per_frequency_decade = open_loss(environment)
    exponent = (loss_db - at_one - per_frequency_decade * np.log10(carrier_ghz)) / per_decade
    return float(max(SHORTEST_M, 10.0**exponent))


def line_of(constants: tuple[float, float, float], carrier_ghz: float) -> tuple[float, float]:
    """Return the loss in dB at 1 m and the slope in dB per decade of distance, at one carrier frequency."""
    at_one, per_decade, per_frequency_decade = constants
    return float(at_one + per_frequency_decade * np.log10(carrier_ghz)), per_decade


def open_loss(environment: Environment) -> tuple[float, float, float]:
    """Return the three constants of the loss of links without a building in the way.

    The constants are the loss at 1 m and 1 GHz, the slope per decade of distance and the slope per decade of frequency,
    all in dB.
    """
    if environment not in ENVIRONMENTS:
        raise ValueError(f"environment must be one of {', '.join(ENVIRONMENTS)}; got {environment!r}")
    return URBAN if environment == "urban" else HIGHWAY


def _log_distance_loss_db(
    constants: tuple[float, float, float], distance_m: Float[np.ndarray, "*links"] | float, carrier_ghz: float
) -> Float[np.ndarray, "*links"]:
    at_one, per_decade, per_frequency_decade = constants
    decades = np.log10(np.maximum(np.asarray(distance_m, float), SHORTEST_M))
    loss: Float[np.ndarray, "*links"] = at_one + per_frequency_decade * np.log10(carrier_ghz) + per_decade * decades
    return loss
