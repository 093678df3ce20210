"""Compiled loops for motion tokens: search for the nearest token, and conversion of tracks to tokens and back."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _square(x, y, c, s, point, token):  # type: ignore[no-untyped-def]
    p, q = x - point[token, 0], y - point[token, 1]
    u, v = c - point[token, 2], s - point[token, 3]
    # The two terms whose sign changes under mirroring are added first, so that mirrored moves give bitwise equal
    # results.
    return (p * p + u * u) + (q * q + v * v)


@njit(cache=True, nogil=True)
def _nearest(x, y, heading, point, mirror, lever_m):  # type: ignore[no-untyped-def]
    """Return the nearest token and its squared distance; a mirrored move gets the mirrored token."""
    c, s = lever_m * np.cos(heading), lever_m * np.sin(heading)
    right = np.searchsorted(point[:, 0], x)
    left = right - 1
    best, least, rank = -1, np.inf, 0
    # Search outwards along dx: the difference in dx alone is a lower bound of the distance.
    while left >= 0 or right < len(point):
        gap_left = x - point[left, 0] if left >= 0 else np.inf
        gap_right = point[right, 0] - x if right < len(point) else np.inf
        if min(gap_left, gap_right) ** 2 > least:
            break
        if gap_left < gap_right:
            token, left = left, left - 1
        else:
            token, right = right, right + 1
        square = _square(x, y, c, s, point, token)
        # Of equally near tokens, take the lowest number, where a token counts with the lower of its own number and that
        # of its mirror image.
        pair = token if mirror[token] < 0 else min(token, mirror[token])
        if square < least or (square == least and pair < rank):
            best, least, rank = token, square, pair
    # The choice between a token and its mirror image would be arbitrary: take the nearest straight token instead.
    other = mirror[best]
    if other >= 0 and other != best and _square(x, y, c, s, point, other) == least:
        straight = np.inf
        for token in range(len(point)):
            square = _square(x, y, c, s, point, token)
            if mirror[token] == token and square < straight:
                best, straight = token, square
        least = straight
    return best, least


@njit(cache=True, nogil=True)
def nearest_all(moves, point, mirror, lever_m, token, square):  # type: ignore[no-untyped-def]
    """Write the nearest token of each move to `token`, and its squared distance to `square`."""
    for n in range(len(moves)):
        token[n], square[n] = _nearest(moves[n, 0], moves[n, 1], moves[n, 2], point, mirror, lever_m)


@njit(cache=True, nogil=True)
def tokenise_tracks(pose, offset, move, point, mirror, lever_m, token):  # type: ignore[no-untyped-def]
    """Write the tokens of tracks in closed loop: each token starts from the pose to which the tokens before it led."""
    n = 0
    for track in range(len(offset) - 1):
        x, y, heading = pose[offset[track], 0], pose[offset[track], 1], pose[offset[track], 2]
        for row in range(offset[track] + 1, offset[track + 1]):
            cos, sin = np.cos(heading), np.sin(heading)
            ahead, across = pose[row, 0] - x, pose[row, 1] - y
            chosen, _ = _nearest(
                cos * ahead + sin * across, cos * across - sin * ahead, pose[row, 2] - heading, point, mirror, lever_m
            )
            token[n] = chosen
            n += 1
            x += cos * move[chosen, 0] - sin * move[chosen, 1]
            y += sin * move[chosen, 0] + cos * move[chosen, 1]
            heading += move[chosen, 2]
            heading -= 2.0 * np.pi * np.rint(heading / (2.0 * np.pi))


@njit(cache=True, nogil=True)
def detokenise_tracks(token, offset, initial, move, pose):  # type: ignore[no-untyped-def]
    """Write the poses that tokens lead to, starting from the initial pose of each track."""
    row = 0
    for track in range(len(offset) - 1):
        x, y, heading = initial[track, 0], initial[track, 1], initial[track, 2]
        pose[row, 0], pose[row, 1], pose[row, 2] = x, y, heading
        row += 1
        for n in range(offset[track], offset[track + 1]):
            cos, sin = np.cos(heading), np.sin(heading)
            x += cos * move[token[n], 0] - sin * move[token[n], 1]
            y += sin * move[token[n], 0] + cos * move[token[n], 1]
            heading += move[token[n], 2]
            heading -= 2.0 * np.pi * np.rint(heading / (2.0 * np.pi))
            pose[row, 0], pose[row, 1], pose[row, 2] = x, y, heading
            row += 1
