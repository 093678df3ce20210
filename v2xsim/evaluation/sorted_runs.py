"""Rows in a temporary file, in runs that are sorted by a key, and read again in order of the key in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from v2xsim.errors import TemporaryFilesError
from v2xsim.staging import Scratch


class SortedRuns:
    """Runs of rows with rising keys. The file is made for the first run, and removed with this object.

    Args:
        purpose: Word in the name of the temporary folder.
        dtype: Fields of a row.
        key: Name of the field by which runs are sorted; no run has a key twice.
    """

    def __init__(self, purpose: str, dtype: np.dtype, key: str) -> None:
        self._purpose, self._dtype, self._key = purpose, dtype, key
        self._folder: Scratch | None = None
        # First row and end of each run in the file.
        self._bounds: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._bounds)

    def append(self, rows: np.ndarray) -> None:
        """Write a run.

        Raises:
            TemporaryFilesError: If the file cannot be written.
        """
        if self._folder is None:
            self._folder = Scratch(self._purpose)
        path = self._path(self._folder)
        try:
            with path.open("ab") as file:
                file.write(rows.tobytes())
        except OSError as trouble:
            raise TemporaryFilesError(path, trouble) from None
        first = self._bounds[-1][1] if self._bounds else 0
        self._bounds.append((first, first + len(rows)))

    def merged(self, most: int) -> Iterator[np.ndarray]:
        """Yield the rows of all runs in parts; each part has greater keys than the one before, and the rows of one run after the other.

        Args:
            most: Number of rows that are in memory together.
        """
        share = max(1, most // max(1, len(self)))
        loaded = [np.zeros(0, self._dtype)] * len(self)
        bounds = list(self._bounds)
        while bounds != [(end, end) for _, end in bounds] or any(map(len, loaded)):
            for run, (first, end) in enumerate(bounds):
                if len(loaded[run]) == 0 and first < end:
                    bounds[run] = (min(first + share, end), end)
                    loaded[run] = self._read(first, bounds[run][0])
            # Up to this key, the rows of all runs are in memory.
            ends = [loaded[run][self._key][-1] for run, (first, end) in enumerate(bounds) if first < end]
            ready = [
                int(np.searchsorted(rows[self._key], min(ends), "right")) if ends else len(rows) for rows in loaded
            ]
            yield np.concatenate([rows[:count] for rows, count in zip(loaded, ready, strict=True)])
            loaded = [rows[count:] for rows, count in zip(loaded, ready, strict=True)]

    def _read(self, first: int, end: int) -> np.ndarray:
        assert self._folder is not None
        path = self._path(self._folder)
        return np.fromfile(path, self._dtype, end - first, offset=first * self._dtype.itemsize)

    def _path(self, folder: Scratch) -> Path:
        return Path(folder.name) / "rows"
