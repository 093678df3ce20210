"""The tracks of egos after fusion, which follow detections and announcements."""

from collections.abc import Sequence

import numpy as np
from numba import njit

from v2xsim.perception.metrics.awareness import WITHIN_M
from v2xsim.perception.tracking.station_tracks import KalmanTracker, Tracker, followed
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections


def without_detection(announced: Sequence[Detections], detections: Sequence[Detections]) -> list[Detections]:
    """Return, for each ego, the announced stations without a detection at their position.

    Args:
        announced: Stations that each ego knows from their announcements.
        detections: Detections of each ego.
    """
    if not announced:
        return []
    first_station, first_detection = (
        np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64) for parts in (announced, detections)
    )
    station_m, detection_m = (
        np.ascontiguousarray(np.concatenate([part.boxes.center_m for part in parts]), np.float64)
        for parts in (announced, detections)
    )
    is_alone = _far_from_all(first_station, station_m, first_detection, detection_m, WITHIN_M)
    return [
        stations if is_alone[first:last].all() else stations[np.flatnonzero(is_alone[first:last])]
        for stations, first, last in zip(announced, first_station, first_station[1:], strict=False)
    ]


@njit(cache=True, nogil=True)
def _far_from_all(first_station, station_m, first_detection, detection_m, within_m):  # type: ignore[no-untyped-def]
    """Return whether each station is farther than `within_m` from all detections of its ego."""
    is_alone = np.ones(len(station_m), np.bool_)
    for e in range(len(first_station) - 1):
        for s in range(first_station[e], first_station[e + 1]):
            for d in range(first_detection[e], first_detection[e + 1]):
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
        self._tracks: dict[int, Tracks] = {}

    def step(
        self, egos: Sequence[int], detections: Sequence[Detections], announced: Sequence[Detections], time_us: int
    ) -> list[Tracks]:
        """Return the tracks of several egos after one more frame of each, all captured at the same time.

        Args:
            egos: Agent id of each ego, without repetitions.
            detections: Detections of each ego after fusion, placed by the pose that it believes.
            announced: Stations that each ego knows from their announcements, extrapolated to the instant of the frame.
            time_us: Capture time of the frames; it must be later than that of each ego's frame before.
        """
        nothing = Tracks.none(time_us)
        before = [self._tracks.get(ego, nothing) for ego in egos]
        everything = [
            Detections.joined([found, others]) if len(others) else found
            for found, others in zip(detections, without_detection(announced, detections), strict=True)
        ]
        after = followed(self._tracker, before, everything, time_us)
        # Another tracker may remember tracks for ever, but of this one's none would be left when the ego comes back.
        if isinstance(self._tracker, KalmanTracker):
            oldest_us = time_us - self._tracker.memory_us
            self._tracks = {ego: tracks for ego, tracks in self._tracks.items() if tracks.time_us >= oldest_us}
        self._tracks.update(zip(egos, after, strict=True))
        return after
