"""Tracks of road users from detections alone: a constant-velocity Kalman filter over the tracks of many stations at once.

No true identity is read. Detections are assigned to tracks by position, within a gate, each to at most one track. The
state of a track is x, y, vx, vy over ground in the world frame.

- Prediction: the acceleration is white noise of spectral density q. Per axis, the covariance grows by
  Q = q [[dt^3/3, dt^2/2], [dt^2/2, dt]].
- Gate: a detection can belong to a track if d^2 = v' S^-1 v is below the 0.99 quantile of the chi-square distribution
  with 2 degrees of freedom, -2 ln(1 - 0.99).
- Assignment: the sum of d^2 + ln det S (twice the negative log-likelihood, up to a constant) is minimised, so that a
  new track with a wide covariance does not take the detection of an older, more accurate track.
- Birth: a detection without a track starts a new track. Its unknown speed is assumed to be mostly along its heading.
- Confirmation: a track is confirmed when M of the last N steps had a detection.
- Deletion: a track is deleted when its last detection is too old, so that a few late or missing frames delete no track.

Sources: Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation (2001) 6.2.2 and 3.3;
assignment as in `v2xsim.spatial.assignment`. One step of all tracks is computed in `filtering`. The tracker does not
model turning, correlated errors of several stations, or classes, and does not smooth past states. Velocities that other
stations report are used to start tracks and to extrapolate late boxes, but not as measurements of the filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import overload

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.perception.tracking.filtering import Sightings, States, Stations, assigned, extrapolated, stepped
from v2xsim.perception.tracking.params import USUAL
from v2xsim.perception.tracking.params import TrackerParams as TrackerParams
from v2xsim.records import Boxes, DetectionGroups, Detections


@dataclass(frozen=True)
class Tracks:
    """All tracks of one station at one instant.

    Attributes:
        time_us: Instant to which the states of all tracks refer.
        next_id: Number of the next new track.
        track_id: Number that the station gave each track, in order of creation; not related to agent ids.
        mean: Estimated state of each track: x, y in metres and vx, vy in metres per second, in the world frame.
        covariance: Covariance of the estimated state of each track.
        bottom_m: Smoothed height of the bottom face of each track's box.
        size_m: Smoothed length, width and height of each track's box.
        yaw_rad: Smoothed heading of each track.
        score: Smoothed score of the detections of each track.
        hits: Number of detections assigned to each track so far.
        misses: Number of steps since the last detection of each track.
        recent: Bit i is set if the track had a detection i steps ago.
        confirmed: Whether each track has ever had M detections in N steps.
        last_update_us: Capture time of the newest detection of each track.
    """

    time_us: int
    next_id: int
    track_id: Int64[np.ndarray, " tracks"]
    mean: Float[np.ndarray, "tracks 4"]
    covariance: Float[np.ndarray, "tracks 4 4"]
    bottom_m: Float[np.ndarray, " tracks"]
    size_m: Float[np.ndarray, "tracks 3"]
    yaw_rad: Float[np.ndarray, " tracks"]
    score: Float[np.ndarray, " tracks"]
    hits: Int64[np.ndarray, " tracks"]
    misses: Int64[np.ndarray, " tracks"]
    recent: Int64[np.ndarray, " tracks"]
    confirmed: Bool[np.ndarray, " tracks"]
    last_update_us: Int64[np.ndarray, " tracks"]

    def __len__(self) -> int:
        return len(self.track_id)

    def __repr__(self) -> str:
        return f"<{len(self)} tracks, {int(self.confirmed.sum())} confirmed>"

    def __getitem__(self, rows: np.ndarray | slice) -> "Tracks":
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    @property
    def boxes(self) -> Boxes:
        """Boxes of the tracked road users, in the world frame."""
        return Boxes(np.column_stack([self.mean[:, :2], self.bottom_m]), self.size_m, self.yaw_rad)

    @property
    def velocity_mps(self) -> Float[np.ndarray, "tracks 2"]:
        """Velocity of each track over ground."""
        return self.mean[:, 2:]

    @staticmethod
    def none(time_us: int = 0) -> "Tracks":
        """Return a state without tracks."""
        count, flag = np.zeros(0, np.int64), np.zeros(0, bool)
        number = np.zeros(0)
        return Tracks(
            time_us, 0, count, np.zeros((0, 4)), np.zeros((0, 4, 4)), number, np.zeros((0, 3)), number, number,
            count, count, count, flag, count,
        )  # fmt: skip


_COLUMNS = tuple(name for name in Tracks.__dataclass_fields__ if name not in ("time_us", "next_id"))


@dataclass(frozen=True, eq=False)
class TrackGroups(Sequence[Tracks]):
    """The tracks of several stations, in flat arrays for compiled functions.

    Attributes:
        time_us: Instant to which the states of each station's tracks refer.
        next_id: Number of the next new track of each station.
        begin: Row of the first track of each station.
        end: Row behind the last track of each station.
        states: The tracks of these stations, and perhaps of others.
    """

    time_us: Int64[np.ndarray, " stations"]
    next_id: Int64[np.ndarray, " stations"]
    begin: Int64[np.ndarray, " stations"]
    end: Int64[np.ndarray, " stations"]
    states: States

    def __len__(self) -> int:
        """Return the number of stations."""
        return len(self.time_us)

    @overload
    def __getitem__(self, station: int) -> Tracks: ...
    @overload
    def __getitem__(self, station: slice) -> list[Tracks]: ...
    def __getitem__(self, station: int | slice) -> Tracks | list[Tracks]:
        """Return the tracks of one station, or those of some as a list."""
        if isinstance(station, slice):
            return [self[n] for n in range(*station.indices(len(self)))]
        # A sequence without an end would be read for ever.
        if not -len(self) <= station < len(self):
            raise IndexError(station)
        rows = slice(self.begin[station], self.end[station])
        return Tracks(int(self.time_us[station]), int(self.next_id[station]), *[column[rows] for column in self.states])

    def rows(self, stations: Sequence[int]) -> "TrackGroups":
        """Return the tracks of some of the stations, by their rows, in the same flat arrays."""
        if list(stations) == list(range(len(self))):
            return self
        at = np.array(stations, np.int64)
        return TrackGroups(self.time_us[at], self.next_id[at], self.begin[at], self.end[at], self.states)

    @staticmethod
    def of(parts: "Sequence[Tracks]") -> "TrackGroups":
        """Return the tracks of several stations as groups."""
        if isinstance(parts, TrackGroups):
            return parts
        first = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=first[1:])
        joined = parts or [Tracks.none()]
        return TrackGroups(
            np.array([part.time_us for part in parts], np.int64), np.array([part.next_id for part in parts], np.int64),
            first[:-1], first[1:], States(*(np.concatenate([getattr(part, name) for part in joined]) for name in _COLUMNS)),
        )  # fmt: skip


@lru_cache(maxsize=256)
def _growth(dt_us: int, density_m2_s3: float) -> Float[np.ndarray, "4 4"]:
    """Return what a motion adds to the covariance of a track."""
    dt = dt_us * 1e-6
    noise = np.kron(np.array([[dt**3 / 3.0, dt**2 / 2.0], [dt**2 / 2.0, dt]]), np.eye(2))
    return density_m2_s3 * noise


def predict(tracks: Tracks, dt_us: int, params: TrackerParams = USUAL) -> Tracks:
    """Return the tracks extrapolated by `dt_us` at constant velocity.

    Two predictions in a row equal one over the whole time.
    """
    if dt_us < 0:
        raise ValueError(f"dt_us must not be negative, got {dt_us}; late detections go to step() as they are")
    growth = _growth(dt_us, params.acceleration_density_m2_s3)
    mean, covariance = extrapolated(_contiguous(tracks.mean), _contiguous(tracks.covariance), dt_us * 1e-6, growth)
    return replace(tracks, time_us=tracks.time_us + dt_us, mean=mean, covariance=covariance)


def step(
    tracks: Tracks,
    detections: Detections,
    time_us: int,
    params: TrackerParams = USUAL,
    captured_us: Int64[np.ndarray, " detections"] | None = None,
) -> Tracks:
    """Return the tracks after the detections of one instant.

    Args:
        tracks: State before the detections.
        detections: Detections in the world frame, at most one per road user (see boxes.suppressed).
        time_us: Instant of the new state. If this instant is before that of `tracks`, the data is late and the state
            keeps its instant.
        params: Parameters of the tracker.
        captured_us: Capture time of each detection (None means `time_us`). Older detections are extrapolated with their
            velocity, and their position error grows with age; detections older than `coast_us` are dropped.
    """
    return step_all([tracks], [detections], time_us, params, None if captured_us is None else [captured_us])[0]


def step_all(
    tracks: Sequence[Tracks],
    detections: Sequence[Detections],
    time_us: int,
    params: TrackerParams = USUAL,
    captured_us: Sequence[Int64[np.ndarray, " _detections"]] | None = None,
) -> "TrackGroups":
    """Return the tracks of several stations after the detections of one instant; the result is that of `step` for each.

    Args:
        tracks: State of each station before the detections; the result of an earlier step is taken as it is.
        detections: Detections of each station; groups are taken as they are.
        time_us: Instant of the new states.
        params: Parameters of the tracker.
        captured_us: For each station, the capture time of each detection (None means `time_us`).
    """
    before, found = TrackGroups.of(tracks), DetectionGroups.of(detections)
    if len(before) == 0:
        return before
    # Late data must not move the tracks back in time; it is extrapolated to their instant.
    now_us = np.maximum(before.time_us, time_us)
    dt_us = now_us - before.time_us
    # Nearly always, all stations had a frame at the step before.
    times_us, number = np.unique(dt_us, return_inverse=True)
    growth = np.stack([_growth(dt, params.acceleration_density_m2_s3) for dt in times_us.tolist()])
    stations = Stations(
        before.begin, before.end, found.begin, found.end, before.next_id, now_us, dt_us * 1e-6, growth[number]
    )
    after, first, next_id = stepped(before.states, _sightings(found, time_us, captured_us), stations, params.limits)
    return TrackGroups(now_us, next_id, first[:-1], first[1:], after)


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Return an array in the layout for which the compiled functions are built."""
    return np.ascontiguousarray(array, np.float64)


