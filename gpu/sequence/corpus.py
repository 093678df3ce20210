"""A corpus of motion as tokens: a folder with three sets of sequences, the vocabulary and a manifest.

- The files train.npz, validation.npz and test.npz contain the sequences. The validation set has other drives on the same
  roads as the training set, and the test set has other roads.
- The file vocabulary.npz contains the moves that the tokens stand for.
- The file manifest.json contains the settings, and the errors of the tokenisation.

The command `v2xsim corpus` creates such folders. This module reads such folders and cuts the sequences into windows for
a trainer.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from v2xsim.atomic import write_atomically
from v2xsim.gpu.sequence.motion import check_offset, check_tokens, detokenise
from v2xsim.gpu.sequence.motion_vocabulary import MotionError, MotionVocabulary, arrays_of, checked_rows
from v2xsim.gpu.sequence.sizes import is_whole
from v2xsim.gpu.sequence.windows import Windows

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.npz"
# Version of the corpus files; other versions are rejected.
FORMAT = 1

DRIVER_COLUMNS = (
    "kind", "style", "model", "accel_mps2", "decel_mps2", "time_gap_s", "min_gap_m", "imperfection", "speed_factor",
    "max_speed_mps", "length_m", "width_m",
)  # fmt: skip
"""Stored parameters of each driver.

