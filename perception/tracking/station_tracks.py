"""The tracks of many stations over time, each from its own detections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from v2xsim.perception.tracking.tracker import TrackerParams, TrackGroups, Tracks, step, step_all
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
) -> Sequence[Tracks]:
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


def together(places: Sequence[tuple[Sequence[Tracks], int]]) -> Sequence[Tracks]:
    """Return tracks of several stations, in the flat arrays in which they are if they were computed together.

    Args:
        places: For each station, tracks of several stations, and the row of the station's own tracks among them.
    """
    groups = places[0][0] if places else None
    if isinstance(groups, TrackGroups) and all(tracks is groups for tracks, _ in places):
        return groups.rows([row for _, row in places])
    return [tracks[row] for tracks, row in places]


class LatestTracks:
    """The newest tracks of each station.

    Tracks of many stations that were computed together stay together in flat arrays, and are given back as they are if the next step is one
    of the same stations.
    """

    def __init__(self) -> None:
        # By station: time of its newest frame, tracks of the stations that had a frame then, and its row among them.
        self._at: dict[int, tuple[int, Sequence[Tracks], int]] = {}

    def __contains__(self, station: int) -> bool:
        return station in self._at

    def of(self, stations: Sequence[int], oldest_us: int, time_us: int) -> Sequence[Tracks]:
        """Return the newest tracks of some stations, none at `time_us` for a station without a frame since `oldest_us`."""
        newest = [self._at.get(station) for station in stations]
        current = [one for one in newest if one is not None and one[0] >= oldest_us]
        if len(current) == len(newest):
            return together([(tracks, row) for _, tracks, row in current])
        nothing = Tracks.none(time_us)
        return [nothing if one is None or one[0] < oldest_us else one[1][one[2]] for one in newest]

    def put(self, stations: Sequence[int], tracks: Sequence[Tracks], time_us: int, oldest_us: int) -> None:
        """Store the tracks of some stations after their frames at `time_us`, and forget those of stations without one since `oldest_us`."""
        self._at = {station: one for station, one in self._at.items() if one[0] >= oldest_us}
        for row, station in enumerate(stations):
            # Apart, lists of another tracker do not stay in memory as long as one of their stations does.
            one = (tracks, row) if isinstance(tracks, TrackGroups) else ((tracks[row],), 0)
            self._at[station] = (time_us, *one)


class StationTracks:
    """The newest tracks of each station; a station without a frame at one step starts with new tracks.

    Args:
        step_us: Time between two frames of a station.
        tracker: The tracker.
    """

    def __init__(self, step_us: int, tracker: Tracker) -> None:
        self._step_us, self._tracker = step_us, tracker
        self._latest = LatestTracks()

    def follow(self, stations: Sequence[int], detections: Sequence[Detections], time_us: int) -> Sequence[Tracks]:
        """Return the tracks of several stations after their next frames, which were captured at the same time.

        Args:
            stations: Agent id of each station, without repetitions.
            detections: Detections of each station's frame.
            time_us: Capture time of the frames, later than that of each station's frame before.
        """
        # A station that skips a step starts with new tracks, so older ones are of no use.
        oldest_us = time_us - self._step_us
        after = followed(self._tracker, self._latest.of(stations, oldest_us, time_us), detections, time_us)
        self._latest.put(stations, after, time_us, oldest_us)
        return after