def _sightings(found: DetectionGroups, time_us: int, captured_us: Sequence[np.ndarray] | None) -> Sightings:
    """Return the detections of all stations in flat arrays."""
    flat = found.flat
    captured = np.full(len(flat), time_us, np.int64)
    for begin, end, part in zip(found.begin, found.end, captured_us or (), strict=captured_us is not None):
        captured[begin:end] = part
    return Sightings(
        flat.boxes.center_m, flat.boxes.size_m, flat.boxes.yaw_rad, flat.velocity_mps, flat.score, captured
    )


def velocity_of(
    tracks: Tracks, detections: Detections, params: TrackerParams = USUAL
) -> Float[np.ndarray, "detections 2"]:
    """Return the velocity over ground of each detection, from the track to which it was assigned; zero if unknown.

    Args:
        tracks: Tracks after `step` with the same detections.
        detections: Detections in the world frame, at the instant of the tracks.
        params: Parameters of the tracker.
    """
    velocity = np.zeros((len(detections), 2))
    noise = np.tile(params.position_sigma_m**2 * np.eye(2), (len(detections), 1, 1))
    position_m = _contiguous(detections.boxes.center_m[:, :2])
    detection_of = assigned(_contiguous(tracks.mean), _contiguous(tracks.covariance), position_m, noise, params.gate)
    has_one = detection_of >= 0
    # It is zero for a track with a single detection that came without a velocity.
    velocity[detection_of[has_one]] = tracks.mean[has_one, 2:]
    return velocity
