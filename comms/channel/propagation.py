"""Channel models by name: what the link budget needs of each.

A model is a set of straight pieces over the logarithm of the distance, for each state of a link, or (where antenna heights
count) a loss worked out pair by pair, with the spread and decorrelation of its shadowing.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int8

from v2xsim.comms.channel.budget import Propagation
from v2xsim.comms.channel.geometry import SPEED_OF_LIGHT_MPS
from v2xsim.comms.channel.shadowing import DECORRELATION_M, SIGMA_DB
from v2xsim.comms.channel.tr37885 import BUILDING, HIGHWAY, SHORTEST_M, URBAN
from v2xsim.comms.channel.two_ray import two_ray_loss_db
from v2xsim.comms.channel.vehicle_loss import CASE_MEAN_DB, CASE_SIGMA_DB
from v2xsim.comms.channel.winner import winner_b1_loss_db
from v2xsim.records import NLOSB

Channel = Literal[
    "tr37885_urban", "tr37885_highway", "winner_b1", "free_space", "two_ray", "log_distance", "abbas_urban"
]
Blockage = Literal["tr37885", "knife_edges", "none"]

# Abbas et al. 2015, urban: loss at 10 m, slopes per decade up to 104 m and beyond, deviation; clear and behind vehicles.
_ABBAS_URBAN = ((63.9, 18.1, 28.5, 4.15), (72.3, 19.3, 27.4, 6.67))
_ABBAS_BREAK_M = 104.0
_ABBAS_DECORRELATION_M = (4.25, 4.5)


def free_space_loss_db(distance_m: Float[np.ndarray, "*links"], carrier_ghz: float) -> Float[np.ndarray, "*links"]:
    """Return the loss of free space (Friis): 20 log10(4 pi d f / c)."""
    distance = np.maximum(np.asarray(distance_m, float), SHORTEST_M)
    return 20.0 * np.log10(4.0 * np.pi * distance * carrier_ghz * 1e9 / SPEED_OF_LIGHT_MPS)


def propagation(
    channel: Channel,
    carrier_ghz: float,
    power_dbm: float,
    blockage: Blockage = "tr37885",
    shadowing: bool = True,
    exponent: float = 2.75,
    sigma_db: float | None = None,
    decorrelation_m: float | None = None,
) -> Propagation:
    """Return the model of a name.

    Args:
        channel: Its name. Behind buildings all of them take the loss of TR 37.885, which they do not give themselves.
        carrier_ghz: Centre of the channel.
        power_dbm: Transmitted.
        blockage: Whether the loss behind vehicles is TR 37.885's, drawn for each episode. Abbas' model holds its own.
        shadowing: Whether there is any.
        exponent: Of log_distance, from free space at 1 m.
        sigma_db: Of the shadowing in all states, in place of the model's own.
        decorrelation_m: Of the shadowing, likewise.

    References:
        3GPP TR 37.885 V15.3.0, Table 6.2.1-1; TR 36.885, annex A.1.4 (3 dB clear, 4 dB behind buildings, 10 m urban);
        Abbas et al., Int. J. of Antennas and Propagation 2015, urban.
    """
    free = float(free_space_loss_db(np.ones(1), carrier_ghz)[0])
    sigma, decorrelation = SIGMA_DB.copy(), DECORRELATION_M.copy()
    first = np.log10(SHORTEST_M)
    building = _line(BUILDING, carrier_ghz)
    drawn = blockage == "tr37885"
    if channel == "abbas_urban":
        rows = np.empty((3, 2, 3))
        for state, (at_ten, near, far, spread) in enumerate(_ABBAS_URBAN):
            bend = np.log10(_ABBAS_BREAK_M)
            rows[state] = [[first, at_ten - near, near], [bend, at_ten - near + (near - far) * bend, far]]
            sigma[state], decorrelation[state] = spread, _ABBAS_DECORRELATION_M[state]
        rows[NLOSB] = [[first, *building], [first + 99.0, *building]]
        drawn = False
    else:
        plain = {
            "tr37885_urban": _line(URBAN, carrier_ghz), "tr37885_highway": _line(HIGHWAY, carrier_ghz),
            "log_distance": (free, 10.0 * exponent),
        }.get(channel, (free, 20.0))  # fmt: skip
        rows = np.array([[[first, *plain]], [[first, *plain]], [[first, *building]]])
        if channel == "winner_b1":
            sigma, decorrelation = np.array([3.0, 3.0, 4.0]), np.full(3, 10.0)
    if sigma_db is not None:
        sigma = np.full(3, sigma_db)
    if decorrelation_m is not None:
        decorrelation = np.full(3, decorrelation_m)
    if not shadowing:
        sigma = np.zeros(3)
    nothing = np.zeros(4)
    return Propagation(
        rows, CASE_MEAN_DB if drawn else nothing, CASE_SIGMA_DB if drawn else nothing, sigma, decorrelation, power_dbm
    )


def pairwise_loss_db(
    channel: Channel,
    distance_m: Float[np.ndarray, " pairs"],
    state: Int8[np.ndarray, " pairs"],
    first_height_m: Float[np.ndarray, " pairs"],
    second_height_m: Float[np.ndarray, " pairs"],
    carrier_ghz: float,
    environment_height_m: float,
    permittivity: float,
) -> Float[np.ndarray, " pairs"] | None:
    """Return the loss of pairs where it hangs on both antenna heights; None for models in which it does not.

    Args:
        channel: Its name.
        distance_m: Between the antennas.
        state: LOS, NLOSV or NLOSB; behind buildings the loss of TR 37.885, never less than the clear one.
        first_height_m: Of one antenna.
        second_height_m: Of the other.
        carrier_ghz: Centre of the channel.
        environment_height_m: Effective height of the ground in winner_b1.
        permittivity: Relative, of the ground in two_ray.
    """
    if channel == "winner_b1":
        clear = winner_b1_loss_db(distance_m, carrier_ghz, first_height_m, second_height_m, environment_height_m)
    elif channel == "two_ray":
        clear = two_ray_loss_db(distance_m, carrier_ghz, first_height_m, second_height_m, permittivity)
    else:
        return None
    at_one, slope = _line(BUILDING, carrier_ghz)
    behind = at_one + slope * np.log10(np.maximum(distance_m, SHORTEST_M))
    return np.where(state == NLOSB, np.maximum(clear, behind), clear)


def _line(constants: tuple[float, float, float], carrier_ghz: float) -> tuple[float, float]:
    at_one, per_decade, per_frequency_decade = constants
    return float(at_one + per_frequency_decade * np.log10(carrier_ghz)), per_decade
