"""Choice of a vocabulary of motion that also covers rare moves; random k-disks are the baseline."""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit
from numpy.random import Generator

from v2xsim.gpu.sequence.motion import detokenise, moves_between, moves_of, nearest, token_offsets, tokenise
from v2xsim.gpu.sequence.motion_vocabulary import (
    BOX_M,
    TOLERANCE_M,
    UNPAIRED,
    MotionError,
    MotionVocabulary,
    check_scale,
    checked_rows,
    embedded,
    mirrored,
)

# Shares of a vocabulary: the first share is for the farthest true moves, the second for moves where most true moves are
# uncovered. The rest is for moves that are needed only after tokens have led away from a track. It is chosen in several
# rounds, since each new token changes what is needed.
_FARTHEST_SHARE, _TRUE_SHARE, _ROUNDS = 0.25, 0.75, 4
# A vehicle farther than this number of tolerances from its track counts as lost, and the moves that it needs are not
# used as examples.
_ASTRAY = 5.0
# Moves count as similar if they agree within this fraction of the tolerance along each axis.
_ALIKE = 1.0 / 3.0


def covering(
    pose: Float[np.ndarray, "rows 3"],
    offset: Int64[np.ndarray, " tracks_plus_1"],
    size: int,
    *,
    step_s: float,
    tolerance_m: float = TOLERANCE_M,
    box_m: tuple[float, float] = BOX_M,
) -> MotionVocabulary:
    """Return a vocabulary chosen so that nearly every move, even a rare one, has a token nearby.

    Up to three quarters of the tokens are chosen from moves that vehicles made in the training data; the rest are
    chosen from moves that lead back to a track when tokenisation has drifted off it. No vehicle need have made a move
    of the second kind.

    The first token is standing still. Up to a quarter of the vocabulary is then filled with farthest points: each is
    the move farthest from all tokens so far (Gonzalez 1985), so that a fast or sharp move has a token even if it is
    rare. Each further token is the uncovered move with the largest product of the number of similar moves and the
    squared distance to the nearest token. With a move to one side, its mirror image is added. A move within half the
    tolerance of a straight move becomes straight. The result depends only on the tracks, not on random numbers.

    Args:
        pose: Poses of the training tracks at time steps of `step_s`; see v2xsim.gpu.sequence.motion.
        offset: Index of the first pose of each track; one entry more than tracks.
        size: Largest number of tokens; the result has fewer if fewer tokens cover all moves.
        step_s: Duration of a move.
        tolerance_m: Largest distance at which a token covers a move; a smaller tolerance needs more tokens.
        box_m: Length and width of the box whose corners define the distance of two moves.
    """
    moves = moves_of(pose, offset)
    _check_choice(moves, size, step_s, tolerance_m, box_m)
    begun = _paired([np.zeros(3)], step_s, tolerance_m, box_m)
    made = _extended(begun, moves, int(_FARTHEST_SHARE * size), alike=False)
    made = _extended(made, moves, int(_TRUE_SHARE * size), alike=True)
    for left in reversed(range(_ROUNDS)):
        share = 1.0 - (1.0 - _TRUE_SHARE) * left / _ROUNDS
        made = _extended(made, _wanted(made, pose, offset), int(share * size), alike=True)
    return made


def random_k_disks(
    moves: Float[np.ndarray, "moves 3"],
    size: int,
    draw: Generator,
    *,
    step_s: float,
    tolerance_m: float = TOLERANCE_M,
    box_m: tuple[float, float] = BOX_M,
) -> MotionVocabulary:
    """Return a vocabulary of moves drawn at random, one by one, from those that no token covers yet: the baseline.

    References:
        Philion, Peng, Fidler: Trajeglish, arXiv 2312.04535 (k-disks).
    """
    _check_choice(moves, size, step_s, tolerance_m, box_m)
    point, alone = embedded(moves, float(np.hypot(*box_m)) / 2.0), np.ones(len(moves))
    square = np.full(len(moves), np.inf)
    chosen: list[Float[np.ndarray, " 3"]] = []
    while len(chosen) < size and len(left := np.flatnonzero(square > tolerance_m**2)):
        row = draw.choice(left)
        chosen.append(moves[row])
        _nearer(point, point[row], square, alone, tolerance_m**2)
    move = np.array(chosen)
    move = move[np.lexsort(move.T[::-1])]
    return MotionVocabulary(move, np.full(len(move), UNPAIRED), step_s, tolerance_m, box_m)


def _check_choice(moves: np.ndarray, size: int, step_s: float, tolerance_m: float, box_m: tuple[float, float]) -> None:
    checked_rows("moves", moves)
    if len(moves) == 0:
        raise MotionError("a vocabulary is chosen from moves, got none")
    if not isinstance(size, int | np.integer) or size < 1:
        raise MotionError(f"a vocabulary must have a whole size of at least 1, got {size!r}")
    check_scale(step_s, tolerance_m, box_m)


