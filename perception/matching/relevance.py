"""How much each cell of a matrix, and each blind one, matters to a vehicle: where a hidden road user could meet it soon."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.records import UNOBSERVED, PerceptionMatrix

OTHER_SPEED_MPS = 14.0
"""Fastest that a hidden road user is taken to move: 50 km/h, the usual urban limit."""

ATTENTION_S = 4.0
"""Time over which relevance falls by 1/e; ours, near the 5 s horizon of awareness.conflicts."""


def relevance(
    lower: Int64[np.ndarray, " 2"],
    shape: tuple[int, int],
    cell_m: float,
    position_m: Float[np.ndarray, " 2"],
    velocity_mps: Float[np.ndarray, " 2"],
    other_speed_mps: float = OTHER_SPEED_MPS,
    attention_s: float = ATTENTION_S,
) -> Float[np.ndarray, "nx ny"]:
    """Return how much each cell matters to a vehicle that keeps its velocity, between 0 and 1.

    A road user hidden in a cell at offset r could meet the vehicle (velocity v) at the earliest when
    |r - v t| = u t, u being its top speed; the weight is exp(-t / attention_s), and 0 where it can never meet.
    So the weight is round about a vehicle at rest, reaches far ahead and to the sides of one that drives, and is 0
    behind one that outruns the others. The meeting points lie on the Apollonius circle of simple pursuit
    (Isaacs, Differential Games, 1965); using it as a weight is ours.

    Args:
        lower: World cell index of cell (0, 0), as in PerceptionMatrix.
        shape: Cells in x and y.
        cell_m: Side of a cell.
        position_m: Of the vehicle, world frame.
        velocity_mps: Of the vehicle, over ground.
        other_speed_mps: u, above 0.
        attention_s: Time over which the weight falls by 1/e.
    """
    x = ((lower[0] + np.arange(shape[0]) + 0.5) * cell_m - position_m[0])[:, None]
    y = ((lower[1] + np.arange(shape[1]) + 0.5) * cell_m - position_m[1])[None, :]
    squared = x * x + y * y
    along = x * velocity_mps[0] + y * velocity_mps[1]
    excess = velocity_mps[0] ** 2 + velocity_mps[1] ** 2 - other_speed_mps**2
    discriminant = along * along - excess * squared
    # The first positive root of excess t^2 - 2 along t + squared = 0, in the form that survives excess = 0.
    divisor = along + np.sqrt(np.maximum(discriminant, 0.0))
    meets = (discriminant >= 0.0) & (divisor > 0.0)
    # A divisor next to nothing gives infinity: met never.
    with np.errstate(over="ignore"):
        meeting_s = np.where(meets, squared, 0.0) / np.where(meets, divisor, 1.0)
    # The vehicle's own cell, where offset and divisor may both vanish, is met at once.
    weight: np.ndarray = np.where(meets | (squared == 0.0), np.exp(-meeting_s / attention_s), 0.0)
    return weight


def blind_weight(
    matrix: PerceptionMatrix,
    open_ground: Bool[np.ndarray, "nx ny"],
    position_m: Float[np.ndarray, " 2"],
    velocity_mps: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "nx ny"]:
    """Return how much each cell that a vehicle does not see matters to it; 0 for cells that it sees.

    Args:
        matrix: What the vehicle sees.
        open_ground: Cells in which no building stands. Cells inside buildings never count as blind: the vehicle has the map.
        position_m: Of the vehicle, as it believes.
        velocity_mps: Of the vehicle, over ground.
    """
    weight = relevance(matrix.lower, matrix.code.shape, matrix.cell_m, position_m, velocity_mps)
    return np.where((matrix.code == UNOBSERVED) & open_ground, weight, 0.0)
