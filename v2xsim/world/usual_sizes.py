"""Which sizes of bodies are usual for each class of road users, to find sizes in other units or in another order."""

import numpy as np
from jaxtyping import Bool, Float, Int8

from v2xsim.world.road_users import CATALOGUE

# Largest length, width and height by class, in the order of `KINDS`, with room: cars with a caravan, road trains (54 m), fast trains
# (400 m, which count as buses), ships and aircraft (which count as trucks), cargo bicycles, wheelchairs.
_LARGEST_M = np.array(
    [
        [15.0, 4.0, 4.0],
        [15.0, 4.0, 5.0],
        [100.0, 70.0, 25.0],
        [800.0, 5.0, 7.0],
        [5.0, 2.5, 3.0],
        [5.0, 2.5, 3.0],
        [2.5, 2.5, 2.5],
    ]
)
_SMALLEST_M = np.array([0.1, 0.1, 0.3])


def is_unusual_size(
    kind: Int8[np.ndarray, " agents"], size_m: Float[np.ndarray, "agents 3"]
) -> Bool[np.ndarray, " agents"]:
    """Return which road users have a size that their class does not have, or are wider than long.

    Args:
        kind: Class of each road user, a row of the catalogue.
        size_m: Length, width and height of each.
    """
    odd = (size_m > _LARGEST_M[kind]).any(axis=1) | (size_m < _SMALLEST_M).any(axis=1)
    # People and ships are wider than long.
    return np.asarray(odd | (CATALOGUE.is_motor[kind] & (size_m[:, 0] < size_m[:, 1]) & (size_m[:, 1] < 10.0)))
