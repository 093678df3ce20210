"""Points of precision-recall curves: how many detections have a score, and how many of them are hits; sorted runs of them in a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.errors import TemporaryFilesError
from v2xsim.staging import Scratch


@dataclass(frozen=True)
class CurvePoints:
    """Points of precision-recall curves at one or several overlap thresholds.

    Attributes:
        score: Score of each point.
        claims: Number of detections with this score.
        hits: Number of these that are hits, at each threshold.
    """

    score: Float[np.ndarray, " points"]
    claims: Int64[np.ndarray, " points"]
    hits: Int64[np.ndarray, "points thresholds"]

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: slice) -> "CurvePoints":
        return CurvePoints(self.score[rows], self.claims[rows], self.hits[rows])

    def summed(self) -> "CurvePoints":
        """Return one point for each distinct score, in rising order."""
        order = np.argsort(self.score, kind="stable")
        score = self.score[order]
        first = np.flatnonzero(np.append(True, score[1:] != score[:-1])[: len(score)])
        if len(first) == 0:
            return self
        claims, hits = (np.add.reduceat(counts[order], first, axis=0) for counts in (self.claims, self.hits))
        return CurvePoints(score[first], claims, hits)

    @staticmethod
    def joined(parts: "Sequence[CurvePoints]") -> "CurvePoints":
        """Return the points of one or more parts, in the order given."""
        columns = zip(*((part.score, part.claims, part.hits) for part in parts), strict=True)
        return CurvePoints(*(np.concatenate(column) for column in columns))


class SortedRuns:
    """Points in a temporary file, in runs of rising scores. The file is made for the first run, and removed with this object.

    Args:
        thresholds: Number of overlap thresholds.

    Attributes:
        claims: Number of detections of all points.
        hits: Number of hits of all points, at each threshold.
    """

    def __init__(self, thresholds: int) -> None:
        self._dtype = np.dtype([("score", "f8"), ("claims", "i4"), ("hits", "i4", (thresholds,))])
        self._folder: Scratch | None = None
        # First point and end of each run in the file.
        self._bounds: list[tuple[int, int]] = []
        self.claims, self.hits = 0, np.zeros(thresholds, np.int64)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._bounds)

    def append(self, points: CurvePoints) -> None:
        """Write a run of points with rising scores.

        Raises:
            TemporaryFilesError: If the file cannot be written.
        """
        if self._folder is None:
            self._folder = Scratch("scores")
        rows = np.zeros(len(points), self._dtype)
        rows["score"], rows["claims"], rows["hits"] = points.score, points.claims, points.hits
        path = self._path(self._folder)
        try:
            with path.open("ab") as file:
                file.write(rows.tobytes())
        except OSError as trouble:
            raise TemporaryFilesError(path, trouble) from None
        first = self._bounds[-1][1] if self._bounds else 0
        self._bounds.append((first, first + len(points)))
        self.claims, self.hits = self.claims + int(points.claims.sum()), self.hits + points.hits.sum(axis=0)

    def merged(self, most: int) -> Iterator[CurvePoints]:
        """Yield the points of all runs in rising order of score, each score once.

        Args:
            most: Number of points that are in memory together.
        """
        share = max(1, most // max(1, len(self)))
        loaded = [CurvePoints(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, len(self.hits)), np.int64))] * len(self)
        bounds = list(self._bounds)
        while bounds != [(end, end) for _, end in bounds] or any(map(len, loaded)):
            for run, (first, end) in enumerate(bounds):
                if len(loaded[run]) == 0 and first < end:
                    bounds[run] = (min(first + share, end), end)
                    loaded[run] = self._read(first, bounds[run][0])
            # Up to this score, the points of all runs are in memory.
            known = min(
                (loaded[run].score[-1] for run, (first, end) in enumerate(bounds) if first < end), default=np.inf
            )
            ready = [int(np.searchsorted(points.score, known, "right")) for points in loaded]
            yield CurvePoints.joined([points[:count] for points, count in zip(loaded, ready, strict=True)]).summed()
            loaded = [points[count:] for points, count in zip(loaded, ready, strict=True)]

    def _read(self, first: int, end: int) -> CurvePoints:
        assert self._folder is not None
        path = self._path(self._folder)
        rows = np.fromfile(path, self._dtype, end - first, offset=first * self._dtype.itemsize)
        return CurvePoints(rows["score"].copy(), rows["claims"].astype(np.int64), rows["hits"].astype(np.int64))

    def _path(self, folder: Scratch) -> Path:
        return Path(folder.name) / "points"
