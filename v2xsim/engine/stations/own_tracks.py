"""Tracks that stations keep from their own detections alone, frame by frame."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from v2xsim.engine.stations.frame import Frame
from v2xsim.perception.tracking.station_tracks import StationTracks, tracker_at
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, velocity_of
from v2xsim.records import Detections

TracksAt = tuple[Sequence[Tracks], int]
"""Tracks of several stations, and the row of one station among them."""


class OwnTracks:
    """The tracks of each station at each of its frames; they are kept as long as the frame is.

    Args:
        step_us: Time between two frames of a station. A station without a frame at one step starts with new tracks.
    """

    def __init__(self, step_us: int) -> None:
        self._stations, self._params = StationTracks(step_us, tracker_at(step_us)), TrackerParams.at_step(step_us)
        # By frame: tracks of the stations with a frame at this tick, and the row of the frame's own station among them.
        self._at: WeakKeyDictionary[Frame, TracksAt] = WeakKeyDictionary()
        # Several egos may ask for the detections of one frame.
        self._with_velocity: WeakKeyDictionary[Frame, Detections] = WeakKeyDictionary()

    def follow(self, frames: Sequence[Frame]) -> None:
        """Update the tracks of several stations with the detections of their newest frames, all of one tick."""
        # Another run of the same world may have followed them.
        if not frames or frames[0] in self._at:
            return
        stations, detections = [frame.agent for frame in frames], [frame.detections for frame in frames]
        after = self._stations.follow(stations, detections, frames[0].time_us)
        for row, frame in enumerate(frames):
            self._at[frame] = after, row

    def of(self, frame: Frame) -> Tracks:
        """Return a station's tracks at one of its frames, for which `follow` must have been called."""
        tracks, row = self._at[frame]
        return tracks[row]

    def place_of(self, frame: Frame) -> TracksAt:
        """Return where a station's tracks at one of its frames are, for which `follow` must have been called."""
        return self._at[frame]

    def known_of(self, frame: Frame) -> Tracks | None:
        """Return a station's tracks at one of its frames; None if nobody follows the tracks of this station."""
        return self.of(frame) if frame in self._at else None

    def with_velocities(self, frame: Frame) -> Detections:
        """Return the detections of a frame with the velocities of their tracks; unchanged without a call of `follow` for it."""
        own = frame.detections
        if frame not in self._at:
            return own
        if frame not in self._with_velocity:
            self._with_velocity[frame] = Detections(
                own.boxes, velocity_of(self.of(frame), own, self._params), own.score, own.truth
            )
        return self._with_velocity[frame]
