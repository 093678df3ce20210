"""Relevance of each cell of a matrix to a vehicle: higher where a hidden road user could meet the vehicle soon."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64, UInt8
from numba import njit

from v2xsim.records import UNOBSERVED

OTHER_SPEED_MPS = 14.0
"""Highest speed that a hidden road user is assumed to have where nothing is known: 50 km/h, the usual urban limit."""

ATTENTION_S = 4.0
"""Time over which the relevance falls to 1/e; our choice, near the 5 s horizon of awareness.conflicts."""


class CellSpeeds(NamedTuple):
    """Top speed of the road users that may be hidden in each cell.

    Attributes:
        speed_mps: Speeds that occur, each above 0.
        row: Row in `speed_mps` of each cell.
    """

    speed_mps: Float[np.ndarray, " speeds"]
    row: Int16[np.ndarray, "vehicles nx ny"]

    @staticmethod
    def everywhere(speed_mps: float, shape: tuple[int, ...]) -> "CellSpeeds":
        """Return one speed for all cells."""
        return CellSpeeds(np.array([speed_mps]), np.zeros(shape, np.int16))


def relevance(
    lower: Int64[np.ndarray, "vehicles 2"],
    counts: Bool[np.ndarray, "vehicles nx ny"],
    cell_m: float,
    position_m: Float[np.ndarray, "vehicles 2"],
    velocity_mps: Float[np.ndarray, "vehicles 2"],
    other_speed_mps: float | CellSpeeds = OTHER_SPEED_MPS,
    attention_s: float = ATTENTION_S,
) -> Float[np.ndarray, "vehicles nx ny"]:
    """Return the relevance of cells, from 0 to 1, to vehicles that keep their velocities.

    A road user hidden in a cell at offset r, with top speed u, can meet the vehicle with velocity v at the earliest
    when |r - v t| = u t. The relevance is exp(-t / attention_s), or 0 if they can never meet. Around a vehicle at rest,
    it is the same in all directions. For a moving vehicle, it reaches far ahead and to the sides. Behind a vehicle that
    is faster than u, it is 0. The meeting points lie on the Apollonius circle of simple pursuit (Isaacs, Differential
    Games, 1965); its use as a weight is our choice.

    Args:
        lower: Index in the world grid of each vehicle's cell (0, 0), as in PerceptionMatrix.
        counts: Whether each cell counts; the others get 0.
        cell_m: Side length of a cell.
        position_m: Position of each vehicle in the world.
        velocity_mps: Velocity of each vehicle over ground.
        other_speed_mps: Top speed u of hidden road users, above 0, of all cells or of each; a higher speed makes more cells
            relevant.
        attention_s: Time over which the relevance falls to 1/e; a longer time makes distant cells more relevant.
    """
    # Squares of single numbers, because those of an array may be rounded in another way.
    other = other_speed_mps
    speeds = other if isinstance(other, CellSpeeds) else CellSpeeds.everywhere(other, counts.shape)
    squares = [speed**2 for speed in speeds.speed_mps.tolist()]
    excess = np.array([[vx**2 + vy**2 - square for square in squares] for vx, vy in velocity_mps], np.float64)
    exponent, meets = _exponents(
        np.ascontiguousarray(lower), counts, float(cell_m), np.ascontiguousarray(position_m),
        np.ascontiguousarray(velocity_mps), excess.reshape(-1, len(squares)), speeds.row, float(attention_s),
    )  # fmt: skip
    weight: Float[np.ndarray, "vehicles nx ny"] = np.exp(exponent, out=exponent)
    weight *= meets
    return weight


def blind_weight(
    lower: Int64[np.ndarray, "vehicles 2"],
    cell_m: float,
    code: UInt8[np.ndarray, "vehicles nx ny"],
    open_ground: Bool[np.ndarray, "vehicles nx ny"],
    position_m: Float[np.ndarray, "vehicles 2"],
    velocity_mps: Float[np.ndarray, "vehicles 2"],
    other_speed_mps: float | CellSpeeds = OTHER_SPEED_MPS,
) -> Float[np.ndarray, "vehicles nx ny"]:
    """Return the weight (0 to 1) of each cell that a vehicle does not see; 0 for cells that it sees.

    Args:
        lower: Index in the world grid of cell (0, 0) of each vehicle's perception matrix.
        cell_m: Side length of a cell.
        code: Codes of each vehicle's perception matrix.
        open_ground: Whether each cell is outside buildings. Cells inside buildings never count as blind, because the
            vehicle has the map.
        position_m: Position of each vehicle by its own estimate.
        velocity_mps: Velocity of each vehicle over ground.
        other_speed_mps: Top speed of hidden road users, above 0, of all cells or of each.
    """
    return relevance(lower, (code == UNOBSERVED) & open_ground, cell_m, position_m, velocity_mps, other_speed_mps)


@njit(cache=True, nogil=True)
def _exponents(lower, counts, cell_m, position_m, velocity_mps, excess, speed_row, attention_s):  # type: ignore[no-untyped-def]
    """Return minus the time to meeting over `attention_s` of cells that count, and whether one counts and may be met."""
    exponent, meets = np.zeros(counts.shape), np.zeros(counts.shape, np.bool_)
    for n in range(len(counts)):
        vx, vy = velocity_mps[n]
        for i in range(counts.shape[1]):
            x = (lower[n, 0] + i + 0.5) * cell_m - position_m[n, 0]
            for j in range(counts.shape[2]):
                if not counts[n, i, j]:
                    continue
                y = (lower[n, 1] + j + 0.5) * cell_m - position_m[n, 1]
                time_s = meeting_s(x, y, vx, vy, excess[n, speed_row[n, i, j]])
                if time_s < np.inf:
                    exponent[n, i, j] = -time_s / attention_s
                    meets[n, i, j] = True
    return exponent, meets


@njit(cache=True, nogil=True)
def meeting_s(x: float, y: float, vx: float, vy: float, excess: float) -> float:
    """Return the earliest time at which a road user can meet a vehicle that keeps its velocity; infinity if it never can.

    Args:
        x: Offset of the road user from the vehicle, to the east, in metres.
        y: The same, to the north.
        vx: Velocity of the vehicle, to the east, in metres per second.
        vy: The same, to the north.
        excess: Square of the vehicle's speed minus square of the road user's top speed, in m^2/s^2.
    """
    squared = x * x + y * y
    along = x * vx + y * vy
    discriminant = along * along - excess * squared
    # The first positive root of excess t^2 - 2 along t + squared = 0, in a form that stays exact for excess = 0.
    divisor = along + np.sqrt(max(discriminant, 0.0))
    if discriminant >= 0.0 and divisor > 0.0:
        # A division by nearly zero gives infinity, which means that they never meet.
        return squared / divisor
    # At the vehicle's own place, offset and divisor may both be zero; there the time to meeting is 0.
    return 0.0 if squared == 0.0 else np.inf
