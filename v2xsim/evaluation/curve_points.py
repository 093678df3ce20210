"""Points of precision-recall curves: how many detections have a score, and how many of them are hits; sorted runs of them in a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.evaluation.sorted_runs import SortedRuns


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


class PointRuns:
    """Points in a temporary file, in runs of rising scores. The file is made for the first run, and removed with this object.

    Args:
        thresholds: Number of overlap thresholds.

    Attributes:
        claims: Number of detections of all points.
        hits: Number of hits of all points, at each threshold.
    """

    def __init__(self, thresholds: int) -> None:
        self._dtype = np.dtype([("score", "f8"), ("claims", "i4"), ("hits", "i4", (thresholds,))])
        self._runs = SortedRuns("scores", self._dtype, "score")
        self.claims, self.hits = 0, np.zeros(thresholds, np.int64)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._runs)

    def append(self, points: CurvePoints) -> None:
        """Write a run of points with rising scores.

        Raises:
            TemporaryFilesError: If the file cannot be written.
        """
        rows = np.zeros(len(points), self._dtype)
        rows["score"], rows["claims"], rows["hits"] = points.score, points.claims, points.hits
        self._runs.append(rows)
        self.claims, self.hits = self.claims + int(points.claims.sum()), self.hits + points.hits.sum(axis=0)

    def merged(self, most: int) -> Iterator[CurvePoints]:
        """Yield the points of all runs in rising order of score, each score once.

        Args:
            most: Number of points that are in memory together.
        """
        for rows in self._runs.merged(most):
            yield CurvePoints(
                rows["score"].copy(), rows["claims"].astype(np.int64), rows["hits"].astype(np.int64)
            ).summed()
