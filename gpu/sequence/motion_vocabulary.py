"""Vocabularies of motion: rigid moves in a body's own frame over one step, their distances, and their files.

A move is (dx, dy, dheading): metres forward and to the left, radians counter-clockwise. The distance of two moves is
the root mean square distance between the corners of a box after the first move and after the second. For a box of
length l and width w this is

    sqrt(ddx^2 + ddy^2 + (2 r sin(ddheading / 2))^2),    r = sqrt(l^2 + w^2) / 2,

which is the Euclidean distance of (dx, dy, r cos dheading, r sin dheading): the cross terms of the corners cancel.
"""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError

BOX_M = (7.5, 2.5)
"""Length and width in metres of a box between those of a car and a truck.

With the 4.5 m of a small car, heading errors have so little weight that some tracks end up facing backwards, and no
token leads back from there.
"""

TOLERANCE_M = 0.3

UNPAIRED = -1
"""Value of `mirror` for a token without a mirror image."""

# Version of the vocabulary file; other versions are rejected.
_FORMAT = 1


class MotionError(UserError):
    """Error for invalid poses, tokens or vocabularies."""


@dataclass(frozen=True)
class MotionVocabulary:
    """The moves that tokens stand for; a token is the row number of its move.

    Attributes:
        move: Rows of dx and dy in metres and dheading in radians, sorted by rising dx.
        mirror: Token of the mirror image of each move, which is the token itself for a straight move; -1 in a
            vocabulary without mirror pairs.
        step_s: Duration of a move.
        tolerance_m: Largest distance at which a token covers a move.
        box_m: Length and width of the box whose corners define the distance of two moves.
    """

    move: Float[np.ndarray, "tokens 3"]
    mirror: Int64[np.ndarray, " tokens"]
    step_s: float
    tolerance_m: float
    box_m: tuple[float, float] = BOX_M

    def __post_init__(self) -> None:
        checked_rows("a vocabulary's moves", self.move)
        count = len(self.move)
        if count == 0 or (np.diff(self.move[:, 0]) < 0).any():
            raise MotionError("a vocabulary must have at least one move, and its moves must rise in dx")
        held = isinstance(self.mirror, np.ndarray) and self.mirror.shape == (count,) and self.mirror.dtype == np.int64
        if not held or (self.mirror >= count).any() or (self.mirror < UNPAIRED).any():
            raise MotionError(
                f"a vocabulary's mirror must be {count} int64 tokens below {count}, or {UNPAIRED}, got {self.mirror!r}"
            )
        paired = self.mirror != UNPAIRED
        if (self.mirror[self.mirror[paired]] != np.flatnonzero(paired)).any():
            raise MotionError(f"a vocabulary's mirror must lead back from each token's mirror to it, got {self.mirror}")
        if (self.move[self.mirror[paired]] != mirrored(self.move[paired])).any():
            raise MotionError("a vocabulary's mirror must name the move (dx, -dy, -dheading) of each move")
        check_scale(self.step_s, self.tolerance_m, self.box_m)

    def __len__(self) -> int:
        return len(self.move)

    @property
    def lever_m(self) -> float:
        """Distance of the box's corners from its centre."""
        return float(np.hypot(*self.box_m)) / 2.0

    @property
    def stationary(self) -> int:
        """Token whose move is nearest to standing still."""
        return int(np.argmin(np.abs(embedded(self.move, self.lever_m) - [0.0, 0.0, self.lever_m, 0.0]).sum(axis=1)))

    def save(self, path: Path) -> None:
        """Write the vocabulary to an .npz file, completely or not at all."""
        content = io.BytesIO()
        np.savez(
            content, format=_FORMAT, move=self.move, mirror=self.mirror, step_s=self.step_s, tolerance_m=self.tolerance_m,
            box_m=np.array(self.box_m),
        )  # fmt: skip
        write_atomically(path, content.getvalue())

    @staticmethod
    def load(path: Path) -> "MotionVocabulary":
        """Return the vocabulary in a file.

        Raises:
            MotionError: If the file is missing or contains no vocabulary.
        """
        held = arrays_of(path, ("format", "move", "mirror", "step_s", "tolerance_m", "box_m"), "motion vocabulary")
        try:
            if int(held["format"]) != _FORMAT:
                raise ValueError(f"its format must be {_FORMAT}, got {held['format']}")
            length_m, width_m = (float(side) for side in held["box_m"])
            return MotionVocabulary(
                held["move"], held["mirror"], float(held["step_s"]), float(held["tolerance_m"]), (length_m, width_m)
            )
        except (TypeError, ValueError) as error:
            raise MotionError(f"{path}: holds no motion vocabulary: {error}") from error


