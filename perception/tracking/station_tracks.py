"""The tracks of many stations over time, each from its own detections."""

from collections.abc import Callable
from functools import partial

from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step
from v2xsim.records import Detections

Tracker = Callable[[Tracks, Detections, int], Tracks]
"""Function that returns the tracks after the detections of one instant: tracks before, detections, and the instant."""


def tracker_at(step_us: int) -> Tracker:
    """Return the tracker that a run uses, given its time between two frames."""
    return partial(step, params=TrackerParams.at_step(step_us))


class StationTracks:
    """The newest tracks of each station; a station without a frame at one step starts with new tracks.

    Args:
        step_us: Time between two frames of a station.
        tracker: The tracker.
    """

    def __init__(self, step_us: int, tracker: Tracker) -> None:
        self._step_us, self._tracker = step_us, tracker
        self._latest: dict[int, tuple[int, Tracks]] = {}

    def follow(self, station: int, detections: Detections, time_us: int) -> Tracks:
        """Return a station's tracks after its next frame.

        Args:
            station: Agent id of the station.
            detections: Detections of the frame.
            time_us: Capture time of the frame, later than that of the station's frame before.
        """
        last_us, before = self._latest.get(station, (-1, Tracks.none(time_us)))
        if last_us != time_us - self._step_us:
            before = Tracks.none(time_us)
        tracks = self._tracker(before, detections, time_us)
        self._latest[station] = time_us, tracks
        return tracks
