"""The tracks of egos after fusion, which follow detections and announcements."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.perception.metrics.awareness import WITHIN_M
from v2xsim.perception.tracking.station_tracks import KalmanTracker, LatestTracks, Tracker, followed
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, DetectionGroups, Detections

# Before all times.
_FIRST_US = np.iinfo(np.int64).min


def with_announced(detections: Sequence[Detections], announced: Sequence[Detections]) -> DetectionGroups:
    """Return, for each ego, its detections and the announced stations without a detection at their position.

    Args:
        detections: Detections of each ego.
        announced: Stations that each ego knows from their announcements.
    """
    found, told = DetectionGroups.of(detections), DetectionGroups.of(announced)
    is_alone = _far_from_all(
        told.begin, told.end, told.flat.boxes.center_m, found.begin, found.end, found.flat.boxes.center_m, WITHIN_M
    )
    return DetectionGroups.at(*_joined(found, told, is_alone))


def _joined(
    found: DetectionGroups, told: DetectionGroups, is_alone: Bool[np.ndarray, " stations"]
) -> tuple[Detections, Int64[np.ndarray, " egos_plus_1"]]:
    """Return the detections of all egos, each followed by the stations of this ego that are alone, and the first row of each ego."""
    one, other = found.flat, told.flat
    *columns, truth, first = _in_turn(
        _Rows(found.begin, found.end, one.boxes.center_m, one.boxes.size_m, one.boxes.yaw_rad, one.velocity_mps, one.score, one.truth),
        _Rows(
            told.begin, told.end, other.boxes.center_m, other.boxes.size_m, other.boxes.yaw_rad, other.velocity_mps, other.score,
            other.truth,
        ),
        is_alone,
    )  # fmt: skip
    center_m, size_m, yaw_rad, velocity_mps, score = columns
    return Detections(Boxes(center_m, size_m, yaw_rad), velocity_mps, score, truth), first


class _Rows(NamedTuple):
    """Groups of detections, in the form for compiled functions."""

    begin: Int64[np.ndarray, " egos"]
    end: Int64[np.ndarray, " egos"]
    center_m: Float[np.ndarray, "rows 3"]
    size_m: Float[np.ndarray, "rows 3"]
    yaw_rad: Float[np.ndarray, " rows"]
    velocity_mps: Float[np.ndarray, "rows 2"]
    score: Float[np.ndarray, " rows"]
    truth: Int64[np.ndarray, " rows"]


@njit(cache=True, nogil=True)
def _in_turn(found, told, is_alone):  # type: ignore[no-untyped-def]
    """Return the columns of the rows of `found` and of those of `told` that are alone, ego by ego, and the first row of each ego."""
    egos = len(found.begin)
    first = np.zeros(egos + 1, np.int64)
    for e in range(egos):
        alone = np.sum(is_alone[told.begin[e] : told.end[e]])
        first[e + 1] = first[e] + found.end[e] - found.begin[e] + alone
    rows = first[egos]
    center_m, size_m, yaw_rad = np.empty((rows, 3)), np.empty((rows, 3)), np.empty(rows)
    velocity_mps, score, truth = np.empty((rows, 2)), np.empty(rows), np.empty(rows, np.int64)
    row = 0
    for e in range(egos):
        for is_told in (False, True):
            source = told if is_told else found
            for k in range(source.begin[e], source.end[e]):
                if is_told and not is_alone[k]:
                    continue
                center_m[row], size_m[row], yaw_rad[row] = source.center_m[k], source.size_m[k], source.yaw_rad[k]
                velocity_mps[row], score[row], truth[row] = source.velocity_mps[k], source.score[k], source.truth[k]
                row += 1
    return center_m, size_m, yaw_rad, velocity_mps, score, truth, first


@njit(cache=True, nogil=True)
def _far_from_all(station_begin, station_end, station_m, begin, end, detection_m, within_m):  # type: ignore[no-untyped-def]
    """Return whether each station is farther than `within_m` from all detections of its ego."""
    is_alone = np.ones(len(station_m), np.bool_)
    for e in range(len(begin)):
        for s in range(station_begin[e], station_end[e]):
            for d in range(begin[e], end[e]):
                dx, dy = station_m[s, 0] - detection_m[d, 0], station_m[s, 1] - detection_m[d, 1]
                if np.hypot(dx, dy) <= within_m:
                    is_alone[s] = False
                    break
    return is_alone


class FusedTracks:
    """Tracks of each ego after fusion, for evaluation only: no station acts on them.

    Args:
        tracker: The tracker.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._latest = LatestTracks()

    def step(
        self, egos: Sequence[int], detections: Sequence[Detections], announced: Sequence[Detections], time_us: int
    ) -> Sequence[Tracks]:
        """Return the tracks of several egos after one more frame of each, all captured at the same time.

        Args:
            egos: Agent id of each ego, without repetitions.
            detections: Detections of each ego after fusion, placed by the pose that it believes.
            announced: Stations that each ego knows from their announcements, extrapolated to the instant of the frame.
            time_us: Capture time of the frames; it must be later than that of each ego's frame before.
        """
        everything = with_announced(detections, announced)
        after = followed(self._tracker, self._latest.of(egos, _FIRST_US, time_us), everything, time_us)
        # Another tracker may remember tracks for ever, but of this one's none would be left when the ego comes back.
        oldest_us = time_us - self._tracker.memory_us if isinstance(self._tracker, KalmanTracker) else _FIRST_US
        self._latest.put(egos, after, time_us, oldest_us)
        return after
