"""Remaining lifetime of a link, from the motion of its two stations."""

import numpy as np
from jaxtyping import Float

WANTED_S = 5.0
"""A link that lasts this long gets the full mobility term; our choice, equal to the horizon of conflict prediction."""


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
