"""Relevance of each cell of a matrix to a vehicle: higher where a hidden road user could meet the vehicle soon."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.records import UNOBSERVED, PerceptionMatrix

OTHER_SPEED_MPS = 14.0
"""Highest speed that a hidden road user is assumed to have: 50 km/h, the usual urban limit."""

ATTENTION_S = 4.0
"""Time over which the relevance falls to 1/e; our choice, near the 5 s horizon of awareness.conflicts."""


def relevance(
    lower: Int64[np.ndarray, " 2"],
    shape: tuple[int, int],
    cell_m: float,
    position_m: Float[np.ndarray, " 2"],
    velocity_mps: Float[np.ndarray, " 2"],
    other_speed_mps: float = OTHER_SPEED_MPS,
    attention_s: float = ATTENTION_S,
) -> Float[np.ndarray, "nx ny"]:
    """Return the relevance of each cell, from 0 to 1, to a vehicle that keeps its velocity.

    A road user hidden in a cell at offset r, with top speed u, can meet the vehicle with velocity v at the earliest
    when |r - v t| = u t. The relevance is exp(-t / attention_s), or 0 if they can never meet. Around a vehicle at rest,
    it is the same in all directions. For a moving vehicle, it reaches far ahead and to the sides. Behind a vehicle that
    is faster than u, it is 0. The meeting points lie on the Apollonius circle of simple pursuit (Isaacs, Differential
    Games, 1965); its use as a weight is our choice.

    Args:
        lower: Index in the world grid of cell (0, 0), as in PerceptionMatrix.
        shape: Number of cells in x and y.
        cell_m: Side length of a cell.
        position_m: Position of the vehicle in the world.
        velocity_mps: Velocity of the vehicle over ground.
        other_speed_mps: Top speed u of hidden road users, above 0; a higher speed makes more cells relevant.
        attention_s: Time over which the relevance falls to 1/e; a longer time makes distant cells more relevant.
    """
    x = ((lower[0] + np.arange(shape[0]) + 0.5) * cell_m - position_m[0])[:, None]
    y = ((lower[1] + np.arange(shape[1]) + 0.5) * cell_m - position_m[1])[None, :]
    squared = x * x + y * y
    along = x * velocity_mps[0] + y * velocity_mps[1]
    excess = velocity_mps[0] ** 2 + velocity_mps[1] ** 2 - other_speed_mps**2
    discriminant = along * along - excess * squared
    # The first positive root of excess t^2 - 2 along t + squared = 0, in a form that stays exact for excess = 0.
    divisor = along + np.sqrt(np.maximum(discriminant, 0.0))
    meets = (discriminant >= 0.0) & (divisor > 0.0)
    # A division by nearly zero gives infinity, which means that they never meet.
    with np.errstate(over="ignore"):
        meeting_s = np.where(meets, squared, 0.0) / np.where(meets, divisor, 1.0)
    # In the vehicle's own cell, offset and divisor may both be zero; there the time to meeting is 0.
    weight: np.ndarray = np.where(meets | (squared == 0.0), np.exp(-meeting_s / attention_s), 0.0)
    return weight


def blind_weight(
    matrix: PerceptionMatrix,
    open_ground: Bool[np.ndarray, "nx ny"],
    position_m: Float[np.ndarray, " 2"],
    velocity_mps: Float[np.ndarray, " 2"],
    other_speed_mps: float = OTHER_SPEED_MPS,
) -> Float[np.ndarray, "nx ny"]:
    """Return the weight (0 to 1) of each cell that a vehicle does not see; 0 for cells that it sees.

    Args:
        matrix: Perception matrix of the vehicle.
        open_ground: Whether each cell is outside buildings. Cells inside buildings never count as blind, because the
            vehicle has the map.
        position_m: Position of the vehicle by its own estimate.
        velocity_mps: Velocity of the vehicle over ground.
        other_speed_mps: Top speed of hidden road users, above 0.
    """
    weight = relevance(matrix.lower, matrix.code.shape, matrix.cell_m, position_m, velocity_mps, other_speed_mps)
    return np.where((matrix.code == UNOBSERVED) & open_ground, weight, 0.0)