The parameters are the vehicle class; the style and car-following model if the corpus drew them; and SUMO's accel,
decel, tau, minGap, sigma (-1 for a model without it), speedFactor and maxSpeed.
"""

_COLUMNS = ("token", "offset", "initial_pose", "begin_us", "agent", "network")


@dataclass(frozen=True)
class Sequences:
    """The token sequences of one set, with their start and origin.

    Attributes:
        token: Tokens of all sequences, one sequence after the other.
        offset: Limits of the sequences: sequence s is token[offset[s]:offset[s + 1]].
        initial_pose: Pose at the start of each sequence: x and y in metres and heading in radians, in the frame of its
            road network.
        begin_us: Simulation time at the start of each sequence.
        agent: Number of the vehicle of each sequence in its run; a vehicle has several sequences if its track was cut.
        network: Name of the road network of each sequence; in one set, each network has one run.
        driver: Parameters of the driver of each sequence, one for each name in DRIVER_COLUMNS.
    """

    token: Int64[np.ndarray, " tokens"]
    offset: Int64[np.ndarray, " sequences_plus_1"]
    initial_pose: Float[np.ndarray, "sequences 3"]
    begin_us: Int64[np.ndarray, " sequences"]
    agent: Int64[np.ndarray, " sequences"]
    network: np.ndarray
    driver: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if self.token.ndim != 1 or self.token.dtype.kind not in "iu" or int(self.token.min(initial=0)) < 0:
            raise MotionError(
                f"tokens must be whole numbers of at least 0 in one row, got {self.token.dtype} of shape {self.token.shape}"
            )
        check_offset(self.offset, len(self.token), least=1)
        checked_rows("initial poses", self.initial_pose)
        columns = {
            "initial_pose": self.initial_pose,
            "begin_us": self.begin_us,
            "agent": self.agent,
            "network": self.network,
        }
        for name, column in (columns | dict(self.driver)).items():
            if len(column) != len(self):
                raise MotionError(f"there must be one {name} for each of {len(self)} sequences, got {len(column)}")

    def __len__(self) -> int:
        return len(self.offset) - 1

    def places(
        self, length: int, *, whole: bool = False
    ) -> tuple[Int64[np.ndarray, " windows"], Int64[np.ndarray, " windows"]]:
        """Return the index of the first token of each window that `windows` makes, and the window's sequence."""
        if not is_whole(length) or length < 2:
            raise MotionError(f"a window must have a whole length of at least 2 tokens, to predict one, got {length!r}")
        # A remainder of one token has nothing to predict.
        count = np.diff(self.offset) // length if whole else (np.diff(self.offset) + length - 2) // length
        sequence = np.repeat(np.arange(len(self)), count)
        number = np.arange(len(sequence)) - np.repeat(np.cumsum(count) - count, count)
        return self.offset[sequence] + number * length, sequence

    def windows(self, length: int, *, whole: bool = False) -> Windows:
        """Return the sequences cut into consecutive windows of one length.

        Args:
            length: Number of tokens in a window.
            whole: Whether to leave out the remainder of a sequence after its last whole window; then there is no mask.
                If False, a remainder of two tokens or more becomes a window, padded with token 0 where the mask is
                False.

        Raises:
            MotionError: If no sequence is long enough.
        """
        first, sequence = self.places(length, whole=whole)
        if len(first) == 0:
            raise MotionError(
                f"no sequence has {length if whole else 2} tokens; the longest has {int(np.diff(self.offset).max(initial=0))}"
            )
        token_row = first[:, None] + np.arange(length)
        mask = token_row < self.offset[sequence + 1, None]
        tokens = np.where(mask, self.token[np.minimum(token_row, len(self.token) - 1)], 0)
        return Windows(torch.from_numpy(tokens), None if mask.all() else torch.from_numpy(mask))

    def poses(self, vocabulary: MotionVocabulary) -> Float[np.ndarray, "rows 3"]:
        """Return the poses that the tokens lead to; each sequence has one more pose than tokens."""
        return detokenise(vocabulary, self.token, self.offset, self.initial_pose)

    def save(self, path: Path) -> None:
        """Write the sequences to an .npz file, completely or not at all."""
        content = io.BytesIO()
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS if name != "token"}
        columns |= self.driver
        # Two bytes per token are enough for every vocabulary here.
        token = self.token.astype(np.uint16 if self.token.max(initial=0) < 1 << 16 else np.int64)
        np.savez_compressed(content, token=token, **columns)
        write_atomically(path, content.getvalue())

    @staticmethod
    def load(path: Path) -> "Sequences":
        """Return the sequences in a file.

        Raises:
            MotionError: If the file is missing or contains no sequences.
        """
        held = arrays_of(path, (*_COLUMNS, *DRIVER_COLUMNS), "split of a corpus")
        driver = {name: held[name] for name in DRIVER_COLUMNS}
        try:
            return Sequences(
                held["token"].astype(np.int64, casting="same_kind"), held["offset"], held["initial_pose"], held["begin_us"], held["agent"],
                held["network"], driver,
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise MotionError(f"{path}: holds no split of a corpus: {error}") from error


@dataclass(frozen=True)
class Corpus:
    """A corpus of motion, loaded into memory.

    Attributes:
        vocabulary: Vocabulary of the moves that the tokens stand for.
        train: Training sequences.
        validation: Sequences on the road networks of the training set, with other drivers, routes and random numbers.
        test: Sequences on road networks that are not in the training set.
        manifest: Settings of the corpus, and the errors of its tokenisation.
    """

    vocabulary: MotionVocabulary
    train: Sequences
    validation: Sequences
    test: Sequences
    manifest: Mapping[str, Any]

    @staticmethod
    def open(folder: Path | str) -> "Corpus":
        """Return the corpus in a folder.

        Raises:
            MotionError: If the folder contains no corpus, or a damaged one.
        """
        folder = Path(folder)
        manifest = _manifest(folder / MANIFEST)
        vocabulary = MotionVocabulary.load(folder / VOCABULARY)
        splits = {name: Sequences.load(folder / f"{name}.npz") for name in SPLITS}
        for name, split in splits.items():
            try:
                check_tokens(vocabulary, split.token)
            except MotionError as error:
                raise MotionError(f"{folder / name}.npz: {error}") from error
        return Corpus(vocabulary, **splits, manifest=manifest)


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MotionError(
            f"{path}: cannot be read ({error.strerror}); name a folder that `v2xsim corpus` made"
        ) from error
    except ValueError as error:
        raise MotionError(f"{path}: must be the manifest of a corpus, which this is not: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("corpus") != FORMAT:
        raise MotionError(f"{path}: must be the manifest of a corpus of format {FORMAT}")
    return manifest
