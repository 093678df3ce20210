"""How long a link lasts, from the motion of its two stations."""

import numpy as np
from jaxtyping import Float

WANTED_S = 5.0
"""A link that lasts this long gets the full mobility term; ours, the horizon of conflict prediction."""


def link_expiration_s(
    offset_m: Float[np.ndarray, "*links 2"], velocity_mps: Float[np.ndarray, "*links 2"], range_m: float
) -> Float[np.ndarray, "*links"]:
    """Return how long two stations stay within range if their velocities do not change.

    Infinite without relative motion.

    Args:
        offset_m: Position of the second station relative to the first.
        velocity_mps: Velocity of the second station relative to the first.
        range_m: Range of a usable link; 0 s is returned outside it.

    References:
        Su, Lee, Gerla, "Mobility prediction and routing in ad hoc wireless networks", 2001: the larger root of
        |offset + velocity t| = range.
    """
    speed2 = np.sum(velocity_mps**2, axis=-1)
    along = np.sum(offset_m * velocity_mps, axis=-1)
    across = offset_m[..., 0] * velocity_mps[..., 1] - offset_m[..., 1] * velocity_mps[..., 0]
    inside = np.sum(offset_m**2, axis=-1) <= range_m**2
    # Inside the range the root is real; the maximum only guards against rounding, and against links outside.
    root = np.sqrt(np.maximum(speed2 * range_m**2 - across**2, 0.0))
    still = speed2 == 0.0
    # Divide by 1 where there is no motion: np.where computes both branches.
    time_s = np.where(still, np.inf, (root - along) / np.where(still, 1.0, speed2))
    return np.where(inside, time_s, 0.0)
