"""A lidar that moves while it turns: how its points are displaced, and how they are put back.

A rotating lidar measures column after column. Column k of K is measured at k / K of the turn after column 0, counter-clockwise as
the columns of `Beams` are numbered. In that time the vehicle moves, so the points of one turn, each in the vehicle's frame at its own
instant, do not fit together: a wall ahead comes nearer from column to column. Ego-motion compensation moves each point to the
vehicle's frame at one instant of the turn.

The instant of the scans of `v2xsim.gpu.lidar.turn` is the end of the turn: their points are in place with `at_s` the duration of a turn.

The motion is an arc: constant speed along and across the vehicle, and constant yaw rate. For such a motion both directions are exact.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numba import njit


@dataclass(frozen=True)
class EgoMotion:
    """How a vehicle moves during a turn of its lidar; the same throughout the turn.

    Attributes:
        forward_m_per_s: Speed along its own heading.
        left_m_per_s: Speed across its heading, to the left; 0 unless it slips, or its origin is not on the axis about which it turns.
        yaw_rate_rad_per_s: Rate of its heading, counter-clockwise.
    """

    forward_m_per_s: float
    left_m_per_s: float = 0.0
    yaw_rate_rad_per_s: float = 0.0


def column_time_s(column: Shaped[np.ndarray, "*rays"], columns: int, period_s: float) -> Float[np.ndarray, "*rays"]:
    """Return when each column is measured, after column 0: column / columns * period.

    Args:
        column: Number of each column, 0 to columns - 1.
        columns: Number of columns of a turn.
        period_s: Duration of a turn: 0.1 s at 10 Hz.
    """
    return np.asarray(column, float) * (period_s / columns)


def displacement(motion: EgoMotion, time_s: Float[np.ndarray, " instants"]) -> Float[np.ndarray, "instants 3"]:
    """Return x, y and yaw of the vehicle at each instant, in its own frame at time 0.

    On an arc of angle a, the chord has the length speed * time * sin(a/2) / (a/2) and the direction of the heading halfway, a/2.
    """
    moved: np.ndarray = _displacement(
        motion.forward_m_per_s, motion.left_m_per_s, motion.yaw_rate_rad_per_s, np.ascontiguousarray(time_s, np.float64)
    )
    return moved


def compensated(
    points_m: Float[np.ndarray, "points 3"], time_s: Float[np.ndarray, " points"], motion: EgoMotion, at_s: float = 0.0
) -> Float[np.ndarray, "points 3"]:
    """Return points in the vehicle's frame at one instant, from points in its frame at the instant of each of them.

    If the motion is wrong by a speed, points stay wrong by that speed times (time - at_s).

    Args:
        points_m: Position of each point in the vehicle's frame when it was measured, as `returns` gives it.
        time_s: When each point was measured (`column_time_s`).
        motion: Motion of the vehicle, as far as it is known.
        at_s: The instant, on the same clock: 0 is the start of the turn, the period its end. In the middle, points move least.
    """
    placed: np.ndarray = _placed(
        np.ascontiguousarray(points_m, np.float64), displacement(motion, np.asarray(time_s, np.float64) - at_s), False
    )
    return placed


def as_measured(
    points_m: Float[np.ndarray, "points 3"], time_s: Float[np.ndarray, " points"], motion: EgoMotion, at_s: float = 0.0
) -> Float[np.ndarray, "points 3"]:
    """Return where a moving vehicle measures points that stand still: the inverse of `compensated`.

    It shows the distortion of a turn without compensation.

    Args:
        points_m: Position of each point in the vehicle's frame at `at_s`.
        time_s: When each point is measured (`column_time_s`).
        motion: Motion of the vehicle.
        at_s: The instant of the frame of `points_m`, on the same clock.
    """
    placed: np.ndarray = _placed(
        np.ascontiguousarray(points_m, np.float64), displacement(motion, np.asarray(time_s, np.float64) - at_s), True
    )
    return placed


@njit(cache=True, nogil=True, error_model="numpy")
def _displacement(forward, left, yaw_rate, time_s):  # type: ignore[no-untyped-def]
    """Return the rows of `displacement`."""
    moved = np.empty((len(time_s), 3))
    for n in range(len(time_s)):
        half = 0.5 * yaw_rate * time_s[n]
        chord = time_s[n] * (math.sin(half) / half if abs(half) > 1e-8 else 1.0)
        c, s = math.cos(half), math.sin(half)
        moved[n, 0] = chord * (c * forward - s * left)
        moved[n, 1] = chord * (s * forward + c * left)
        moved[n, 2] = 2.0 * half
    return moved


@njit(cache=True, nogil=True, error_model="numpy")
def _placed(points, moved, is_inverse):  # type: ignore[no-untyped-def]
    """Return points moved from a displaced frame to the frame at rest, or back."""
    placed = np.empty(points.shape)
    for n in range(len(points)):
        c, s = math.cos(moved[n, 2]), math.sin(moved[n, 2])
        x, y = points[n, 0], points[n, 1]
        if is_inverse:
            x, y = x - moved[n, 0], y - moved[n, 1]
            placed[n, 0], placed[n, 1] = c * x + s * y, c * y - s * x
        else:
            placed[n, 0], placed[n, 1] = c * x - s * y + moved[n, 0], s * x + c * y + moved[n, 1]
        placed[n, 2] = points[n, 2]
    return placed
