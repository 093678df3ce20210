"""Path loss round the corner of a street, where a building stands in the direct way.

The wave goes along one street, turns at the crossing and goes along the other. The crossing is taken to be where the lines along
which both stations head meet: a station drives along its street. Where these are nearly parallel or meet far away, there is no
corner to go round.
"""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.geometry import SPEED_OF_LIGHT_MPS
from v2xsim.comms.channel.tr37885 import SHORTEST_M
from v2xsim.comms.channel.winner import winner_b1_loss_db

# Streets that meet at less than this are bends rather than crossings.
LEAST_ANGLE_RAD = np.deg2rad(30.0)
FARTHEST_M = 500.0
_BREAK_M = 180.0


def legs_m(
    first_m: Float[np.ndarray, "pairs 2"],
    first_heading_rad: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, "pairs 2"],
    second_heading_rad: Float[np.ndarray, " pairs"],
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Return how far both stations are from where their streets meet; infinity where they do not.

    Args:
        first_m: Of one station, seen from above.
        first_heading_rad: Of it, or of its street.
        second_m: Of the other.
        second_heading_rad: Of the other.
    """
    ux, uy = np.cos(first_heading_rad), np.sin(first_heading_rad)
    vx, vy = np.cos(second_heading_rad), np.sin(second_heading_rad)
    across = ux * vy - uy * vx
    meets = np.abs(across) >= np.sin(LEAST_ANGLE_RAD)
    safe = np.where(meets, across, 1.0)
    gap = second_m - first_m
    first = np.abs((gap[:, 0] * vy - gap[:, 1] * vx) / safe)
    second = np.abs((gap[:, 0] * uy - gap[:, 1] * ux) / safe)
    meets &= (first < FARTHEST_M) & (second < FARTHEST_M)
    return np.where(meets, first, np.inf), np.where(meets, second, np.inf)


def corner_loss_db(
    first_m: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, " pairs"],
    carrier_ghz: float,
    street_width_m: float = 20.0,
    suburban: bool = False,
) -> Float[np.ndarray, " pairs"]:
    """Return the loss of VirtualSource11p, the lesser of both directions so that it is the same in both.

    Args:
        first_m: From one station to the crossing.
        second_m: From the other.
        carrier_ghz: Centre of the channel.
        street_width_m: Of both streets; stations drive in the middle.
        suburban: Fewer walls to reflect: 2.94 dB more.

    References:
        Mangel, Klemp, Hartenstein, ICUMT 2011: fitted to measurements at 5.9 GHz; the break at 180 m recalled.
    """
    wavelength = SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9)
    wall_m = 0.5 * street_width_m

    def one_way(tx_m: Float[np.ndarray, " pairs"], rx_m: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
        tx, rx = np.maximum(tx_m, SHORTEST_M), np.maximum(rx_m, SHORTEST_M)
        reach = np.where(rx > _BREAK_M, rx**2 / _BREAK_M, rx)
        spread = tx**0.957 / (wall_m * street_width_m) ** 0.81 * 4.0 * np.pi * reach / wavelength
        loss: Float[np.ndarray, " pairs"] = 3.75 + 2.94 * suburban + 26.9 * np.log10(spread)
        return loss

    return np.minimum(one_way(first_m, second_m), one_way(second_m, first_m))


def manhattan_loss_db(
    first_m: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, " pairs"],
    carrier_ghz: float,
    first_height_m: Float[np.ndarray, " pairs"] | float,
    second_height_m: Float[np.ndarray, " pairs"] | float,
    environment_height_m: float,
) -> Float[np.ndarray, " pairs"]:
    """Return the loss of WINNER+ B1 round a corner, the lesser of both ways to count its legs.

    Args:
        first_m: From one station to the crossing.
        second_m: From the other.
        carrier_ghz: Centre of the channel.
        first_height_m: Of one antenna.
        second_height_m: Of the other.
        environment_height_m: Effective height of the ground; below both antennas.

    References:
        3GPP TR 36.885, annex A.1.4 (WINNER+ B1 NLOS), as WiLabV2Xsim codes it.
    """

    def one_way(
        along_m: Float[np.ndarray, " pairs"], round_m: Float[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        slope = np.maximum(2.8 - 0.0024 * along_m, 1.84)
        clear = winner_b1_loss_db(along_m, carrier_ghz, first_height_m, second_height_m, environment_height_m)
        loss: Float[np.ndarray, " pairs"] = (
            clear
            + 17.3
            - 12.5 * slope
            + 10.0 * slope * np.log10(np.maximum(round_m, SHORTEST_M))
            + 3.0 * np.log10(carrier_ghz)
        )
        return loss

    return np.minimum(one_way(first_m, second_m), one_way(second_m, first_m))