def _extended(
    vocabulary: MotionVocabulary, moves: Float[np.ndarray, "moves 3"], size: int, *, alike: bool
) -> MotionVocabulary:
    """Return a vocabulary with additional moves, until it has `size` tokens or all moves are covered.

    Args:
        vocabulary: Vocabulary to extend.
        moves: Moves to cover.
        size: Largest number of tokens.
        alike: Whether uncovered moves with many similar moves are added first; otherwise the farthest moves are.
    """
    if len(vocabulary) >= size:
        return vocabulary
    tolerance_m, lever_m = vocabulary.tolerance_m, vocabulary.lever_m
    point, square = embedded(moves, lever_m), nearest(vocabulary, moves)[1] ** 2
    weight = _alike(moves, _ALIKE * tolerance_m, lever_m) if alike else np.ones(len(moves))
    # Distance of each move from the straight move of the same forward distance.
    sideways_m = np.hypot(moves[:, 1], 2.0 * lever_m * np.sin(moves[:, 2] / 2.0))
    chosen = list(vocabulary.move)
    following = _nearer(point, embedded(chosen[0][None], lever_m)[0], square, weight, tolerance_m**2)
    while following >= 0 and len(chosen) < size:
        pick = moves[following].copy()
        if sideways_m[following] <= 0.5 * tolerance_m:
            pick[1:] = 0.0
        elif len(chosen) + 2 > size:
            break
        for move in (pick,) if pick[1] == 0.0 == pick[2] else (pick, mirrored(pick[None])[0]):
            chosen.append(move)
            following = _nearer(point, embedded(move[None], lever_m)[0], square, weight, tolerance_m**2)
    return _paired(chosen, vocabulary.step_s, tolerance_m, vocabulary.box_m)


def _wanted(
    vocabulary: MotionVocabulary, pose: Float[np.ndarray, "rows 3"], offset: Int64[np.ndarray, " tracks_plus_1"]
) -> Float[np.ndarray, "moves 3"]:
    """Return the moves that lead back to the tracks from the poses of closed-loop tokens, without lost vehicles."""
    token = tokenise(vocabulary, pose, offset)
    led = detokenise(vocabulary, token, token_offsets(offset), pose[offset[:-1]])
    begins = np.ones(len(pose), bool)
    begins[offset[1:] - 1] = False
    near = np.hypot(*(led - pose)[:, :2].T) <= _ASTRAY * vocabulary.tolerance_m
    row = np.flatnonzero(begins & near)
    return moves_between(led[row], pose[row + 1])


def _alike(moves: Float[np.ndarray, "moves 3"], cell_m: float, lever_m: float) -> Float[np.ndarray, " moves"]:
    """Return for each move the number of moves in the same cell; mirrored moves share a cell."""
    side = np.where((moves[:, 1] < 0) | ((moves[:, 1] == 0) & (moves[:, 2] < 0)), -1.0, 1.0)
    folded = moves * np.stack([np.ones(len(moves)), side, side], axis=1)
    cell = np.round(folded * np.array([1.0, 1.0, lever_m]) / cell_m).astype(np.int64)
    cell -= cell.min(axis=0)
    extent = cell.max(axis=0) + 1
    _, which, count = np.unique(
        (cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2], return_inverse=True, return_counts=True
    )
    return count[which].astype(np.float64)


def _paired(
    chosen: list[Float[np.ndarray, " 3"]], step_s: float, tolerance_m: float, box_m: tuple[float, float]
) -> MotionVocabulary:
    """Return the vocabulary of the given moves, which must include the mirror image of each of them."""
    # Minus zero equals zero, but has other bytes in a file.
    move = np.unique(np.array(chosen) + 0.0, axis=0)
    row_of = {row.tobytes(): number for number, row in enumerate(move)}
    mirror = np.array([row_of[(row + 0.0).tobytes()] for row in mirrored(move)], np.int64)
    return MotionVocabulary(move, mirror, step_s, tolerance_m, box_m)


@njit(cache=True, nogil=True)
def _nearer(point, token, square, weight, tolerance_square):  # type: ignore[no-untyped-def]
    """Reduce the squared distances to the nearest token by a further token.

    The result is the uncovered row with the largest product of weight and squared distance, or -1 if all are covered.
    """
    best, most = -1, 0.0
    sideways = token[1] != 0.0 or token[3] != 0.0
    for n in range(len(point)):
        # A token and its mirror image are equally near to a straight move, so a straight move always gets a straight
        # token (see motion_kernels._nearest).
        if not (sideways and point[n, 1] == 0.0 and point[n, 3] == 0.0):
            a, b = point[n, 0] - token[0], point[n, 1] - token[1]
            c, d = point[n, 2] - token[2], point[n, 3] - token[3]
            square[n] = min(square[n], a * a + b * b + c * c + d * d)
        if square[n] > tolerance_square and weight[n] * square[n] > most:
            best, most = n, weight[n] * square[n]
    return best
