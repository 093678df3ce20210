"""The tracks of many stations over time, each from its own detections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step, step_all
from v2xsim.records import Detections

Tracker = Callable[[Tracks, Detections, int], Tracks]
"""Function that returns the tracks after the detections of one instant: tracks before, detections, and the instant."""


@dataclass(frozen=True)
class KalmanTracker:
    """The built-in tracker; it can follow the tracks of many stations in one call.

    Attributes:
        params: Its parameters.
    """

    params: TrackerParams

    @property
    def memory_us(self) -> int:
        """Time after which no track without a detection is left."""
        return max(self.params.coast_us, self.params.tentative_us)

    def __call__(self, tracks: Tracks, detections: Detections, time_us: int) -> Tracks:
        """Return the tracks of one station after the detections of one instant."""
        return step(tracks, detections, time_us, self.params)


def tracker_at(step_us: int) -> KalmanTracker:
    """Return the tracker that a run uses, given its time between two frames."""
    return KalmanTracker(TrackerParams.at_step(step_us))


def followed(
    tracker: Tracker, tracks: Sequence[Tracks], detections: Sequence[Detections], time_us: int
) -> list[Tracks]:
    """Return the tracks of several stations after the detections of one instant.

    Args:
        tracker: The tracker. The built-in one is called once for all stations, another one once for each.
        tracks: Tracks of each station before.
        detections: Detections of each station.
        time_us: The instant.
    """
    if isinstance(tracker, KalmanTracker):
        return step_all(tracks, detections, time_us, tracker.params)
    return [tracker(before, found, time_us) for before, found in zip(tracks, detections, strict=True)]


class StationTracks:
    """The newest tracks of each station; a station without a frame at one step starts with new tracks.

    Args:
        step_us: Time between two frames of a station.
        tracker: The tracker.
    """

    def __init__(self, step_us: int, tracker: Tracker) -> None:
        self._step_us, self._tracker = step_us, tracker
        self._latest: dict[int, tuple[int, Tracks]] = {}

    def follow(self, stations: Sequence[int], detections: Sequence[Detections], time_us: int) -> list[Tracks]:
        """Return the tracks of several stations after their next frames, which were captured at the same time.

        Args:
            stations: Agent id of each station, without repetitions.
            detections: Detections of each station's frame.
            time_us: Capture time of the frames, later than that of each station's frame before.
        """
        nothing, before = Tracks.none(time_us), []
        for station in stations:
            last_us, tracks = self._latest.get(station, (-1, nothing))
            before.append(tracks if last_us == time_us - self._step_us else nothing)
        after = followed(self._tracker, before, detections, time_us)
        # A station that skips a step starts with new tracks, so older ones are of no use.
        self._latest = {station: item for station, item in self._latest.items() if item[0] >= time_us - self._step_us}
        self._latest.update((station, (time_us, tracks)) for station, tracks in zip(stations, after, strict=True))
        return after
