"""Remaining lifetime of a link, from the motion of its two stations, the map, and the bodies that a station knows."""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.records import Obstacles

LOOK_S = 10.0
"""How far ahead buildings and bodies that come between two stations are looked for; velocities do not stay constant for longer."""


def link_expiration_s(
    offset_m: Float[np.ndarray, "*links 2"], velocity_mps: Float[np.ndarray, "*links 2"], range_m: float
) -> Float[np.ndarray, "*links"]:
    """Return for how many seconds two stations stay within range if their velocities do not change.

    The result is infinite if the stations are within range and do not move relative to each other.

    Args:
        offset_m: Position of the second station relative to the first.
        velocity_mps: Velocity of the second station relative to the first.
        range_m: Largest distance of a usable link; the result is 0 if the stations are farther apart.

    References:
        Su, Lee, Gerla, "Mobility prediction and routing in ad hoc wireless networks", 2001: the larger root of
        |offset + velocity t| = range.
    """
    speed2 = np.sum(velocity_mps**2, axis=-1)
    along = np.sum(offset_m * velocity_mps, axis=-1)
    across = offset_m[..., 0] * velocity_mps[..., 1] - offset_m[..., 1] * velocity_mps[..., 0]
    inside = np.sum(offset_m**2, axis=-1) <= range_m**2
    # Within the range the root is real; the maximum only handles rounding errors and links beyond the range.
    root = np.sqrt(np.maximum(speed2 * range_m**2 - across**2, 0.0))
    still = speed2 == 0.0
    # Without motion, divide by 1 instead of 0, because np.where computes both branches.
    time_s = np.where(still, np.inf, (root - along) / np.where(still, 1.0, speed2))
    return np.where(inside, time_s, 0.0)


def lifetimes_s(hops: Hops, bodies: KnownBodies, obstacles: Obstacles, range_m: float) -> Float[np.ndarray, " hops"]:
    """Return how long each hop lasts if velocities do not change: to the first of range, building and known body.

    The hop ends when its ends are farther apart than the range, when a building of the map comes between them, or when a
    known body reaches above the line between the antennas. It is 0 if one of these is so now. Buildings and bodies that
    come between the ends later than LOOK_S are not found.

    Args:
        hops: The hops.
        bodies: The bodies that the station that decides knows.
        obstacles: Buildings of the map.
        range_m: Largest distance of a usable link.
    """
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.comms.channel.geometry import building_arrays
    from v2xsim.comms.relay import hop_loops

    in_range_s = link_expiration_s(
        hops.second_m[:, :2] - hops.first_m[:, :2], hops.second_mps - hops.first_mps, range_m
    )
    found: Float[np.ndarray, " hops"] = hop_loops.lifetimes(
        hop_loops.tracks(hops), hop_loops.body_rows(bodies), *building_arrays(obstacles), in_range_s, LOOK_S
    )
    return found