def arrays_of(path: Path, names: tuple[str, ...], label: str) -> dict[str, np.ndarray]:
    """Return the named arrays from an .npz file.

    Raises:
        MotionError: If the file is missing, is not an .npz file, or lacks one of the arrays.
    """
    try:
        # The file is opened here, because numpy does not close a file that is not an archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            if not isinstance(held, np.lib.npyio.NpzFile):
                raise MotionError(f"{path}: must be a {label} (.npz), got a single array")
            if missing := [name for name in names if name not in held]:
                raise MotionError(f"{path}: must be a {label}; it has no {missing[0]!r}")
            return {name: held[name] for name in names}
    except MotionError:
        raise
    except OSError as error:
        raise MotionError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MotionError(f"{path}: must be a {label} (.npz), which this is not, or no longer: {error}") from error


FARTHEST = 1e9
"""Largest magnitude in metres or radians of a pose or a move: squares of distances far beyond it would overflow."""


def check_scale(step_s: Any, tolerance_m: Any, box_m: Any) -> None:
    """Raise an error if a duration, a tolerance or a box side is not finite and above 0.

    Raises:
        MotionError: If a value is invalid; the message names the first one.
    """
    if not isinstance(box_m, Sequence) or len(box_m) != 2:
        raise MotionError(f"a vocabulary's box_m must be a length and a width, got {box_m!r}")
    named = (("step_s", step_s), ("tolerance_m", tolerance_m), ("box_m", box_m[0]), ("box_m", box_m[1]))
    for name, value in named:
        if not isinstance(value, float | int | np.number) or not (np.isfinite(value) and value > 0):
            raise MotionError(f"a vocabulary's {name} must be above 0 and finite, got {value!r}")


def checked_rows(name: str, rows: np.ndarray) -> None:
    """Raise an error unless an array has rows of three finite float64 numbers within the allowed range.

    Raises:
        MotionError: If the type or shape is wrong, or a number is not finite or too large; the message describes what
            was found.
    """
    if not isinstance(rows, np.ndarray):
        raise MotionError(f"{name} must be a numpy array of float64, got {type(rows).__name__}")
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype != np.float64:
        raise MotionError(f"{name} must be float64 of shape (rows, 3), got {rows.dtype} of shape {rows.shape}")
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise MotionError(f"{name} must be finite, got {rows[row, column]} in row {row}, column {column}")
    if rows.size and float(np.abs(rows).max()) > FARTHEST:
        row, column = np.argwhere(np.abs(rows) > FARTHEST)[0]
        raise MotionError(f"{name} must be within {FARTHEST:g}, got {rows[row, column]} in row {row}, column {column}")


def mirrored(rows: Float[np.ndarray, "rows 3"]) -> Float[np.ndarray, "rows 3"]:
    """Return moves or poses with left and right exchanged."""
    return rows * np.array([1.0, -1.0, -1.0])


def embedded(move: Float[np.ndarray, "moves 3"], lever_m: float) -> Float[np.ndarray, "moves 4"]:
    """Return one point per move, such that the Euclidean distance of points is the distance of the moves."""
    return np.column_stack([move[:, :2], lever_m * np.cos(move[:, 2]), lever_m * np.sin(move[:, 2])])
