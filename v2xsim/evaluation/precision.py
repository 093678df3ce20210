"""Average precision over all frames of a run, in memory that does not grow with the run.

The matching, and the curve of frames that fit into memory, are in `v2xsim.perception.metrics.average_precision`.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from v2xsim.evaluation.curve_points import CurvePoints, PointRuns
from v2xsim.perception.metrics.average_precision import THRESHOLDS, Matched

HELD = 262_144
"""Largest number of detections in memory, and of points of a curve. Beyond it, points go to a temporary file."""


class AveragePrecision:
    """Average precision at each overlap threshold over frames that come one after the other, whatever their order.

    In memory are the score of each detection, and one bit for each threshold. When there are HELD detections, they become points of
    the curves, one for each distinct score, and go to a temporary file. At the end, the points are read in order of score.

    Args:
        thresholds: Overlap thresholds with which the detections are matched.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS) -> None:
        self._thresholds = tuple(float(threshold) for threshold in thresholds)
        self._objects = self._held = 0
        self._score = np.zeros(0)
        self._hit = np.zeros((0, -(-len(self._thresholds) // 8)), np.uint8)
        self._runs = PointRuns(len(self._thresholds))

    def __len__(self) -> int:
        """Return the number of detections in memory."""
        return self._held

    def add(self, matched: Matched) -> None:
        """Add the detections of one frame, and the number of objects that could be detected in it."""
        if self._held + len(matched.score) > HELD:
            self._write()
        rows = slice(self._held, self._held + len(matched.score))
        if rows.stop > len(self._score):
            self._make_room(max(rows.stop, 2 * len(self._score), 256))
        self._score[rows], self._hit[rows] = matched.score, np.packbits(matched.hit, axis=0).T
        self._held, self._objects = rows.stop, self._objects + matched.objects

    def areas(self) -> list[tuple[float, float]]:
        """Return pairs of threshold and average precision; NaN if there was no object to detect.

        Raises:
            UserError: If the temporary file cannot be written.
        """
        if self._objects == 0:
            return [(threshold, float("nan")) for threshold in self._thresholds]
        if len(self._runs):
            self._write()
            area = _area(_in_blocks(self._runs.merged(HELD)), self._runs.claims, self._runs.hits)
        else:
            points = self._points()
            area = _area(_in_blocks([points]), int(points.claims.sum()), points.hits.sum(axis=0))
        return list(zip(self._thresholds, (area / self._objects).tolist(), strict=True))

    def _points(self) -> CurvePoints:
        """Return the detections in memory as points, one for each distinct score."""
        hit = np.unpackbits(self._hit[: self._held], axis=1, count=len(self._thresholds))
        return CurvePoints(self._score[: self._held], np.ones(self._held, np.int64), hit.astype(np.int64)).summed()

    def _write(self) -> None:
        """Move the detections in memory to the temporary file."""
        if self._held:
            self._runs.append(self._points())
            self._held = 0

    def _make_room(self, rows: int) -> None:
        score, hit = np.zeros(rows), np.zeros((rows, self._hit.shape[1]), np.uint8)
        score[: self._held], hit[: self._held] = self._score[: self._held], self._hit[: self._held]
        self._score, self._hit = score, hit


def _area(blocks: Iterable[CurvePoints], claims: int, hits: np.ndarray) -> np.ndarray:
    """Return the area under each interpolated curve times the number of objects.

    Args:
        blocks: All points, from the lowest score to the highest.
        claims: Number of all detections.
        hits: Number of all hits, for each threshold.
    """
    best, area = np.zeros(len(hits)), np.zeros(len(hits))
    for block in blocks:
        # Detections and hits with this score or a higher one. The interpolated precision is the best one at this score or a lower one.
        claims_from = claims - np.cumsum(block.claims) + block.claims
        hits_from = hits - np.cumsum(block.hits, axis=0) + block.hits
        for t in range(len(hits)):
            envelope = np.maximum(np.maximum.accumulate(hits_from[:, t] / claims_from), best[t])
            best[t] = envelope[-1]
            # Added from the highest score to the lowest, as in the area under the curve of one block.
            area[t] += np.sum((block.hits[:, t] * envelope)[::-1].copy())
        claims, hits = claims - int(block.claims.sum()), hits - block.hits.sum(axis=0)
    return area


def _in_blocks(parts: Iterable[CurvePoints]) -> Iterator[CurvePoints]:
    """Yield points in blocks of HELD points, so that the rounding of sums over blocks does not depend on the parts."""
    held: list[CurvePoints] = []
    for part in parts:
        held.append(part)
        while sum(map(len, held)) >= HELD:
            joined = CurvePoints.joined(held)
            yield joined[:HELD]
            held = [joined[HELD:]]
    if any(map(len, held)):
        yield CurvePoints.joined(held)
