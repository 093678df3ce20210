"""Motion as tokens: conversion of tracks of poses to tokens in closed loop, conversion back to poses, and the error.

Poses are rows of x and y in metres and heading in radians, counter-clockwise from the x axis, in any fixed frame.
Tracks are stored one after the other: track t has the rows offset[t]:offset[t + 1]. A track of n poses has n - 1
tokens.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.gpu.sequence import motion_kernels
from v2xsim.gpu.sequence.motion_vocabulary import MotionError, MotionVocabulary, checked_rows, embedded


def moves_between(
    start: Float[np.ndarray, "poses 3"], end: Float[np.ndarray, "poses 3"]
) -> Float[np.ndarray, "poses 3"]:
    """Return the moves from the start poses to the end poses; headings turn the shorter way."""
    cos, sin = np.cos(start[:, 2]), np.sin(start[:, 2])
    x, y, turn = (end - start).T
    return np.column_stack([cos * x + sin * y, cos * y - sin * x, turn - 2.0 * np.pi * np.rint(turn / (2.0 * np.pi))])


def moved(pose: Float[np.ndarray, "poses 3"], move: Float[np.ndarray, "poses 3"]) -> Float[np.ndarray, "poses 3"]:
    """Return the poses that result from moves."""
    cos, sin = np.cos(pose[:, 2]), np.sin(pose[:, 2])
    heading = pose[:, 2] + move[:, 2]
    return np.column_stack(
        [
            pose[:, 0] + (cos * move[:, 0] - sin * move[:, 1]),
            pose[:, 1] + (sin * move[:, 0] + cos * move[:, 1]),
            heading - 2.0 * np.pi * np.rint(heading / (2.0 * np.pi)),
        ]
    )


def moves_of(
    pose: Float[np.ndarray, "rows 3"], offset: Int64[np.ndarray, " tracks_plus_1"]
) -> Float[np.ndarray, "moves 3"]:
    """Return the moves along tracks, from each true pose to the next one."""
    _check_tracks(pose, offset)
    moves = moves_between(pose[:-1], pose[1:])
    within = np.ones(len(moves), bool)
    within[offset[1:-1] - 1] = False
    return moves[within]


def nearest(
    vocabulary: MotionVocabulary, moves: Float[np.ndarray, "moves 3"]
) -> tuple[Int64[np.ndarray, " moves"], Float[np.ndarray, " moves"]]:
    """Return the token nearest to each move, and their distance in metres.

    To tokenise a stream, keep the pose `led` that the tokens lead to: token = nearest(v, moves_between(led, now)),
    then led = moved(led, v.move[token]).
    """
    checked_rows("moves", moves)
    token, square = np.empty(len(moves), np.int64), np.empty(len(moves))
    motion_kernels.nearest_all(moves, *_search(vocabulary), token, square)
    return token, np.sqrt(square)


def tokenise(
    vocabulary: MotionVocabulary, pose: Float[np.ndarray, "rows 3"], offset: Int64[np.ndarray, " tracks_plus_1"]
) -> Int64[np.ndarray, " tokens"]:
    """Return the tokens of tracks sampled at the vocabulary's step, chosen in closed loop.

    The tokens so far lead to a pose near the true one. The next token is the one that leads from there nearest to the
    next true pose. So later tokens correct the errors of earlier ones.
    """
    _check_tracks(pose, offset)
    token = np.empty(len(pose) - (len(offset) - 1), np.int64)
    motion_kernels.tokenise_tracks(pose, offset, vocabulary.move, *_search(vocabulary), token)
    return token


def token_offsets(offset: Int64[np.ndarray, " tracks_plus_1"]) -> Int64[np.ndarray, " tracks_plus_1"]:
    """Return the index of the first token of each track, from the index of its first pose."""
    return offset - np.arange(len(offset))


def detokenise(
    vocabulary: MotionVocabulary,
    token: Int64[np.ndarray, " tokens"],
    offset: Int64[np.ndarray, " tracks_plus_1"],
    initial: Float[np.ndarray, "tracks 3"],
) -> Float[np.ndarray, "rows 3"]:
    """Return the poses that tokens lead to, starting with the initial pose of each track.

    Args:
        vocabulary: Vocabulary of the tokens.
        token: Tokens, one track after the other.
        offset: Limits of the tracks: track t has token[offset[t]:offset[t + 1]].
        initial: First pose of each track.
    """
    checked_rows("initial poses", initial)
    check_tokens(vocabulary, token)
    check_offset(offset, len(token), least=0)
    if len(initial) != len(offset) - 1:
        raise MotionError(f"there must be one initial pose a track, got {len(initial)} for {len(offset) - 1} tracks")
    pose = np.empty((len(token) + len(initial), 3))
    motion_kernels.detokenise_tracks(token, offset, initial, vocabulary.move, pose)
    return pose


@dataclass(frozen=True)
class Coverage:
    """Measures of how well a vocabulary covers moves between true poses.

    Attributes:
        uncovered: Share of moves whose nearest token is farther away than the tolerance, 0 to 1.
        mean_m: Mean distance of a move to its nearest token.
        farthest_m: Largest distance of a move to its nearest token.
    """

    uncovered: float
    mean_m: float
    farthest_m: float


def coverage(vocabulary: MotionVocabulary, moves: Float[np.ndarray, "moves 3"]) -> Coverage:
    """Return measures of how well a vocabulary covers moves."""
    _, distance_m = nearest(vocabulary, moves)
    if len(distance_m) == 0:
        raise MotionError("coverage is of moves, got none")
    far = distance_m > vocabulary.tolerance_m * (1.0 + 1e-9)
    return Coverage(float(far.mean()), float(distance_m.mean()), float(distance_m.max()))


@dataclass(frozen=True)
class Drift:
    """Distances between true positions and the positions that closed-loop tokens lead to.

    The first position of each track is left out, because it is exact.
    """

    mean_m: float
    quantile_99_m: float
    largest_m: float


def drift(
    vocabulary: MotionVocabulary,
    pose: Float[np.ndarray, "rows 3"],
    offset: Int64[np.ndarray, " tracks_plus_1"],
    token: Int64[np.ndarray, " tokens"] | None = None,
) -> Drift:
    """Return the distances between tracks and the poses of their tokens; if `token` is None, tokens are computed first."""
    _check_tracks(pose, offset)
    if len(pose) == len(offset) - 1:
        raise MotionError(f"drift is of poses after the first ones, got none in {len(pose)} tracks")
    if token is None:
        token = tokenise(vocabulary, pose, offset)
    led = detokenise(vocabulary, token, token_offsets(offset), pose[offset[:-1]])
    later = np.ones(len(pose), bool)
    later[offset[:-1]] = False
    error_m = np.hypot(*(led - pose)[later, :2].T)
    return Drift(float(error_m.mean()), float(np.quantile(error_m, 0.99)), float(error_m.max()))


@dataclass(frozen=True)
class TokenStatistics:
    """Statistics of tokens, without any model.

    Attributes:
        tokens: Number of tokens.
        used: Number of different tokens that occur at least once.
        stationary: Share of tokens that mean standing still, 0 to 1.
        entropy_nats: Entropy per token, computed from the frequency of each token.
        unigram_cross_entropy_nats: Cross-entropy per token if each token is predicted with its frequency in the
            training set, with one count added to every token.
    """

    tokens: int
    used: int
    stationary: float
    entropy_nats: float
    unigram_cross_entropy_nats: float


def token_statistics(
    vocabulary: MotionVocabulary, token: Int64[np.ndarray, " tokens"], trained: Int64[np.ndarray, " trained_tokens"]
) -> TokenStatistics:
    """Return statistics of tokens; `trained` are the tokens of the training set."""
    check_tokens(vocabulary, token)
    check_tokens(vocabulary, trained)
    if len(token) == 0:
        raise MotionError("statistics are of tokens, got none")
    count = np.bincount(token, minlength=len(vocabulary))
    share = count / count.sum()
    known = np.bincount(trained, minlength=len(vocabulary)) + 1.0
    entropy = -float((share[count > 0] * np.log(share[count > 0])).sum())
    cross = -float((share * np.log(known / known.sum())).sum())
    return TokenStatistics(len(token), int((count > 0).sum()), float(share[vocabulary.stationary]), entropy, cross)


def check_tokens(vocabulary: MotionVocabulary, token: np.ndarray) -> None:
    """Raise an error for values that are not tokens of a vocabulary.

    Raises:
        MotionError: If there is such a value; the message names the first one.
    """
    _check_row("tokens", token)
    wrong = np.flatnonzero((token < 0) | (token >= len(vocabulary)))
    if len(wrong):
        raise MotionError(
            f"tokens must be from 0 to {len(vocabulary) - 1} in this vocabulary, got {token[wrong[0]]} at {wrong[0]}"
        )


def _check_tracks(pose: np.ndarray, offset: np.ndarray) -> None:
    checked_rows("poses", pose)
    check_offset(offset, len(pose), least=1)


def check_offset(offset: np.ndarray, rows: int, least: int) -> None:
    """Check the indices at which the rows of each track begin.

    Raises:
        MotionError: If the indices are invalid; the message describes them.
    """
    _check_row("offsets", offset)
    if len(offset) == 0:
        raise MotionError("offsets must be one more than tracks, got none")
    if offset[0] != 0 or offset[-1] != rows or (np.diff(offset) < least).any():
        raise MotionError(
            f"offsets must rise from 0 to the number of rows, {rows}, by at least {least} a track; "
            f"got {offset[0]} to {offset[-1]}, by at least {np.diff(offset).min() if len(offset) > 1 else 0}"
        )


def _check_row(name: str, row: np.ndarray) -> None:
    if not isinstance(row, np.ndarray) or row.ndim != 1 or row.dtype != np.int64:
        got = f"{row.dtype} of shape {row.shape}" if isinstance(row, np.ndarray) else type(row).__name__
        raise MotionError(f"{name} must be a numpy array of int64 in one row, got {got}")


def _search(vocabulary: MotionVocabulary) -> tuple[np.ndarray, np.ndarray, float]:
    return embedded(vocabulary.move, vocabulary.lever_m), vocabulary.mirror, vocabulary.lever_m
